package simulation

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/apiutil"

	corev1 "k8s.io/api/core/v1"
)

// access is how one process reaches the API server. A process that has crashed reaches it no more: whatever it was about
// to do does not happen.
type access struct {
	w       *World
	process string // who it is, for faults and traces
	life    int    // how many of its kind there were before it
	user    string
	crashed bool
	// sleepsUntil is when a process that was stopped in its tracks goes on.
	sleepsUntil time.Time
	replicas    map[reflect.Type]*informer
	// A story may have it crash right after so many more writes, or have so many be refused; 0 for never.
	crashAfter, refused int
}

// asleep reports whether the process is stopped.
func (a *access) asleep() bool { return time.Now().Before(a.sleepsUntil) }

// force marks deletions without grace.
const force = "force"

var errCrashed = errors.New("the process has crashed")

// request is one call, as faults and counters see it.
type request struct {
	process, verb, kind, name, sub string
}

func (r request) String() string {
	object := r.kind + " " + r.name
	if r.sub != "" {
		object += "/" + r.sub
	}
	return r.process + " " + r.verb + " " + object
}

func kindOf(o runtime.Object) string {
	return strings.ToLower(reflect.TypeOf(o).Elem().Name())
}

// do sends a request, unless a fault has it lost on its way there or back.
func (a *access) do(ctx context.Context, verb string, o client.Object, sub string, send func() error) error {
	if t := turnOf(ctx); t != nil {
		if err := t.takeForCall(ctx); err != nil {
			return err
		}
		defer a.w.agenda.poked()
	}
	if a.crashed {
		return errCrashed
	}
	r := request{a.process, verb, kindOf(o), o.GetName(), sub}
	fate := a.w.fateOf(a, r)
	// Upstream's preemption has its pod tried again at once when it may not write (preemption/executor.go), as fast as the
	// client's rate limit lets it, which is not modelled.
	preempting := a.process == "scheduler" && apierrors.IsForbidden(fate.before)
	if a != a.w.system && a != a.w.user && !preempting {
		a.w.checker.doing(a.process, " calls", callsPerMinute)
	}
	if fate.before == nil && verb != "get" && verb != "list" {
		fate.before, fate.after = a.told(fate.after)
	}
	if fate.before != nil {
		return fate.before
	}
	asked := o.DeepCopyObject()
	err := send()
	a.w.called(a, r, o, err)
	if err == nil && fate.twice {
		copyInto(asked, o)
		return send()
	}
	if err == nil && fate.after != nil {
		return fate.after
	}
	return err
}

// told is what a story has happen to a write: an error instead of it, or after it.
func (a *access) told(otherwise error) (before, after error) {
	if a.refused > 0 {
		a.refused--
		return apierrors.NewTooManyRequests("too many requests", 1), nil
	}
	if a.crashAfter > 0 {
		if a.crashAfter--; a.crashAfter == 0 {
			return nil, a.w.crashAfter(a)
		}
	}
	return nil, otherwise
}

func (a *access) get(ctx context.Context, key types.NamespacedName, into client.Object) error {
	into.SetName(key.Name)
	return a.do(ctx, "get", into, "", func() error { return a.received(a.w.api.Get(ctx, key, into))(into) })
}

// listClaims are all claims of a namespace. Whoever asks picks those with the labels that it wants.
func (a *access) listClaims(namespace string) (*corev1.PersistentVolumeClaimList, error) {
	list, kind := &corev1.PersistentVolumeClaimList{}, &corev1.PersistentVolumeClaim{ObjectMeta: metav1.ObjectMeta{Namespace: namespace}}
	err := a.do(a.w.ctx, "get", kind, "", func() error {
		list.Items = nil
		for _, claim := range all[*corev1.PersistentVolumeClaim](a.w) {
			if claim.Namespace == namespace {
				list.Items = append(list.Items, *claim.DeepCopy())
			}
		}
		return nil
	})
	return list, err
}

// received hands a result over to who asked for it.
func (a *access) received(from client.Object, err error) func(client.Object) error {
	return func(into client.Object) error {
		if err == nil {
			copyInto(from.DeepCopyObject(), into)
		}
		return err
	}
}

func copyInto(from, into runtime.Object) {
	reflect.ValueOf(into).Elem().Set(reflect.ValueOf(from).Elem())
}

func (a *access) create(ctx context.Context, o client.Object) error {
	return a.do(ctx, "create", o, "", func() error { return a.received(a.w.api.Create(ctx, a.user, o))(o) })
}

func (a *access) bind(ctx context.Context, b *corev1.Binding) error {
	return a.do(ctx, "bind", b, b.Target.Name, func() error { return a.w.api.Bind(ctx, a.user, b) })
}

