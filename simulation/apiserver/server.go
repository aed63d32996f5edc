package apiserver

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"reflect"
	"strings"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apiserver/pkg/admission"
	"k8s.io/apiserver/pkg/authentication/serviceaccount"
	"k8s.io/apiserver/pkg/authentication/user"
	"k8s.io/apiserver/pkg/endpoints/request"
	"k8s.io/apiserver/pkg/registry/rest"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/kubernetes/pkg/api/legacyscheme"
	"sigs.k8s.io/controller-runtime/pkg/client"

	autoscalingv1 "k8s.io/api/autoscaling/v1"
	corev1 "k8s.io/api/core/v1"

	"github.com/shoal-dev/shoal/api/v1alpha1"
)

// EventType says what happened to an object.
type EventType string

// What can happen to an object.
const (
	Added    EventType = "ADDED"
	Modified EventType = "MODIFIED"
	Deleted  EventType = "DELETED"
)

// Event is one change, as watches of the real server would report it.
type Event struct {
	Version uint64
	Type    EventType
	// Object is of the type that clients use. It is shared by all readers: nobody may change it.
	Object client.Object
}

// Rules are the CRDs and admission policies of an installation. Servers share them: they are compiled once.
type Rules struct {
	kinds    []customKind
	policies *policies
}

// LoadRules reads the folder manifests of this repository. The namespaces are those that exist.
func LoadRules(manifests fs.FS, namespaces ...string) (*Rules, error) {
	kinds, err := loadCRDs(manifests)
	if err != nil {
		return nil, err
	}
	p, err := loadPolicies(manifests, namespaces...)
	if err != nil {
		return nil, err
	}
	return &Rules{kinds, p}, nil
}

// Server is the API server.
type Server struct {
	scheme    *runtime.Scheme
	policies  *policies
	resources []*resource
	byType    map[reflect.Type]*resource
	version   uint64
	uids      uint64
	events    []Event
	writes    []write // who made each of the events
	writing   write   // the one that is being made
}

// Scheme is the scheme of the clients.
func Scheme() (*runtime.Scheme, error) {
	scheme := runtime.NewScheme()
	if err := errors.Join(clientgoscheme.AddToScheme(scheme), v1alpha1.AddToScheme(scheme)); err != nil {
		return nil, fmt.Errorf("registering kinds: %w", err)
	}
	return scheme, nil
}

// New makes an empty server.
func New(scheme *runtime.Scheme, rules *Rules) (*Server, error) {
	s := &Server{scheme: scheme, policies: rules.policies, byType: map[reflect.Type]*resource{}}
	if err := s.addBuiltIn(); err != nil {
		return nil, err
	}
	for _, k := range rules.kinds {
		if err := s.addCustom(k); err != nil {
			return nil, err
		}
	}
	return s, nil
}

// note records an event.
func (s *Server) note(r *resource, kind EventType, object runtime.Object) error {
	typed, err := r.toClient(object)
	if err != nil {
		return fmt.Errorf("noting a change of %s: %w", r.name.Resource, err)
	}
	s.events = append(s.events, Event{Version: s.version, Type: kind, Object: typed})
	s.writing.at = time.Now()
	s.writes = append(s.writes, s.writing)
	return nil
}

// Events are all changes since the first n, in their order.
func (s *Server) Events(n int) []Event { return s.events[n:] }

// byKind is the resource of an object's type, nil for none.
func (s *Server) byKind(o client.Object) *resource { return s.byType[reflect.TypeOf(o)] }

func (s *Server) resourceOf(o client.Object) (*resource, error) {
	r := s.byKind(o)
	if r == nil {
		return nil, apierrors.NewNotFound(v1alpha1.Resource(fmt.Sprintf("%T", o)), "")
	}
	return r, nil
}

// call is one request on its way.
type call struct {
	*resource
	ctx  context.Context //nolint:containedctx // lives as long as the request
	user user.Info
	sub  string
	as   schema.GroupVersionKind // the kind of the body
	key  types.NamespacedName
	s    *Server
}

func (s *Server) begin(ctx context.Context, as string, o client.Object, sub string) (call, error) {
	r, err := s.resourceOf(o)
	if err != nil {
		return call{}, err
	}
	c := call{resource: r, user: userOf(as), sub: sub, as: r.kind, key: client.ObjectKeyFromObject(o), s: s}
	info := &request.RequestInfo{
		IsResourceRequest: true, APIGroup: c.name.Group, APIVersion: c.name.Version, Resource: c.name.Resource, Subresource: sub,
		Namespace: c.key.Namespace, Name: c.key.Name,
	}
	s.writing = write{manager: managerOf(as), sub: sub}
	c.ctx = request.WithRequestInfo(request.WithUser(request.WithNamespace(ctx, c.key.Namespace), c.user), info)
	return c, nil
}

// userOf is who has a name, with the groups that the authenticators of a real server would give it.
func userOf(name string) user.Info {
	info := &user.DefaultInfo{Name: name, Groups: []string{user.AllAuthenticated}}
	if namespace, _, err := serviceaccount.SplitUsername(name); err == nil {
		info.Groups = append(info.Groups, serviceaccount.MakeGroupNames(namespace)...)
	}
	if strings.HasPrefix(name, "system:node:") {
		info.Groups = append(info.Groups, user.NodesGroup)
	}
	return info
}

