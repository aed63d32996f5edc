package installation

import (
	"context"
	"encoding/json"
	"strings"
	"sync"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	authorizationv1 "k8s.io/api/authorization/v1"
	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	storagev1 "k8s.io/api/storage/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/version"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/shoal-dev/shoal/api/v1alpha1"
	"github.com/shoal-dev/shoal/manifests"
)

var now = time.Unix(1_700_000_000, 0)

// world is a cluster of plain objects in which Shoal is installed and works, until a test plants a fault.
type world struct {
	client.Client // for what is not overridden: nothing
	t             *testing.T
	objects       map[string]*unstructured.Unstructured
	refused       func(verb, resource string) bool // the caller's rights
	hides         func(kind string) bool           // kinds that may not be read
	mu            sync.Mutex
	asked         map[request]bool // what the check asked for
	server        version.Info
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{t: t, objects: map[string]*unstructured.Unstructured{}, asked: map[request]bool{}, server: version.Info{Major: "1", Minor: "37", GitVersion: "v1.37.2"}}
	all, err := shipped("namespace", "crds", "rbac", "admission", "flowcontrol")
	if err != nil {
		t.Fatal(err)
	}
	for _, o := range all {
		w.put(o.DeepCopy())
	}
	for _, name := range []string{"instancesets.shoal.dev", "placementpolicies.shoal.dev", "switchovers.shoal.dev"} {
		w.change("CustomResourceDefinition", name, func(u *unstructured.Unstructured) {
			w.set(u, []any{map[string]any{"type": "Established", "status": "True"}}, "status", "conditions")
		})
	}
	for _, name := range []string{"shoal-scheduler", "shoal-manager"} {
		w.put(typed(t, "coordination.k8s.io/v1", "Lease", &coordinationv1.Lease{
			ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name},
			Spec:       coordinationv1.LeaseSpec{HolderIdentity: ptr.To(name + "-abc"), LeaseDurationSeconds: ptr.To[int32](15), RenewTime: ptr.To(metav1.NewMicroTime(now.Add(-2 * time.Second)))},
		}))
		d := &appsv1.Deployment{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name}}
		d.Spec.Replicas, d.Status = ptr.To[int32](2), appsv1.DeploymentStatus{Replicas: 2, UpdatedReplicas: 2, AvailableReplicas: 2}
		d.Spec.Template.Spec.Containers = []corev1.Container{{Name: name, Image: "registry.example:5000/shoal/" + name + ":v0.1.0"}}
		w.put(typed(t, "apps/v1", "Deployment", d))
	}
	w.put(typed(t, "v1", "ConfigMap", &corev1.ConfigMap{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "shoal-scheduler-config"}, Data: map[string]string{"scheduler-config.yaml": string(manifests.SchedulerConfig)},
	}))
	w.put(typed(t, "storage.k8s.io/v1", "StorageClass", &storagev1.StorageClass{
		ObjectMeta: metav1.ObjectMeta{Name: "local"}, VolumeBindingMode: ptr.To(storagev1.VolumeBindingWaitForFirstConsumer),
	}))
	for _, name := range []string{"n1", "n2"} {
		n := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: name}}
		n.Status.Conditions = []corev1.NodeCondition{{Type: corev1.NodeReady, Status: corev1.ConditionTrue}}
		w.put(typed(t, "v1", "Node", n))
	}
	return w
}

func typed(t *testing.T, apiVersion, kind string, o any) *unstructured.Unstructured {
	t.Helper()
	text, err := json.Marshal(o)
	if err != nil {
		t.Fatal(err)
	}
	var fields map[string]any
	if err := json.Unmarshal(text, &fields); err != nil {
		t.Fatal(err)
	}
	u := &unstructured.Unstructured{Object: fields}
	u.SetAPIVersion(apiVersion)
	u.SetKind(kind)
	return u
}

func (w *world) put(u *unstructured.Unstructured) { w.objects[u.GetKind()+" "+u.GetName()] = u }

