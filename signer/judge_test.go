package signer

import (
	"crypto"
	"crypto/rand"
	"crypto/x509"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus/testutil"
	certificatesv1 "k8s.io/api/certificates/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/shoal-dev/shoal/api/agent"
	"github.com/shoal-dev/shoal/api/v1alpha1"
	"github.com/shoal-dev/shoal/reason"
)

// stranger is one who must not get a certificate: what is other than it should be, or gone.
type stranger struct {
	name   string
	change func(*world)
	want   reason.Code
}

var strangers = []stranger{
	{"another pod of the name", func(w *world) { w.pod.UID = "another" }, reason.DenyPod},
	{"a pod of another name", func(w *world) { w.request.Spec.PodName = "r-2" }, reason.DenyPod},
	{"a pod of another namespace", func(w *world) { w.pod.Namespace = "other" }, reason.DenyPod},
	{"a pod that has failed", func(w *world) { w.pod.Status.Phase = corev1.PodFailed }, reason.DenyEnded},
	{"a pod that has succeeded", func(w *world) { w.pod.Status.Phase = corev1.PodSucceeded }, reason.DenyEnded},
	{"a lost instance", func(w *world) { w.pod.Labels[v1alpha1.LabelLost] = "node" }, reason.DenyEnded},
	{"a pod of another node", func(w *world) { w.pod.Spec.NodeName = "n2" }, reason.DenyNode},
	{"a pod that is on no node", func(w *world) { w.pod.Spec.NodeName = "" }, reason.DenyNode},
	{"another ServiceAccount", func(w *world) { w.pod.Spec.ServiceAccountName = "admin" }, reason.DenyAccount},
	{"a pod of nobody", func(w *world) { w.pod.OwnerReferences = nil }, reason.DenyOwner},
	{"a pod that nobody controls", func(w *world) { w.pod.OwnerReferences[0].Controller = nil }, reason.DenyOwner},
	{"a pod of a StatefulSet", func(w *world) { w.pod.OwnerReferences[0].Kind = "StatefulSet" }, reason.DenyOwner},
	{"a pod of an InstanceSet that is not ours", func(w *world) { w.pod.OwnerReferences[0].APIVersion = "workloads.example/v1" }, reason.DenyOwner},
	{"a pod of another set of the name", func(w *world) { w.pod.OwnerReferences[0].UID = "another" }, reason.DenyOwner},
	{"a pod of a set that is gone", func(w *world) { w.set.Name = "s" }, reason.DenyOwner},
	{"a pod with the label of another set", func(w *world) { w.pod.Labels[v1alpha1.LabelInstanceSet] = "s" }, reason.DenyOwner},
	{"a pod with the label of another ordinal", func(w *world) { w.pod.Labels[v1alpha1.LabelOrdinal] = "2" }, reason.DenyOwner},
	{"a pod without an agent", func(w *world) { w.pod.Spec.InitContainers = nil }, reason.DenyWithoutAgent},
	{"a pod whose agent ends", func(w *world) { w.pod.Spec.InitContainers[0].RestartPolicy = nil }, reason.DenyWithoutAgent},
	{"annotations", func(w *world) { w.request.Spec.UnverifiedUserAnnotations = map[string]string{"example.com/a": "b"} }, reason.UnverifiedAnnotations},
	{"nonsense", func(w *world) { w.request.Spec.StubPKCS10Request = []byte("nonsense") }, reason.UnsupportedKeyType},
	{"a key of somebody else", func(w *world) { w.request.Spec.StubPKCS10Request[len(w.request.Spec.StubPKCS10Request)-1] ^= 1 }, reason.UnsupportedKeyType},
}

// absent are those whose Node or ServiceAccount may just be made anew.
var absent = []stranger{
	{"another node of the name", func(w *world) { w.node.UID = "another" }, reason.DenyNode},
	{"a node that is gone", func(w *world) { w.node.Name = "n3" }, reason.DenyNode},
	{"another ServiceAccount of the name", func(w *world) { w.account.UID = "another" }, reason.DenyAccount},
	{"a ServiceAccount that is gone", func(w *world) { w.account.Name = "other" }, reason.DenyAccount},
}

// serve answers the request of a world. cached are the objects as the cache has them; without any, as they are.
func serve(t *testing.T, w *world, clock *clock, cached ...client.Object) (*certificatesv1.PodCertificateRequest, *Keeper) {
	t.Helper()
	live := newClient(t, w.objects()...).Build()
	cache := client.Reader(live)
	if len(cached) > 0 {
		cache = newClient(t, append(cached, w.request)...).Build()
	}
	k := newKeeper(t, live, clock)
	keep(t, k)
	r := &reconciler{cache: cache, live: live, writer: live, events: &told{}, keeper: k, metrics: k.metrics, now: clock.Now}
	name := types.NamespacedName{Namespace: w.request.Namespace, Name: w.request.Name}
	if _, err := r.Reconcile(t.Context(), reconcileRequest(name)); err != nil {
		t.Fatal(err)
	}
	var got certificatesv1.PodCertificateRequest
	if err := live.Get(t.Context(), name, &got); err != nil {
		t.Fatal(err)
	}
	return &got, k
}

