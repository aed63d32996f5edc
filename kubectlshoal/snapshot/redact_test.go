package snapshot

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"reflect"
	"strings"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/shoal-dev/shoal/api/v1alpha1"
)

const planted = "hunter2"

// plainFields may hold what a person wrote, and are kept: names, labels, images, and what pods are placed by. Everything else
// must not come through. The test fails for a field that is kept and not named here.
var plainFields = []string{
	"Name", "GenerateName", "Namespace", "UID", "ResourceVersion", "Labels", "Image", "Finalizers", "OwnerReferences",
	"NodeName", "NodeSelector", "Affinity", "Tolerations", "TopologySpreadConstraints", "SchedulerName", "SchedulingGates",
	"PriorityClassName", "PreemptionPolicy", "Overhead", "RestartPolicy", "Resources", "SchedulingGroup", "Ports", "ClaimName",
	"AccessModes", "Selector", "VolumeName", "StorageClassName", "VolumeMode", "Capacity", "ClaimRef", "NodeAffinity",
	"PersistentVolumeReclaimPolicy", "Driver", "Phase", "NominatedNodeName", "QOSClass", "Taints", "ProviderID", "Allocatable",
	"KubeletVersion", "Architecture", "Images", "Type", "Status.Conditions", "Provisioner", "ReclaimPolicy", "VolumeBindingMode",
	"AllowedTopologies", "ServiceName", "PersistentVolumeClaimRetentionPolicy", "Placement", "PlacementPolicyRef", "Rebuild",
	"PlacementLimits", "ScaleTargetRefs", "Spec.Templates", "Status.Targets", "Status.Exceptions", "Status.UpdateRevision",
	"Status.Bootstrapped", "Status.Selector", "Kind", "APIVersion", "Spec.Roles", "Spec.RoleProvider", "Spec.Redis",
	"Spec.Configuration.Container", "Status.RefusedConfiguration",
	"Spec.UpdateStrategy", "Status.CurrentRevision", "Status.TemplateRevisions", "Status.Revisions", "Status.Replacing", "Status.Leaving",
	"Spec.InstanceSet", "Spec.Shard", "Spec.To", "Spec.Policy", "Status.From", "Status.To", "Status.Result", "Steps.Do", "Steps.Instance", "Steps.Reason",
}

// plant puts the secret into every string, byte slice and map of an object, however deep, and says where it did.
func plant(v reflect.Value, path string, depth int) {
	if depth > 14 {
		return
	}
	switch v.Kind() {
	case reflect.Pointer:
		if v.IsNil() {
			v.Set(reflect.New(v.Type().Elem()))
		}
		plant(v.Elem(), path, depth+1)
	case reflect.Struct:
		for i := range v.NumField() {
			name := path + "." + v.Type().Field(i).Name
			if v.Field(i).CanSet() && !isPlain(name) {
				plant(v.Field(i), name, depth+1)
			}
		}
	case reflect.Slice:
		if v.Type().Elem().Kind() == reflect.Uint8 {
			v.SetBytes([]byte(planted))
			return
		}
		v.Set(reflect.MakeSlice(v.Type(), 2, 2))
		for i := range 2 {
			plant(v.Index(i), path, depth+1)
		}
	case reflect.Map:
		value := reflect.New(v.Type().Elem()).Elem()
		plant(value, path, depth+1)
		if v.Type().Key().Kind() == reflect.String {
			v.Set(reflect.MakeMap(v.Type()))
			v.SetMapIndex(reflect.ValueOf("example.com/"+planted).Convert(v.Type().Key()), value)
		}
	case reflect.String:
		v.SetString(planted)
	}
}

func isPlain(path string) bool {
	for _, name := range plainFields {
		if strings.HasSuffix(path, "."+name) {
			return true
		}
	}
	return false
}