func (a *access) update(ctx context.Context, o client.Object, sub string) error {
	return a.do(ctx, "update", o, sub, func() error { return a.received(a.w.api.Update(ctx, a.user, o, sub))(o) })
}

func (a *access) patch(ctx context.Context, o client.Object, sub string, kind types.PatchType, body []byte) error {
	return a.do(ctx, "patch", o, sub, func() error { return a.received(a.w.api.Patch(ctx, a.user, o, sub, kind, body))(o) })
}

func (a *access) apply(ctx context.Context, o client.Object, sub string, options metav1.PatchOptions, body []byte) error {
	return a.do(ctx, "patch", o, sub, func() error { return a.received(a.w.api.Apply(ctx, a.user, o, sub, options, body))(o) })
}

func (a *access) remove(ctx context.Context, o client.Object, options metav1.DeleteOptions) error {
	if p := options.Preconditions; a.process == "manager" && (p == nil || p.UID == nil) {
		a.w.checker.fail("deletions name their object", "%s %s: another one of that name would go too", kindOf(o), o.GetName())
	}
	sub := ""
	if options.GracePeriodSeconds != nil && *options.GracePeriodSeconds == 0 {
		sub = force
	}
	return a.do(ctx, "delete", o, sub, func() error { return a.w.api.Delete(ctx, a.user, o, options) })
}

// writer is the controllers' client: it reads from replicas and writes to the server. What it does not offer, nobody
// uses, and calling it panics.
type writer struct {
	client.Client
	reader
	*access
}

// Get reads from the replica.
func (w writer) Get(ctx context.Context, key client.ObjectKey, o client.Object, opts ...client.GetOption) error {
	return w.reader.Get(ctx, key, o, opts...)
}

// List reads from the replica.
func (w writer) List(ctx context.Context, list client.ObjectList, opts ...client.ListOption) error {
	return w.reader.List(ctx, list, opts...)
}

// Scheme is the scheme.
func (w writer) Scheme() *runtime.Scheme { return w.w.scheme }

// GroupVersionKindFor finds the kind by the type.
func (w writer) GroupVersionKindFor(o runtime.Object) (schema.GroupVersionKind, error) {
	return apiutil.GVKForObject(o, w.w.scheme)
}

// Create sends a new object.
func (w writer) Create(ctx context.Context, o client.Object, _ ...client.CreateOption) error {
	return w.create(ctx, o)
}

// Update replaces an object.
func (w writer) Update(ctx context.Context, o client.Object, _ ...client.UpdateOption) error {
	return w.update(ctx, o, "")
}

// Delete deletes an object.
func (w writer) Delete(ctx context.Context, o client.Object, opts ...client.DeleteOption) error {
	var options client.DeleteOptions
	options.ApplyOptions(opts)
	return w.remove(ctx, o, *options.AsDeleteOptions())
}

// Patch changes an object.
func (w writer) Patch(ctx context.Context, o client.Object, p client.Patch, opts ...client.PatchOption) error {
	body, err := p.Data(o)
	if err != nil {
		return err
	}
	if p.Type() == types.ApplyPatchType {
		var options client.PatchOptions
		options.ApplyOptions(opts)
		return w.apply(ctx, o, "", *options.AsPatchOptions(), body)
	}
	return w.patch(ctx, o, "", p.Type(), body)
}

// Apply merges a configuration into an object, which it creates where there is none. What is stored is read back into the
// configuration, as the library does.
func (w writer) Apply(ctx context.Context, configuration runtime.ApplyConfiguration, opts ...client.ApplyOption) error {
	body, err := json.Marshal(configuration)
	if err != nil {
		return fmt.Errorf("reading a configuration: %w", err)
	}
	var u unstructured.Unstructured
	if err := json.Unmarshal(body, &u.Object); err != nil {
		return fmt.Errorf("reading a configuration: %w", err)
	}
	empty, err := w.w.scheme.New(u.GroupVersionKind())
	if err != nil {
		return fmt.Errorf("applying: %w", err)
	}
	o := empty.(client.Object)
	o.SetNamespace(u.GetNamespace())
	o.SetName(u.GetName())
	var options client.ApplyOptions
	options.ApplyOptions(opts)
	if err := w.apply(ctx, o, "", *options.AsPatchOptions(), body); err != nil {
		return err
	}
	o.GetObjectKind().SetGroupVersionKind(u.GroupVersionKind())
	if body, err = json.Marshal(o); err != nil {
		return fmt.Errorf("answering with what is stored: %w", err)
	}
	return json.Unmarshal(body, configuration)
}

// Status writes the status.
func (w writer) Status() client.SubResourceWriter { return w.SubResource("status") }