func TestStrangersAreDenied(t *testing.T) {
	for _, s := range strangers {
		t.Run(s.name, func(t *testing.T) {
			w := newWorld(t)
			s.change(w)
			denied(t, w, s.want)
		})
	}
	for _, sort := range []string{"RSA3072", "ECDSAP521"} {
		t.Run(sort, func(t *testing.T) {
			w := newWorld(t)
			w.request = request(t, sort)
			denied(t, w, reason.UnsupportedKeyType)
		})
	}
}

// A kubelet never asks again after a denial, and takes a certificate that it has from the pod. So nobody is denied for what may pass: the
// request stays open, nothing is signed, and one that becomes right is signed.
func TestWhatMayPassDeniesNobody(t *testing.T) {
	for _, s := range absent {
		w := newWorld(t)
		s.change(w)
		wrong, clock := newClient(t, w.objects()...).Build(), newClock()
		k := newKeeper(t, wrong, clock)
		keep(t, k)
		events := &told{}
		r := &reconciler{cache: wrong, live: wrong, writer: wrong, events: events, keeper: k, metrics: k.metrics, now: clock.Now}
		name := types.NamespacedName{Namespace: "shop", Name: "req-1"}
		result, err := r.Reconcile(t.Context(), reconcileRequest(name))
		var got certificatesv1.PodCertificateRequest
		if get := wrong.Get(t.Context(), name, &got); get != nil || err != nil || result.RequeueAfter != lookAgain || len(got.Status.Conditions) > 0 || got.Status.CertificateChain != "" {
			t.Errorf("%s: %+v, %v, status %+v", s.name, result, err, got.Status)
		}
		if len(events.lines) != 1 || !strings.Contains(events.lines[0], reason.CertificateWaits.String()) {
			t.Errorf("%s: %q", s.name, events.lines)
		}
		if n := testutil.ToFloat64(k.metrics.waits.WithLabelValues(s.want.String())); n != 1 {
			t.Errorf("%s: %v waits are counted", s.name, n)
		}
		fresh := newWorld(t)
		fresh.request = w.request
		for _, o := range []client.Object{fresh.node, fresh.account} {
			_ = wrong.Delete(t.Context(), o)
			if err := wrong.Create(t.Context(), o); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := r.Reconcile(t.Context(), reconcileRequest(name)); err != nil {
			t.Fatal(err)
		}
		if get := wrong.Get(t.Context(), name, &got); get != nil || len(got.Status.Conditions) != 1 || got.Status.Conditions[0].Type != "Issued" {
			t.Errorf("%s, made anew: %+v", s.name, got.Status)
		}
	}
}

func denied(t *testing.T, w *world, want reason.Code) {
	t.Helper()
	got, _ := serve(t, w, newClock())
	if len(got.Status.Conditions) != 1 || got.Status.CertificateChain != "" {
		t.Fatalf("status %+v", got.Status)
	}
	if c := got.Status.Conditions[0]; c.Type != "Denied" || c.Status != "True" || c.Reason != want.Name() || !strings.Contains(c.Message, want.String()) {
		t.Errorf("condition %+v, want %s", c, want)
	}
}

func TestAnInstanceGetsItsCertificate(t *testing.T) {
	for _, sort := range []string{"ECDSAP256", "ECDSAP384", "ED25519"} {
		for _, life := range []int32{3600, 86400, 7862400} {
			w, clock := newWorld(t), newClock()
			w.request = request(t, sort)
			w.request.Spec.MaxExpirationSeconds = &life
			got, k := serve(t, w, clock)
			if len(got.Status.Conditions) != 1 || got.Status.Conditions[0].Type != "Issued" {
				t.Fatalf("%s: %+v", sort, got.Status.Conditions)
			}
			verifyIssued(t, got, k, clock)
		}
	}
}

// verifyIssued asks for what the API server asks for, and for what the other side of a connection does.
func verifyIssued(t *testing.T, got *certificatesv1.PodCertificateRequest, k *Keeper, clock *clock) {
	t.Helper()
	chain := certificatesOf(got.Status.CertificateChain)
	if len(chain) != 1 {
		t.Fatalf("the chain has %d certificates", len(chain))
	}
	leaf, own := chain[0], must(k.Own())
	for _, use := range []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth, x509.ExtKeyUsageServerAuth} {
		options := x509.VerifyOptions{Roots: own.Roots, CurrentTime: clock.now, KeyUsages: []x509.ExtKeyUsage{use}}
		if _, err := leaf.Verify(options); err != nil {
			t.Error(err)
		}
	}
	if len(leaf.ExtKeyUsage) != 2 || leaf.IsCA || leaf.KeyUsage != x509.KeyUsageDigitalSignature || len(leaf.DNSNames)+len(leaf.IPAddresses) > 0 {
		t.Errorf("usages %v and %v, authority %v, names %v %v", leaf.ExtKeyUsage, leaf.KeyUsage, leaf.IsCA, leaf.DNSNames, leaf.IPAddresses)
	}
	if id, err := agent.IdentityOf(leaf); err != nil || id != (agent.Identity{Namespace: "shop", Pod: "r-1", UID: podUID}) {
		t.Errorf("identity %v, %v", id, err)
	}
	csr := must(x509.ParseCertificateRequest(got.Spec.StubPKCS10Request))
	if !csr.PublicKey.(interface{ Equal(x crypto.PublicKey) bool }).Equal(leaf.PublicKey) {
		t.Error("it is for another key")
	}
	s, life := got.Status, leaf.NotAfter.Sub(leaf.NotBefore)
	if !s.NotBefore.Time.Equal(leaf.NotBefore) || !s.NotAfter.Time.Equal(leaf.NotAfter) {
		t.Errorf("status from %s to %s, certificate from %s to %s", s.NotBefore, s.NotAfter, leaf.NotBefore, leaf.NotAfter)
	}
	if most := min(int(*got.Spec.MaxExpirationSeconds), 86400); int(life.Seconds()) != most || clock.now.Sub(leaf.NotBefore) >= 5*minute {
		t.Errorf("it is valid for %s from %s on", life, leaf.NotBefore)
	}
	if r := s.BeginRefreshAt.Time; r.Before(leaf.NotBefore.Add(10*minute)) || r.After(leaf.NotAfter.Add(-10*minute)) {
		t.Errorf("it is refreshed at %s", r)
	}
}

