package fidelity

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	jsonpatch "gopkg.in/evanphx/json-patch.v4"
	autoscalingv1 "k8s.io/api/autoscaling/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/shoal-dev/shoal/simulation"
)

// Step is one request of a script. It names what depends on earlier answers, and each server fills in its own.
type Step struct {
	Verb   string          `json:"verb"`             // create, update, patch, scale, bind, delete; collect waits for the garbage collector
	As     string          `json:"as,omitempty"`     // manager, or else somebody
	Kind   string          `json:"kind,omitempty"`   // of Kinds
	Name   string          `json:"name,omitempty"`   //
	Sub    string          `json:"sub,omitempty"`    // subresource
	Object json.RawMessage `json:"object,omitempty"` // to create; of a bind, the Binding
	Owner  string          `json:"owner,omitempty"`  // the InstanceSet that controls what is created, if it exists
	// Change is a patch; for an update, a merge patch of the object that was read before.
	Change json.RawMessage `json:"change,omitempty"`
	How    types.PatchType `json:"how,omitempty"`     // of a patch
	Seen   string          `json:"version,omitempty"` // resource version that the request names: "", current or stale
	UID    string          `json:"uid,omitempty"`     // UID that the request names: "", current or other
	Number int32           `json:"number,omitempty"`  // replicas to scale to
	Node   string          `json:"node,omitempty"`    // to bind to
	Force  bool            `json:"force,omitempty"`   // delete without grace
	// Cascade is what a deletion does with what the object owns: Foreground, Background or Orphan; "" leaves it to the server.
	Cascade metav1.DeletionPropagation `json:"cascade,omitempty"`
}

// Answer is what came of a step.
type Answer struct {
	Code    int32  `json:"code,omitempty"` // of HTTP; 0 for success
	Reason  string `json:"reason,omitempty"`
	Message string `json:"message,omitempty"`
	// Object is what a read shows after the step; nil for nothing. In a recording it is a merge patch of what a read showed
	// the time before.
	Object map[string]any `json:"object,omitempty"`
	// There are the objects that exist after the garbage collector was waited for.
	There []string `json:"there,omitempty"`
}

// Server is an API server, real or in memory. Users are "manager" and "somebody". Objects say by their type what is meant.
type Server interface {
	Get(ctx context.Context, o client.Object) error
	Create(ctx context.Context, as string, o client.Object) error
	Update(ctx context.Context, as string, o client.Object, sub string) error
	Patch(ctx context.Context, as string, o client.Object, sub string, how types.PatchType, patch []byte) error
	Scale(ctx context.Context, as string, o client.Object, scale *autoscalingv1.Scale) error
	Bind(ctx context.Context, as string, pod *corev1.Pod, binding *corev1.Binding) error
	Delete(ctx context.Context, as string, o client.Object, options metav1.DeleteOptions) error
	// Collect has the garbage collector do what there is to do among these objects, or waits for it.
	Collect(ctx context.Context, among []client.Object) error
}

// Play plays a script and returns what came of each step.
func Play(ctx context.Context, s Server, script []Step) ([]Answer, error) {
	p := player{Server: s, names: newNames(), first: map[string]snapshot{}}
	answers := make([]Answer, 0, len(script))
	for n := range script {
		a, err := p.step(ctx, &script[n])
		if err != nil {
			return nil, fmt.Errorf("step %d, %s %s %s: %w", n+1, script[n].Verb, script[n].Kind, script[n].Name, err)
		}
		answers = append(answers, a)
	}
	return answers, nil
}

type player struct {
	Server
	names names
	first map[string]snapshot // of each object: later, its version is a stale one
	pairs [][2]string         // kind and name of all that was ever asked for
}

// snapshot is what an object was like at a version.
type snapshot struct{ version, content string }

func snapshotOf(o client.Object) snapshot {
	copied := o.DeepCopyObject().(client.Object)
	copied.SetResourceVersion("")
	copied.SetManagedFields(nil)
	content, _ := json.Marshal(copied)
	return snapshot{o.GetResourceVersion(), string(content)}
}

func (p *player) step(ctx context.Context, s *Step) (Answer, error) {
	if s.Verb == "collect" {
		return p.collect(ctx)
	}
	if pair := [2]string{s.Kind, s.Name}; !slices.Contains(p.pairs, pair) {
		p.pairs = append(p.pairs, pair)
	}
	before, err := p.read(ctx, s.Kind, s.Name)
	if err != nil {
		return Answer{}, err
	}
	if before != nil && p.first[s.Kind+s.Name].version == "" {
		p.first[s.Kind+s.Name] = snapshotOf(before)
	}
	refusal := p.send(ctx, s, before)
	after, err := p.read(ctx, s.Kind, s.Name)
	if err != nil {
		return Answer{}, err
	}
	var a Answer
	if after != nil { // before the message, which may name its UID
		if a.Object, err = p.names.normal(after); err != nil {
			return Answer{}, err
		}
	}
	a.refused(p.names, refusal)
	return a, nil
}

func (a *Answer) refused(n names, err error) {
	if err == nil {
		return
	}
	var status apierrors.APIStatus
	if !errors.As(err, &status) {
		a.Code, a.Message = 500, err.Error()
		return
	}
	a.Code, a.Reason, a.Message = status.Status().Code, string(status.Status().Reason), n.message(status.Status().Message)
}

// read is the object as it is; nil if it is not there.
func (p *player) read(ctx context.Context, kind, name string) (client.Object, error) {
	o := empty(kind, name)
	err := p.Get(ctx, o)
	if apierrors.IsNotFound(err) {
		return nil, nil
	}
	return o, err
}

