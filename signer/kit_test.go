package signer

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"fmt"
	"maps"
	"os"
	"testing"
	"time"

	"github.com/go-logr/logr"
	"github.com/prometheus/client_golang/prometheus"
	certificatesv1 "k8s.io/api/certificates/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/utils/ptr"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/shoal-dev/shoal/api/agent"
	"github.com/shoal-dev/shoal/api/v1alpha1"
	"github.com/shoal-dev/shoal/podspec"
)

const (
	podUID = "8d7f1c1e-2c5b-4a53-9d0e-0a1b2c3d4e5f"
	home   = "shoal-system"
)

func TestMain(m *testing.M) {
	log.SetLogger(logr.Discard()) // or it complains that there is none
	os.Exit(m.Run())
}

// clock stands still until a test moves it.
type clock struct{ now time.Time }

func newClock() *clock { return &clock{time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)} }

func (c *clock) Now() time.Time          { return c.now }
func (c *clock) advance(d time.Duration) { c.now = c.now.Add(d) }

func newKey(t *testing.T, sort string) crypto.Signer {
	t.Helper()
	var key crypto.Signer
	var err error
	switch sort {
	case "ECDSAP256":
		key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	case "ECDSAP384":
		key, err = ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	case "ECDSAP521":
		key, err = ecdsa.GenerateKey(elliptic.P521(), rand.Reader)
	case "RSA3072":
		key, err = rsa.GenerateKey(rand.Reader, 3072)
	case "ED25519":
		_, key, err = ed25519.GenerateKey(rand.Reader)
	}
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// request is what a kubelet asks for; sort is that of the key.
func request(t *testing.T, sort string) *certificatesv1.PodCertificateRequest {
	t.Helper()
	csr, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{}, newKey(t, sort))
	if err != nil {
		t.Fatal(err)
	}
	return &certificatesv1.PodCertificateRequest{
		ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "req-1"},
		Spec: certificatesv1.PodCertificateRequestSpec{
			SignerName: agent.Signer, PodName: "r-1", PodUID: podUID, ServiceAccountName: "default", ServiceAccountUID: "account",
			NodeName: "n1", NodeUID: "node", MaxExpirationSeconds: ptr.To(int32(86400)), StubPKCS10Request: csr,
		},
	}
}

// world are the objects that make the request right.
type world struct {
	request *certificatesv1.PodCertificateRequest
	pod     *corev1.Pod
	node    *corev1.Node
	account *corev1.ServiceAccount
	set     *v1alpha1.InstanceSet
}

func newWorld(t *testing.T) *world {
	t.Helper()
	set := &v1alpha1.InstanceSet{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "r", UID: "set"}}
	set.Spec.ShardSize = ptr.To(int32(3))
	set.Spec.Roles = []v1alpha1.InstanceRole{{Name: v1alpha1.RoleMaster, Exclusive: true}, {Name: v1alpha1.RoleReplica}}
	set.Spec.Template.Spec.Containers = []corev1.Container{{Name: "redis", Image: "redis:8"}}
	pod := podspec.Pod(set, podspec.Instance{Ordinal: 1, Revision: "abc", Agent: podspec.Agent{Image: "shoal-agent:1", Manager: "m:1"}})
	pod.UID, pod.Spec.NodeName, pod.Spec.ServiceAccountName, pod.Status.Phase = podUID, "n1", "default", corev1.PodPending
	return &world{
		request: request(t, "ECDSAP256"), pod: pod, set: set,
		node:    &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: "n1", UID: "node"}},
		account: &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "default", UID: "account"}},
	}
}

func (w *world) objects() []client.Object {
	return []client.Object{w.request, w.pod, w.node, w.account, w.set, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: home, UID: "home"}}}
}

func newClient(t *testing.T, objects ...client.Object) *fake.ClientBuilder {
	t.Helper()
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{clientgoscheme.AddToScheme, v1alpha1.AddToScheme} {
		if err := add(scheme); err != nil {
			t.Fatal(err)
		}
	}
	return fake.NewClientBuilder().WithScheme(scheme).WithObjects(objects...).WithStatusSubresource(&certificatesv1.PodCertificateRequest{})
}

func newKeeper(t *testing.T, c client.Client, clock *clock) *Keeper {
	t.Helper()
	m, err := newMetrics(prometheus.NewRegistry())
	if err != nil {
		t.Fatal(err)
	}
	return &Keeper{live: c, writer: c, namespace: home, now: clock.Now, metrics: m}
}

func keep(t *testing.T, k *Keeper) {
	t.Helper()
	if err := k.Keep(t.Context()); err != nil {
		t.Fatal(err)
	}
}

const minute = time.Minute

// told are events as lines.
type told struct{ lines []string }

func (r *told) Eventf(_, _ runtime.Object, kind, why, _, note string, args ...any) {
	r.lines = append(r.lines, kind+" "+why+" "+fmt.Sprintf(note, args...))
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

func reconcileRequest(name types.NamespacedName) ctrl.Request {
	return ctrl.Request{NamespacedName: name}
}

func bundleName() metav1.ObjectMeta { return metav1.ObjectMeta{Name: BundleName} }

func equalData(a, b map[string][]byte) bool { return maps.EqualFunc(a, b, bytes.Equal) }