func (w *world) set(u *unstructured.Unstructured, value any, path ...string) {
	w.t.Helper()
	if err := unstructured.SetNestedField(u.Object, value, path...); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) change(kind, name string, f func(*unstructured.Unstructured)) {
	w.t.Helper()
	u := w.objects[kind+" "+name]
	if u == nil {
		w.t.Fatalf("there is no %s %s", kind, name)
	}
	f(u)
}

// Get reads an object.
func (w *world) Get(_ context.Context, key client.ObjectKey, into client.Object, _ ...client.GetOption) error {
	kind := kindOf(into)
	w.record("get", into, key.Name)
	if w.hides != nil && w.hides(kind) {
		return apierrors.NewForbidden(schema.GroupResource{Resource: kind}, key.Name, nil)
	}
	u := w.objects[kind+" "+key.Name]
	if u == nil || u.GetNamespace() != key.Namespace && u.GetNamespace() != "" {
		return apierrors.NewNotFound(schema.GroupResource{Resource: kind}, key.Name)
	}
	return copyInto(u, into)
}

func copyInto(u *unstructured.Unstructured, into any) error {
	if target, ok := into.(*unstructured.Unstructured); ok {
		u.DeepCopyInto(target)
		return nil
	}
	text, err := json.Marshal(u.Object)
	if err != nil {
		return err
	}
	return json.Unmarshal(text, into)
}

func kindOf(o any) string {
	switch o := o.(type) {
	case *unstructured.Unstructured:
		return o.GetKind()
	case *corev1.ConfigMap:
		return "ConfigMap"
	case *coordinationv1.Lease:
		return "Lease"
	case *appsv1.Deployment:
		return "Deployment"
	case *rbacv1.ClusterRole:
		return "ClusterRole"
	case *corev1.NodeList:
		return "Node"
	case *storagev1.StorageClassList:
		return "StorageClass"
	case *v1alpha1.InstanceSetList:
		return "InstanceSet"
	}
	return "unknown"
}

// List lists a kind.
func (w *world) List(_ context.Context, list client.ObjectList, _ ...client.ListOption) error {
	kind := kindOf(list)
	w.record("list", list, "")
	if w.hides != nil && w.hides(kind) {
		return apierrors.NewForbidden(schema.GroupResource{Resource: kind}, "", nil)
	}
	items := []any{}
	for _, u := range w.objects {
		if u.GetKind() == kind {
			items = append(items, u.Object)
		}
	}
	text, err := json.Marshal(map[string]any{"items": items})
	if err != nil {
		return err
	}
	return json.Unmarshal(text, list)
}

// Create answers questions. Everything else would be a write.
func (w *world) Create(_ context.Context, o client.Object, _ ...client.CreateOption) error {
	w.record("create", o, "")
	review, ok := o.(*authorizationv1.SelfSubjectAccessReview)
	if !ok {
		w.t.Errorf("the check created a %T", o)
		return nil
	}
	a := review.Spec.ResourceAttributes
	review.Status.Allowed = w.refused == nil || !w.refused(a.Verb, a.Resource)
	return nil
}

func (w *world) check(before bool) *Report {
	return Check(w.t.Context(), Cluster{Client: w, Server: w.server, Now: now, Program: "v0.1.0"}, before)
}

func TestAllIsWell(t *testing.T) {
	r := newWorld(t).check(false)
	if r.Warnings+r.Failures+r.NotChecked > 0 || r.Partial() || len(r.Results) < 12 {
		t.Errorf("%+v", r)
	}
	w := newWorld(t)
	for name, u := range w.objects {
		if u.GetKind() != "Node" && u.GetKind() != "StorageClass" {
			delete(w.objects, name)
		}
	}
	if r := w.check(true); r.Warnings+r.Failures+r.NotChecked > 0 || len(r.Results) < 5 {
		t.Errorf("before: %+v", r)
	}
}

// fault is something that is wrong, and the one result that must say so.
type fault struct {
	name   string
	before bool
	plant  func(*world)
	state  State
	want   string // begins with the area
}