func (p *player) send(ctx context.Context, s *Step, before client.Object) error {
	o := empty(s.Kind, s.Name)
	switch s.Verb {
	case "create":
		if err := json.Unmarshal(s.Object, o); err != nil {
			return err
		}
		p.own(ctx, o, s.Owner)
		return p.Create(ctx, s.As, o)
	case "update":
		return p.update(ctx, s, before)
	case "patch":
		patch, err := p.patchOf(s, before)
		if err != nil {
			return err
		}
		return p.Patch(ctx, s.As, o, s.Sub, s.How, patch)
	case "scale":
		scale := &autoscalingv1.Scale{ObjectMeta: metav1.ObjectMeta{Namespace: o.GetNamespace(), Name: s.Name, ResourceVersion: p.version(s, before)}}
		scale.Spec.Replicas = s.Number
		return p.Scale(ctx, s.As, o, scale)
	case "bind":
		b := &corev1.Binding{}
		if err := json.Unmarshal([]byte(cmp.Or(string(s.Object), "{}")), b); err != nil {
			return err
		}
		b.Namespace, b.Name, b.UID = namespace, s.Name, p.uid(s, before)
		b.Target = corev1.ObjectReference{Kind: "Node", Name: s.Node}
		return p.Bind(ctx, s.As, o.(*corev1.Pod), b)
	case "delete":
		return p.Delete(ctx, s.As, o, p.deletion(s, before))
	}
	return fmt.Errorf("no such verb: %s", s.Verb)
}

// patchOf is a patch with the UID and the version that the step names, as the manager sends them.
func (p *player) patchOf(s *Step, before client.Object) ([]byte, error) {
	meta := map[string]string{}
	if version := p.version(s, before); version != "" {
		meta["resourceVersion"] = version
	}
	if uid := p.uid(s, before); uid != "" {
		meta["uid"] = string(uid)
	}
	if s.How != types.MergePatchType || len(meta) == 0 {
		return s.Change, nil
	}
	text, err := json.Marshal(map[string]any{"metadata": meta})
	if err != nil {
		return nil, err
	}
	return jsonpatch.MergePatch(s.Change, text)
}

func (p *player) deletion(s *Step, before client.Object) metav1.DeleteOptions {
	var options metav1.DeleteOptions
	if s.UID != "" || s.Seen != "" {
		options.Preconditions = &metav1.Preconditions{}
	}
	if uid := p.uid(s, before); uid != "" {
		options.Preconditions.UID = &uid
	}
	if version := p.version(s, before); version != "" {
		options.Preconditions.ResourceVersion = &version
	}
	if s.Force {
		options.GracePeriodSeconds = ptr.To[int64](0)
	}
	if s.Cascade != "" {
		options.PropagationPolicy = &s.Cascade
	}
	return options
}

func (p *player) update(ctx context.Context, s *Step, before client.Object) error {
	o := empty(s.Kind, s.Name)
	if before != nil {
		text, err := json.Marshal(before)
		if err != nil {
			return err
		}
		if text, err = jsonpatch.MergePatch(text, s.Change); err != nil {
			return err
		}
		if err := json.Unmarshal(text, o); err != nil {
			return err
		}
	}
	o.SetResourceVersion(p.version(s, before))
	if s.UID == "other" {
		o.SetUID("other")
	}
	return p.Update(ctx, s.As, o, s.Sub)
}

func (p *player) version(s *Step, before client.Object) string {
	switch {
	case before == nil:
		return ""
	case s.Seen == "current":
		return before.GetResourceVersion()
	case s.Seen == "stale": // one without a change since is not: a real server makes a version when only managed fields change
		if first, now := p.first[s.Kind+s.Name], snapshotOf(before); first.content != now.content {
			return first.version
		}
		return before.GetResourceVersion()
	}
	return ""
}

func (p *player) uid(s *Step, before client.Object) types.UID {
	switch {
	case s.UID == "other":
		return "other"
	case s.UID == "current" && before != nil:
		return before.GetUID()
	}
	return ""
}

// own makes an InstanceSet the controller of a new object.
func (p *player) own(ctx context.Context, o client.Object, set string) {
	if set == "" {
		return
	}
	owner := empty("set", set)
	if p.Get(ctx, owner) == nil {
		o.SetOwnerReferences([]metav1.OwnerReference{{
			APIVersion: "shoal.dev/v1alpha1", Kind: "InstanceSet", Name: set, UID: owner.GetUID(), Controller: ptr.To(true), BlockOwnerDeletion: ptr.To(true),
		}})
	}
}

func (p *player) collect(ctx context.Context) (Answer, error) {
	objects, err := p.all(ctx)
	for err == nil && len(simulation.Chores(objects)) > 0 {
		if err = p.Collect(ctx, objects); err == nil {
			objects, err = p.all(ctx)
		}
	}
	if err != nil {
		return Answer{}, err
	}
	a := Answer{There: []string{}}
	for _, o := range objects {
		name := fmt.Sprintf("%s/%s", kindOf(o), o.GetName())
		if o.GetDeletionTimestamp() != nil {
			name += " terminating"
		}
		a.There = append(a.There, name)
	}
	return a, nil
}

func (p *player) all(ctx context.Context) ([]client.Object, error) {
	var out []client.Object
	for _, pair := range p.pairs {
		o, err := p.read(ctx, pair[0], pair[1])
		if err != nil {
			return nil, err
		}
		if o != nil {
			out = append(out, o)
		}
	}
	return out, nil
}