// Whatever field of whatever object holds a secret, unless it is one by which pods are placed: the dump does not have it.
func TestDumpHasNoSecrets(t *testing.T) {
	for _, o := range []client.Object{
		&corev1.Node{}, &corev1.Pod{}, &corev1.PersistentVolumeClaim{}, &corev1.PersistentVolume{}, &storagev1.StorageClass{},
		&v1alpha1.PlacementPolicy{}, &v1alpha1.InstanceSet{}, &appsv1.StatefulSet{}, &corev1.Service{},
		&appsv1.ControllerRevision{},
		&v1alpha1.Switchover{},
	} {
		t.Run(fmt.Sprintf("%T", o), func(t *testing.T) {
			plant(reflect.ValueOf(o), "", 0)
			if before := fmt.Sprintf("%+v", o); !strings.Contains(before, planted) {
				t.Fatal("nothing was planted")
			}
			o.SetName("o")
			c := &Cluster{}
			if !c.Put(o) {
				t.Fatal("the snapshot does not take it")
			}
			var file bytes.Buffer
			if err := Write(&file, c); err != nil {
				t.Fatal(err)
			}
			if at := strings.Index(file.String(), planted); at >= 0 {
				t.Errorf("the secret is in the dump: ...%s...", file.String()[max(0, at-200):min(at+60, file.Len())])
			}
			if again, err := Load(&file); err != nil || len(again.Objects()) != 1 {
				t.Errorf("the dump cannot be read: %v", err)
			}
		})
	}
}

// Annotations are kept by their whole keys: under a prefix of ours or of Kubernetes' anybody may have written anything.
func TestAnnotationsAreKeptByKey(t *testing.T) {
	keep := map[string]string{
		v1alpha1.AnnotationMaxMemory: "2Gi", v1alpha1.AnnotationIngressBandwidth: "10M", "volume.kubernetes.io/selected-node": "n1",
		"pv.kubernetes.io/bind-completed": "yes", "volume.beta.kubernetes.io/storage-class": "local", "shoal.dev/net-egress-mbps": "1000",
		"storageclass.kubernetes.io/is-default-class": "true",
	}
	all := maps.Clone(keep)
	for _, key := range []string{
		"shoal.dev/note", "shoal.dev/maxmemory-of-hunter", "volume.kubernetes.io/mine", "pv.kubernetes.io/key", "storageclass.kubernetes.io/password",
		"kubernetes.io/ingress-bandwidth-of", "kubectl.kubernetes.io/last-applied-configuration",
	} {
		all[key] = planted
	}
	if got := redactedMeta(metav1.ObjectMeta{Annotations: all}).Annotations; !maps.Equal(got, keep) {
		t.Errorf("kept %v, want %v", got, keep)
	}
}

// What our scheduler says of a pod is made of names and numbers. Of others nobody knows what they say.
func TestOnlyOurSchedulersWordsAreKept(t *testing.T) {
	for scheduler, want := range map[string]string{v1alpha1.SchedulerName: planted, "another": "", "": ""} {
		pod := &corev1.Pod{Spec: corev1.PodSpec{SchedulerName: scheduler}}
		pod.Status.Conditions = []corev1.PodCondition{{Type: corev1.PodScheduled, Reason: "Unschedulable", Message: planted}}
		if got := redactedPod(pod).Status.Conditions[0]; got.Message != want || got.Reason != map[string]string{planted: "Unschedulable"}[want] {
			t.Errorf("of the scheduler %q: %+v", scheduler, got)
		}
	}
}

// A dump and further documents in one file, in any order: what stands in the dump's head stays.
func TestHeadOfADumpStays(t *testing.T) {
	dump, list := "apiVersion: dump.shoal.dev/v1\nkind: ClusterDump\nkubernetes: v1.37.2\nitems: []", "apiVersion: v1\nkind: List\nitems: []"
	for _, text := range []string{dump, dump + "\n---\n" + list, list + "\n---\n" + dump} {
		if c, err := Load(strings.NewReader(text)); err != nil || c.Version != "v1.37.2" {
			t.Errorf("%v, %v of\n%s", c, err, text)
		}
	}
}

func TestArguments(t *testing.T) {
	for in, want := range map[string]string{
		"--maxmemory 800mb --maxmemory-policy allkeys-lru": "--maxmemory 800mb --maxmemory-policy allkeys-lru",
		"--maxmemory=2gb --requirepass hunter2":            "--maxmemory=2gb REDACTED REDACTED",
		"--maxmemory hunter2hunter2":                       "--maxmemory REDACTED",
		"-a 123456 --maxmemory":                            "REDACTED REDACTED --maxmemory",
		"--requirepass --maxmemory 5":                      "REDACTED --maxmemory 5",
		"redis://user:hunter2@host":                        "REDACTED",
	} {
		if got := strings.Join(redactedArgs(strings.Fields(in)), " "); got != want {
			t.Errorf("%s: got %s, want %s", in, got, want)
		}
	}
}