var faults = []fault{
	{"an old API server", false, func(w *world) { w.server.Minor, w.server.GitVersion = "29", "v1.29.0" }, Failure, "API server: v1.29.0 is too old"},
	{"an untested API server", false, func(w *world) { w.server.Minor = "38+" }, Warning, "API server: v1.37.2: Shoal is built from 1.37"},
	{"may not list pods", false, func(w *world) { w.refused = refuse("list", "pods") }, Failure, "your rights: you may not list pods"},
	{"may not list claims", false, func(w *world) { w.refused = refuse("list", "persistentvolumeclaims") }, Warning, "your rights: you may not list persistentvolumeclaims"},
	{"may not install kinds", true, func(w *world) { w.refused = refuse("create", "customresourcedefinitions") }, Failure, "your rights: you may not create and change customresourcedefinitions"},
	{"may not install the configuration", true, func(w *world) { w.refused = refuse("create", "configmaps") }, Failure, "your rights: you may not create and change configmaps"},
	{"may not hand on rights", true, func(w *world) { w.refused = refuse("escalate", "clusterroles") }, Warning, "your rights: you may create all that is installed, but roles only"},
	{"no namespace", false, gone("Namespace shoal-system"), Failure, "namespace: missing: Namespace shoal-system"},
	{"namespace without its label", false, func(w *world) {
		w.change("Namespace", namespace, func(u *unstructured.Unstructured) {
			u.SetLabels(map[string]string{"app.kubernetes.io/part-of": "shoal"})
		})
	}, Failure, "namespace: Namespace shoal-system is not as it ships: metadata.labels.pod-security.kubernetes.io/enforce is missing"},
	{"a kind is missing", false, gone("CustomResourceDefinition placementpolicies.shoal.dev"), Failure, "kinds: placementpolicies.shoal.dev is missing"},
	{"a kind is too old", false, func(w *world) { w.dropField("replicas") }, Failure, "kinds: placementpolicies.shoal.dev is not of this version: spec.versions[0].schema.openAPIV3Schema.properties.spec.properties.replicas is missing"},
	{"a kind is newer", false, func(w *world) { w.addField("colour") }, Warning, "kinds: placementpolicies.shoal.dev is newer than this program: here, spec.versions[0].schema.openAPIV3Schema.properties.spec.properties.colour is missing"},
	{"a kind is not served", false, func(w *world) {
		w.change("CustomResourceDefinition", "instancesets.shoal.dev", func(u *unstructured.Unstructured) { delete(u.Object, "status") })
	}, Failure, "kinds: instancesets.shoal.dev is not served yet"},
	{"a kind is being deleted", false, func(w *world) {
		w.change("CustomResourceDefinition", "instancesets.shoal.dev", func(u *unstructured.Unstructured) { u.SetDeletionTimestamp(&metav1.Time{Time: now}) })
	}, Failure, "kinds: instancesets.shoal.dev is being deleted"},
	{"a kind of another version before", true, func(w *world) { w.dropField("replicas") }, Warning, "kinds: placementpolicies.shoal.dev of another version is there"},
	{"a kind that never went", true, func(w *world) {
		w.change("CustomResourceDefinition", "instancesets.shoal.dev", func(u *unstructured.Unstructured) { u.SetDeletionTimestamp(&metav1.Time{Time: now}) })
	}, Failure, "kinds: instancesets.shoal.dev of an earlier installation is being deleted"},
	{"a role is missing", false, gone("ClusterRole shoal-manager"), Failure, "Shoal's rights: missing: ClusterRole shoal-manager"},
	{"a binding is missing", false, gone("ClusterRoleBinding shoal-scheduler-as-kube-scheduler"), Failure, "Shoal's rights: missing: ClusterRoleBinding"},
	{"a role may too much", false, func(w *world) {
		w.change("ClusterRole", "shoal-scheduler", func(u *unstructured.Unstructured) {
			rules, _, _ := unstructured.NestedSlice(u.Object, "rules")
			w.set(u, append(rules, map[string]any{"verbs": []any{"*"}}), "rules")
		})
	}, Failure, "Shoal's rights: ClusterRole shoal-scheduler is not as it ships: rules has 3 entries instead of 2"},
	{"a binding to somebody else", false, func(w *world) {
		w.change("ClusterRoleBinding", "shoal-manager", func(u *unstructured.Unstructured) {
			w.set(u, []any{map[string]any{"kind": "ServiceAccount", "name": "other", "namespace": namespace}}, "subjects")
		})
	}, Failure, `Shoal's rights: ClusterRoleBinding shoal-manager is not as it ships: subjects[0].name is "other" instead of "shoal-manager"`},
	{"a role that may not be read", false, func(w *world) { w.hides = only("ClusterRole") }, NotChecked, "Shoal's rights: you may not read ClusterRole (7)"},
	{"no admission policy", false, gone("ValidatingAdmissionPolicy shoal-slot-labels"), Failure, "protected labels: missing: ValidatingAdmissionPolicy shoal-slot-labels"},
	{"an admission policy that only warns", false, func(w *world) {
		w.change("ValidatingAdmissionPolicyBinding", "shoal-slot-labels", func(u *unstructured.Unstructured) { w.set(u, []any{"Warn"}, "spec", "validationActions") })
	}, Failure, `protected labels: ValidatingAdmissionPolicyBinding shoal-slot-labels is not as it ships: spec.validationActions[0] is "Warn" instead of "Deny"`},
	{"no share of the API server", false, gone("FlowSchema shoal"), Warning, "API server's share: missing: FlowSchema shoal"},
	{"no configuration", false, gone("ConfigMap shoal-scheduler-config"), Warning, "configuration: ConfigMap shoal-scheduler-config is missing"},
	{"a wrong configuration", false, func(w *world) { w.configure("qps: 500", "qpss: 500") }, Failure, "configuration: scheduler-config.yaml, line 10: clientConnection.qpss: unknown field, did you mean qps?"},
	{"a configuration without our profile", false, func(w *world) {
		w.configure("schedulerName: shoal-scheduler", "schedulerName: other")
	}, Failure, "configuration: scheduler-config.yaml, line 14: profiles: no profile has the schedulerName shoal-scheduler"},
	{"an empty configuration", false, func(w *world) { w.configure(string(manifests.SchedulerConfig), "") }, Failure, "configuration: scheduler-config.yaml is no KubeSchedulerConfiguration"},
	{"no scheduler ever", false, gone("Lease shoal-scheduler"), Failure, "scheduler: nobody has ever led"},
	{"no scheduler any more", false, func(w *world) { w.renewed("shoal-scheduler", 2*time.Minute) }, Failure, "scheduler: nobody leads: shoal-scheduler-abc renewed the Lease shoal-scheduler last 2m0s ago"},
	{"a scheduler that gave up", false, func(w *world) {
		w.change("Lease", "shoal-scheduler", func(u *unstructured.Unstructured) { w.set(u, "", "spec", "holderIdentity") })
	}, Failure, "scheduler: nobody leads: the Lease shoal-scheduler was given back"},
	{"no manager any more", false, func(w *world) { w.renewed("shoal-manager", time.Hour) }, Failure, "manager: nobody leads"},
	{"no Deployment and no leader", false, func(w *world) {
		gone("Deployment shoal-manager")(w)
		w.renewed("shoal-manager", time.Hour)
	}, Failure, "manager: nobody leads: shoal-manager-abc renewed the Lease shoal-manager last 1h0m0s ago, and it is for 15s; Deployment shoal-manager is missing"},
	{"half a Deployment", false, func(w *world) { w.available("shoal-manager", 1) }, Warning, "manager: 1 of 2 pods of Deployment shoal-manager are available"},
	{"a Deployment without pods", false, func(w *world) { w.available("shoal-scheduler", 0) }, Failure, "scheduler: none of 2 pods of Deployment shoal-scheduler is available"},
	{"a Deployment of one", false, func(w *world) {
		w.change("Deployment", "shoal-manager", func(u *unstructured.Unstructured) { w.set(u, int64(1), "spec", "replicas") })
		w.available("shoal-manager", 1)
	}, Warning, "manager: Deployment shoal-manager has one pod"},
	{"a rollout that nobody has seen", false, func(w *world) {
		w.change("Deployment", "shoal-manager", func(u *unstructured.Unstructured) { u.SetGeneration(2) })
	}, Warning, "manager: nobody has looked at the last change of Deployment shoal-manager yet"},
	{"a rollout under way", false, func(w *world) { w.updated("shoal-scheduler", 1) }, Warning, "scheduler: 1 of 2 pods of Deployment shoal-scheduler are of its version"},
	{"old pods that stay", false, func(w *world) {
		w.change("Deployment", "shoal-scheduler", func(u *unstructured.Unstructured) { w.set(u, int64(3), "status", "replicas") })
	}, Warning, "scheduler: 1 pods of an earlier version of Deployment shoal-scheduler still run"},
	{"a stuck rollout, whose old pods are available", false, func(w *world) {
		w.updated("shoal-scheduler", 1)
		w.condition("shoal-scheduler", "Progressing", "False", "ProgressDeadlineExceeded")
	}, Failure, "scheduler: the rollout of Deployment shoal-scheduler is stuck, 1 of 2 pods are of its version: ProgressDeadlineExceeded"},
	{"a rollout that a quota stops", false, func(w *world) {
		w.updated("shoal-scheduler", 0)
		w.condition("shoal-scheduler", "ReplicaFailure", "True", "FailedCreate")
	}, Failure, "scheduler: the rollout of Deployment shoal-scheduler is stuck, 0 of 2 pods are of its version: FailedCreate"},
	{"another version runs", false, func(w *world) {
		w.change("Deployment", "shoal-manager", func(u *unstructured.Unstructured) {
			w.set(u, []any{map[string]any{"name": "shoal-manager", "image": "r:5000/m:v0.2.0"}}, "spec", "template", "spec", "containers")
		})
	}, Warning, "manager: shoal-manager is of version v0.2.0, and this program of v0.1.0"},
	{"no node is ready", true, func(w *world) { w.notReady("n1", "n2") }, Failure, "nodes: none of 2 nodes takes pods"},
	{"one node is ready", true, func(w *world) { w.notReady("n1") }, Warning, "nodes: one node takes pods"},
	{"no class waits", false, func(w *world) { w.bindAtOnce("local") }, Warning, "storage: no class waits for its first consumer"},
	{"a set with a class that does not wait", false, func(w *world) { w.bindAtOnce("local"); w.useClass("local") }, Warning, "storage: class local, which InstanceSet ns/s uses, makes volumes before a node is chosen"},
	{"a set with a class that is not there", false, func(w *world) { w.useClass("fast") }, Failure, "storage: InstanceSet ns/s wants class fast, which does not exist"},
	{"an annotation that nobody heeds", false, func(w *world) {
		w.change("Node", "n1", func(u *unstructured.Unstructured) {
			u.SetAnnotations(map[string]string{v1alpha1.ResourceNetEgress: "1000"})
		})
	}, Warning, "bandwidth: 1 nodes are annotated with their bandwidth and do not advertise it, such as n1"},
	{"bandwidth on some nodes", false, func(w *world) {
		w.change("Node", "n1", func(u *unstructured.Unstructured) {
			w.set(u, map[string]any{v1alpha1.ResourceNetEgress: resource.NewQuantity(1000, resource.DecimalSI).String()}, "status", "allocatable")
		})
	}, Warning, "bandwidth: 1 of 2 nodes advertise it"},
}