// SubResource writes a subresource.
func (w writer) SubResource(name string) client.SubResourceClient {
	return subresource{access: w.access, name: name}
}

type subresource struct {
	client.SubResourceClient
	*access
	name string
}

// Update replaces what the subresource shows.
func (s subresource) Update(ctx context.Context, o client.Object, _ ...client.SubResourceUpdateOption) error {
	return s.update(ctx, o, s.name)
}

// Patch changes what the subresource shows.
func (s subresource) Patch(ctx context.Context, o client.Object, p client.Patch, opts ...client.SubResourcePatchOption) error {
	body, err := p.Data(o)
	if err != nil {
		return err
	}
	if p.Type() == types.ApplyPatchType {
		var options client.SubResourcePatchOptions
		options.ApplyOptions(opts)
		return s.apply(ctx, o, s.name, *options.AsPatchOptions(), body)
	}
	return s.patch(ctx, o, s.name, p.Type(), body)
}

// live reads straight from the server.
type live struct{ *access }

// Get reads an object.
func (l live) Get(ctx context.Context, key client.ObjectKey, o client.Object, _ ...client.GetOption) error {
	return l.get(ctx, key, o)
}

// List reads objects from what is stored. It is one call, whatever there is.
func (l live) List(ctx context.Context, list client.ObjectList, opts ...client.ListOption) error {
	element, _ := reflect.TypeOf(list).Elem().FieldByName("Items")
	one := reflect.New(element.Type.Elem()).Interface().(client.Object)
	return l.do(ctx, "list", one, "", func() error { return reader{l.w.truth}.List(ctx, list, opts...) })
}

// reader reads from replicas, as a controller's cache does.
type reader struct {
	informers map[reflect.Type]*informer
}

func (r reader) of(o runtime.Object) (*informer, error) {
	i := r.informers[reflect.TypeOf(o)]
	if i == nil {
		return nil, fmt.Errorf("no replica of %T", o)
	}
	return i, nil
}

// Get reads an object from the replica.
func (r reader) Get(_ context.Context, key client.ObjectKey, o client.Object, opts ...client.GetOption) error {
	i, err := r.of(o)
	if err != nil {
		return err
	}
	name := key.Name
	if key.Namespace != "" {
		name = key.String()
	}
	found, there, err := i.GetIndexer().GetByKey(name)
	if err != nil {
		return err
	}
	if !there {
		return apierrors.NewNotFound(schema.GroupResource{Resource: kindOf(o)}, key.Name)
	}
	var options client.GetOptions
	options.ApplyOptions(opts)
	object := found.(client.Object)
	if options.UnsafeDisableDeepCopy == nil || !*options.UnsafeDisableDeepCopy {
		object = object.DeepCopyObject().(client.Object)
	}
	copyInto(object, o)
	return nil
}

// List reads objects from the replica, by at most one index.
func (r reader) List(_ context.Context, list client.ObjectList, opts ...client.ListOption) error {
	var options client.ListOptions
	options.ApplyOptions(opts)
	element := reflect.TypeOf(list).Elem()
	items, _ := element.FieldByName("Items")
	i := r.informers[reflect.PointerTo(items.Type.Elem())]
	if i == nil {
		return fmt.Errorf("no replica for %T", list)
	}
	found, err := i.matching(options)
	if err != nil {
		return err
	}
	copies := options.UnsafeDisableDeepCopy == nil || !*options.UnsafeDisableDeepCopy
	objects := make([]runtime.Object, 0, len(found))
	for _, o := range found {
		object := o.(client.Object)
		if options.Namespace != "" && object.GetNamespace() != options.Namespace {
			continue
		}
		if options.LabelSelector != nil && !options.LabelSelector.Matches(labels.Set(object.GetLabels())) {
			continue
		}
		if copies {
			object = object.DeepCopyObject().(client.Object)
		}
		objects = append(objects, object)
	}
	return meta.SetList(list, objects)
}

func (i *informer) matching(o client.ListOptions) ([]any, error) {
	if o.FieldSelector == nil {
		return i.GetIndexer().List(), nil
	}
	terms := o.FieldSelector.Requirements()
	if len(terms) != 1 {
		return nil, fmt.Errorf("a list by %s: one index at a time", o.FieldSelector)
	}
	return i.GetIndexer().ByIndex(terms[0].Field, terms[0].Value)
}

// IndexField adds an index to the replica of the object's kind.
func (r reader) IndexField(_ context.Context, o client.Object, name string, keys client.IndexerFunc) error {
	i, err := r.of(o)
	if err != nil {
		return err
	}
	return i.AddIndexers(cache.Indexers{name: func(obj any) ([]string, error) { return keys(obj.(client.Object)), nil }})
}