func (c call) attributes(operation admission.Operation, options runtime.Object) admission.Attributes {
	return admission.NewAttributesRecord(nil, nil, c.as, c.key.Namespace, c.key.Name, c.name, c.sub, operation, options, false, c.user)
}

func (c call) onCreate(options runtime.Object) rest.ValidateObjectFunc {
	return rest.AdmissionToValidateObjectFunc(c.s.policies, c.attributes(admission.Create, options), interfaces())
}

func (c call) onUpdate(options runtime.Object) rest.ValidateObjectUpdateFunc {
	return rest.AdmissionToValidateObjectUpdateFunc(c.s.policies, c.attributes(admission.Update, options), interfaces())
}

func interfaces() admission.ObjectInterfaces {
	return admission.NewObjectInterfacesFromScheme(legacyscheme.Scheme)
}

// Get reads an object into o, which says the kind.
func (s *Server) Get(ctx context.Context, key types.NamespacedName, o client.Object) (client.Object, error) {
	r, err := s.resourceOf(o)
	if err != nil {
		return nil, err
	}
	found, err := r.main.Get(request.WithNamespace(ctx, key.Namespace), key.Name, &metav1.GetOptions{})
	if err != nil {
		return nil, err
	}
	return r.toClient(found)
}

// Create stores a new object and returns it as it was stored.
func (s *Server) Create(ctx context.Context, as string, o client.Object) (client.Object, error) {
	c, err := s.begin(ctx, as, o, "")
	if err != nil {
		return nil, err
	}
	object, err := c.fromClient(o)
	if err != nil {
		return nil, apierrors.NewBadRequest(err.Error())
	}
	if err := dropManaged(object); err != nil {
		return nil, err
	}
	s.writing.sent = object.DeepCopyObject()
	if err := c.admit(object); err != nil {
		return nil, err
	}
	options := &metav1.CreateOptions{}
	created, err := c.main.Create(c.ctx, object, c.onCreate(options), options)
	if err != nil {
		return nil, err
	}
	return c.toClient(created)
}

// Bind puts a pod onto a node.
func (s *Server) Bind(ctx context.Context, as string, binding *corev1.Binding) error {
	pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: binding.Namespace, Name: binding.Name}}
	c, err := s.begin(ctx, as, pod, "binding")
	if err != nil {
		return err
	}
	c.as = corev1.SchemeGroupVersion.WithKind("Binding")
	s.writing = write{}
	object, err := builtIn(nil, "", "Binding", "").fromClient(binding)
	if err != nil {
		return apierrors.NewBadRequest(err.Error())
	}
	options := &metav1.CreateOptions{}
	_, err = c.binding.Create(c.ctx, binding.Name, object, c.onCreate(options), options)
	return err
}

// Update replaces an object, or what a subresource shows of it ("" is the object itself).
func (s *Server) Update(ctx context.Context, as string, o client.Object, sub string) (client.Object, error) {
	c, err := s.begin(ctx, as, o, sub)
	if err != nil {
		return nil, err
	}
	object, err := c.fromClient(o)
	if err != nil {
		return nil, apierrors.NewBadRequest(err.Error())
	}
	return c.update(rest.DefaultUpdatedObjectInfo(object, c.tracked))
}

func (c call) update(info rest.UpdatedObjectInfo) (client.Object, error) {
	to := c.updates[c.sub]
	if to == nil {
		return nil, apierrors.NewNotFound(c.name.GroupResource(), c.key.Name+"/"+c.sub)
	}
	options := &metav1.UpdateOptions{}
	updated, _, err := to.Update(c.ctx, c.key.Name, info, rest.ValidateAllObjectFunc, c.onUpdate(options), false, options)
	if err != nil {
		return nil, err
	}
	return c.toClient(updated)
}

// Scale sets how many replicas an object wants, through its subresource scale, and returns what that shows after it.
func (s *Server) Scale(ctx context.Context, as string, o client.Object, scale *autoscalingv1.Scale) (*autoscalingv1.Scale, error) {
	c, err := s.begin(ctx, as, o, "scale")
	if err != nil {
		return nil, err
	}
	if c.scale == nil {
		return nil, apierrors.NewNotFound(c.name.GroupResource(), c.key.Name+"/scale")
	}
	c.as = autoscalingv1.SchemeGroupVersion.WithKind("Scale")
	options := &metav1.UpdateOptions{}
	shown, _, err := c.scale.Update(c.ctx, c.key.Name, rest.DefaultUpdatedObjectInfo(scale), rest.ValidateAllObjectFunc, c.onUpdate(options), false, options)
	if err != nil {
		return nil, err
	}
	return shown.(*autoscalingv1.Scale), nil
}

// Delete deletes an object, or begins to: gracefully, or as far as its finalizers let it.
func (s *Server) Delete(ctx context.Context, as string, o client.Object, options metav1.DeleteOptions) error {
	c, err := s.begin(ctx, as, o, "")
	if err != nil {
		return err
	}
	s.writing = write{}
	validate := rest.AdmissionToValidateObjectDeleteFunc(c.s.policies, c.attributes(admission.Delete, &options), interfaces())
	_, _, err = c.main.Delete(c.ctx, c.key.Name, validate, &options)
	return err
}