func refuse(verb, name string) func(string, string) bool {
	return func(v, r string) bool { return v == verb && r == name }
}

func gone(name string) func(*world) {
	return func(w *world) {
		if w.objects[name] == nil {
			w.t.Fatalf("there is no %s", name)
		}
		delete(w.objects, name)
	}
}

// fields are the properties of spec in the schema of PlacementPolicy.
func (w *world) fields(change func(map[string]any)) {
	w.change("CustomResourceDefinition", "placementpolicies.shoal.dev", func(u *unstructured.Unstructured) {
		versions, _, _ := unstructured.NestedSlice(u.Object, "spec", "versions")
		first, _ := versions[0].(map[string]any)
		properties, _, _ := unstructured.NestedMap(first, "schema", "openAPIV3Schema", "properties", "spec", "properties")
		change(properties)
		w.set(&unstructured.Unstructured{Object: first}, properties, "schema", "openAPIV3Schema", "properties", "spec", "properties")
		w.set(u, versions, "spec", "versions")
	})
}

func (w *world) dropField(name string) { w.fields(func(p map[string]any) { delete(p, name) }) }
func (w *world) addField(name string) {
	w.fields(func(p map[string]any) { p[name] = map[string]any{"type": "string"} })
}

func (w *world) configure(old, new string) {
	w.change("ConfigMap", "shoal-scheduler-config", func(u *unstructured.Unstructured) {
		text := strings.Replace(string(manifests.SchedulerConfig), old, new, 1)
		w.set(u, text, "data", "scheduler-config.yaml")
	})
}