func clusterOf(t *testing.T, f interceptor.Funcs, objects ...client.Object) client.Client {
	t.Helper()
	scheme, err := Scheme()
	if err != nil {
		t.Fatal(err)
	}
	return fake.NewClientBuilder().WithScheme(scheme).WithObjects(objects...).WithInterceptorFuncs(f).Build()
}

// A cluster is read page by page, each kind once, and Secrets and ConfigMaps never.
func TestReadPages(t *testing.T) {
	var asked []string
	c := clusterOf(t, interceptor.Funcs{List: func(_ context.Context, _ client.WithWatch, list client.ObjectList, opts ...client.ListOption) error {
		o := (&client.ListOptions{}).ApplyOptions(opts)
		asked = append(asked, fmt.Sprintf("%s limit=%d continue=%s", kindOf(list), o.Limit, o.Continue))
		if pods, ok := list.(*corev1.PodList); ok {
			pods.Items = []corev1.Pod{{ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: "p" + o.Continue}}}
			pods.Continue = map[string]string{"": "2", "2": "3"}[o.Continue]
		}
		return nil
	}})
	s, err := Read(t.Context(), c, time.Unix(0, 0))
	if err != nil || len(s.Pods) != 3 {
		t.Fatalf("read %d pods, want 3: %v", len(s.Pods), err)
	}
	want := []string{
		"nodes limit=500 continue=", "pods limit=500 continue=", "pods limit=500 continue=2", "pods limit=500 continue=3",
		"persistentvolumeclaims limit=500 continue=", "persistentvolumes limit=500 continue=", "storageclasses limit=500 continue=",
		"placementpolicies limit=500 continue=", "instancesets limit=500 continue=", "statefulsets limit=500 continue=",
		"services limit=500 continue=",
	}
	if !reflect.DeepEqual(asked, want) {
		t.Errorf("asked for %v", asked)
	}
}

// What may not be read is named; without nodes or pods there is no answer.
func TestReadWithFewRights(t *testing.T) {
	refuse := func(kind string, refusal error) interceptor.Funcs {
		return interceptor.Funcs{List: func(ctx context.Context, c client.WithWatch, list client.ObjectList, opts ...client.ListOption) error {
			if kindOf(list) == kind {
				return refusal
			}
			return c.List(ctx, list)
		}}
	}
	forbidden := apierrors.NewForbidden(schema.GroupResource{Resource: "persistentvolumes"}, "", nil)
	s, err := Read(t.Context(), clusterOf(t, refuse("persistentvolumes", forbidden)), time.Unix(0, 0))
	if err != nil || len(s.Unreadable) != 1 || s.Unreadable[0] != "persistentvolumes: you may not list them in all namespaces (the ClusterRole shoal-kubectl may)" {
		t.Errorf("got %v, %v", s, err)
	}
	missing := &meta.NoKindMatchError{GroupKind: schema.GroupKind{Kind: "InstanceSet"}}
	s, err = Read(t.Context(), clusterOf(t, refuse("instancesets", missing)), time.Unix(0, 0))
	if err != nil || len(s.Unreadable) != 1 || s.Unreadable[0] != "instancesets: the CRD is not installed" {
		t.Errorf("got %v, %v", s, err)
	}
	if _, err = Read(t.Context(), clusterOf(t, refuse("pods", forbidden)), time.Unix(0, 0)); err == nil || !strings.Contains(err.Error(), "listing pods") {
		t.Errorf("without pods: %v", err)
	}
}

func TestLoadSaysWhatIsWrong(t *testing.T) {
	for in, want := range map[string]string{
		"a: b": "document 1: it has no kind",
		"apiVersion: dump.shoal.dev/v7\nkind: ClusterDump":             "this kubectl-shoal reads dump.shoal.dev/v1",
		"apiVersion: v1\nkind: Pod\nmetadata: {name: [1]}":             "document 1: reading a Pod",
		"apiVersion: v1\nkind: Node\n---\n{":                           "document 2",
		"apiVersion: v1\nkind: Secret\n---\napiVersion: x/v1\nkind: Z": "",
	} {
		_, err := Load(strings.NewReader(in))
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%q: got %v, want %q", in, err, want)
		}
	}
}