// A denial is for good. What the cache has not seen yet is no reason for one, whatever it is.
func TestTheCacheAloneDeniesNobody(t *testing.T) {
	for _, s := range slices.Concat(strangers, absent) {
		stale := newWorld(t)
		s.change(stale)
		if s.want == reason.UnsupportedKeyType || s.want == reason.UnverifiedAnnotations || stale.request.Spec.PodName != "r-1" || s.want == reason.DenyAccount {
			continue // of the request itself, or never from the cache
		}
		got, _ := serve(t, newWorld(t), newClock(), stale.pod, stale.node, stale.set)
		if len(got.Status.Conditions) != 1 || got.Status.Conditions[0].Type != "Issued" {
			t.Errorf("%s in the cache: %+v", s.name, got.Status.Conditions)
		}
	}
}

// Nothing signs that is not published: nobody could verify it.
func TestNothingIsSignedBeforeItIsPublished(t *testing.T) {
	w, clock := newWorld(t), newClock()
	live := newClient(t, w.objects()...).Build()
	k := newKeeper(t, live, clock)
	r := &reconciler{cache: live, live: live, writer: live, events: &told{}, keeper: k, metrics: k.metrics, now: clock.Now}
	name := types.NamespacedName{Namespace: "shop", Name: "req-1"}
	result, err := r.Reconcile(t.Context(), reconcileRequest(name))
	if err != nil || result.RequeueAfter == 0 {
		t.Errorf("%+v, %v", result, err)
	}
	var got certificatesv1.PodCertificateRequest
	if err := live.Get(t.Context(), name, &got); err != nil || len(got.Status.Conditions) > 0 {
		t.Errorf("%v, %+v", err, got.Status)
	}
}

func TestRequestsThatAreLeftAlone(t *testing.T) {
	for name, change := range map[string]func(*world){
		"another signer": func(w *world) { w.request.Spec.SignerName = "example.com/x" },
		"answered": func(w *world) {
			deny(w.request, reason.DenyPod, "before", newClock().now)
		},
	} {
		w := newWorld(t)
		change(w)
		before := slices.Clone(w.request.Status.Conditions)
		if got, _ := serve(t, w, newClock()); len(got.Status.Conditions) != len(before) || got.Status.CertificateChain != "" {
			t.Errorf("%s: %+v", name, got.Status)
		}
	}
}

func TestSerialNumbersDiffer(t *testing.T) {
	seen := map[string]bool{}
	for range 1000 {
		n, err := newSerial(rand.Reader)
		if err != nil || n.Sign() <= 0 || n.BitLen() > 159 || seen[n.String()] {
			t.Fatalf("%v, %v", n, err)
		}
		seen[n.String()] = true
	}
}