func (w *world) renewed(name string, ago time.Duration) {
	w.change("Lease", name, func(u *unstructured.Unstructured) {
		w.set(u, now.Add(-ago).UTC().Format(metav1.RFC3339Micro), "spec", "renewTime")
	})
}

func (w *world) available(name string, n int64) {
	w.change("Deployment", name, func(u *unstructured.Unstructured) { w.set(u, n, "status", "availableReplicas") })
}

func (w *world) updated(name string, n int64) {
	w.change("Deployment", name, func(u *unstructured.Unstructured) { w.set(u, n, "status", "updatedReplicas") })
}

func (w *world) condition(name, kind, status, reason string) {
	w.change("Deployment", name, func(u *unstructured.Unstructured) {
		w.set(u, []any{map[string]any{"type": kind, "status": status, "reason": reason, "message": "m"}}, "status", "conditions")
	})
}

func (w *world) notReady(names ...string) {
	for _, name := range names {
		w.change("Node", name, func(u *unstructured.Unstructured) { w.set(u, true, "spec", "unschedulable") })
	}
}

func (w *world) bindAtOnce(name string) {
	w.change("StorageClass", name, func(u *unstructured.Unstructured) { w.set(u, "Immediate", "volumeBindingMode") })
}

func (w *world) useClass(name string) {
	s := &v1alpha1.InstanceSet{ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: "s"}}
	s.Spec.VolumeClaimTemplates = []v1alpha1.VolumeClaimTemplate{{Spec: corev1.PersistentVolumeClaimSpec{StorageClassName: &name}}}
	w.put(typed(w.t, "shoal.dev/v1alpha1", "InstanceSet", s))
}

// Each fault is told, with its state and with something to do; without the fault nothing says so (TestAllIsWell).
func TestFaults(t *testing.T) {
	for _, f := range faults {
		t.Run(f.name, func(t *testing.T) {
			w := newWorld(t)
			f.plant(w)
			r := w.check(f.before)
			for _, one := range r.Results {
				if one.State == f.state && strings.HasPrefix(one.Area+": "+one.Text, f.want) {
					if r.Bad() != (f.state == Failure) {
						t.Errorf("bad is %v for a %s: %+v", r.Bad(), f.state, r.Results)
					}
					if one.Next == "" {
						t.Errorf("nothing to do is told: %+v", one)
					}
					return
				}
			}
			t.Errorf("not told: %s %s\n%+v", f.state, f.want, r.Results)
		})
	}
}

// Every check has a fault that it finds, so that none can be taken out without a test that fails.
func TestEveryCheckHasAFault(t *testing.T) {
	for _, c := range checks {
		found := c.area == "monitoring" // which is optional: there is nothing that it could complain of
		for _, f := range faults {
			found = found || strings.HasPrefix(f.want, c.area+": ") && (f.before && c.before || !f.before && c.after)
		}
		if !found {
			t.Errorf("no fault is planted for %s (before: %v)", c.area, c.before)
		}
	}
}
