package signer

import (
	"context"
	"crypto/rand"
	"crypto/x509"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	certificatesv1 "k8s.io/api/certificates/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/shoal-dev/shoal/agent/mtls"
)

// peer is one side of a connection: what it shows, and whom it trusts.
type peer struct {
	leaf  *x509.Certificate
	roots []*x509.Certificate
}

func (p peer) trusts(other peer, now time.Time) error {
	pool := x509.NewCertPool()
	for _, c := range p.roots {
		pool.AddCert(c)
	}
	_, err := other.leaf.Verify(x509.VerifyOptions{Roots: pool, CurrentTime: now, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageAny}})
	return err
}

// agents are pods that got their certificate at different times, and whose roots are as old as a kubelet may leave them.
type agents struct {
	lag     time.Duration
	bundles []string // by round
	leaves  []*x509.Certificate
}

// every is the time between two rounds.
const every = 6 * time.Hour

// round: the manager looks, a pod gets a certificate, and everybody meets everybody.
func (a *agents) round(t *testing.T, k *Keeper, c client.Client, clock *clock) {
	t.Helper()
	keep(t, k)
	var b certificatesv1.ClusterTrustBundle
	if err := c.Get(t.Context(), types.NamespacedName{Name: BundleName}, &b); err != nil {
		t.Fatal(err)
	}
	a.bundles = append(a.bundles, b.Spec.TrustBundle)
	by := must(k.authority())
	uri := must(url.Parse("shoal://shop/pod/r-1/" + podUID))
	leaf := must(by.issue(rand.Reader, uri, newKey(t, "ED25519").Public(), clock.now, leafLife))
	a.leaves = append(a.leaves, leaf)
	a.leaves = slices.DeleteFunc(a.leaves, func(c *x509.Certificate) bool { return clock.now.After(c.NotAfter) })
	a.meet(t, k, clock)
}

func (a *agents) meet(t *testing.T, k *Keeper, clock *clock) {
	t.Helper()
	old := a.bundles[max(0, len(a.bundles)-1-int(a.lag/every))]
	own := must(k.Own())
	manager := peer{leaf: own.Certificate.Leaf, roots: k.state.roots()}
	for _, leaf := range a.leaves {
		pod := peer{leaf: leaf, roots: certificatesOf(old)}
		if err := errors.Join(manager.trusts(pod, clock.now), pod.trusts(manager, clock.now)); err != nil {
			t.Fatalf("at %s, authority %s, certificate from %s: %v", clock.now, k.state.current.name(), leaf.NotBefore, err)
		}
	}
}

// Over 200 days, whatever certificate is shown is trusted, by an agent whose roots are 42 hours old too. Managers come and go.
func TestRotationHasNoGap(t *testing.T) {
	clock, c := newClock(), newClient(t, newWorld(t).objects()...).Build()
	k := newKeeper(t, c, clock)
	a := &agents{lag: settle - every}
	signed := map[string]bool{}
	for round := range 200 * 24 * time.Hour / every {
		if round%31 == 30 { // another leads: it has nothing but the Secret
			k = newKeeper(t, c, clock)
		}
		a.round(t, k, c, clock)
		signed[k.state.current.name()] = true
		if n := len(k.state.roots()); n > 2 {
			t.Fatalf("%d authorities are trusted", n)
		}
		clock.advance(every)
	}
	if len(signed) < 3 || len(signed) > 5 {
		t.Errorf("%d authorities have signed within 200 days", len(signed))
	}
}

// toRenewal is a keeper whose authority is about to be replaced.
func toRenewal(t *testing.T) (*Keeper, client.Client, *clock) {
	t.Helper()
	clock, c := newClock(), newClient(t, newWorld(t).objects()...).Build()
	k := newKeeper(t, c, clock)
	keep(t, k)
	clock.advance(authorityLife - renewBefore)
	keep(t, k) // prepared
	keep(t, k) // settling
	if k.state.next == nil || k.state.published.IsZero() {
		t.Fatalf("%+v", k.state)
	}
	return k, c, clock
}

func TestAnAuthorityThatWasTakenFromTheBundleSettlesAnew(t *testing.T) {
	k, c, clock := toRenewal(t)
	before := k.state.current.name()
	clock.advance(settle - time.Minute)
	var b certificatesv1.ClusterTrustBundle
	if err := c.Get(t.Context(), types.NamespacedName{Name: BundleName}, &b); err != nil {
		t.Fatal(err)
	}
	b.Spec.TrustBundle = bundle([]*x509.Certificate{k.state.current.certificate})
	if err := c.Update(t.Context(), &b); err != nil {
		t.Fatal(err)
	}
	keep(t, k) // published again
	keep(t, k)
	clock.advance(settle - time.Minute)
	if keep(t, k); k.state.current.name() != before {
		t.Error("it signs before everybody can have it")
	}
	clock.advance(time.Minute)
	if keep(t, k); k.state.current.name() == before {
		t.Error("it never signs")
	}
}

func TestABundleThatIsGoneComesBack(t *testing.T) {
	k, c, _ := toRenewal(t)
	if err := c.Delete(t.Context(), &certificatesv1.ClusterTrustBundle{ObjectMeta: bundleName()}); err != nil {
		t.Fatal(err)
	}
	keep(t, k)
	var b certificatesv1.ClusterTrustBundle
	if err := c.Get(t.Context(), types.NamespacedName{Name: BundleName}, &b); err != nil || len(certificatesOf(b.Spec.TrustBundle)) != 2 {
		t.Errorf("%v: %s", err, b.Spec.TrustBundle)
	}
	if len(b.OwnerReferences) != 1 || b.OwnerReferences[0].UID != "home" {
		t.Errorf("owners %v", b.OwnerReferences)
	}
}

func TestTheOldAuthorityGoesAfterItsLastCertificate(t *testing.T) {
	k, _, clock := toRenewal(t)
	clock.advance(settle)
	keep(t, k)
	if len(k.state.previous) != 1 || k.state.next != nil {
		t.Fatalf("%+v", k.state)
	}
	clock.advance(leafLife)
	if keep(t, k); len(k.state.previous) == 0 {
		t.Error("it goes while certificates by it are valid")
	}
	clock.advance(time.Hour)
	if keep(t, k); len(k.state.previous) > 0 || len(k.state.roots()) != 1 {
		t.Error("it never goes")
	}
}

// A manager that was away for months begins anew, and signs with nothing that ends before what it signs.
func TestAnAuthorityThatHasEnded(t *testing.T) {
	for name, away := range map[string]time.Duration{"ended": authorityLife, "about to end": authorityLife - leafLife + time.Minute} {
		clock, c := newClock(), newClient(t, newWorld(t).objects()...).Build()
		k := newKeeper(t, c, clock)
		keep(t, k)
		before := k.state.current.name()
		clock.advance(away)
		if _, err := k.authority(); err == nil {
			t.Errorf("%s: it still signs", name)
		}
		keep(t, k)
		if by, err := k.authority(); err != nil || by.name() == before {
			t.Errorf("%s: %v, %s", name, err, by.name())
		}
	}
}

// Two processes that take themselves for the leader: whoever writes second fails, and signs nothing of its own.
func TestTwoLeadersKeepOneAuthority(t *testing.T) {
	clock, c := newClock(), newClient(t, newWorld(t).objects()...).Build()
	first := newKeeper(t, c, clock)
	slow := newKeeper(t, interceptor.NewClient(c, interceptor.Funcs{
		Create: func(ctx context.Context, to client.WithWatch, o client.Object, options ...client.CreateOption) error {
			if _, is := o.(*corev1.Secret); is {
				keep(t, first)
			}
			return to.Create(ctx, o, options...)
		},
	}), clock)
	if err := slow.Keep(t.Context()); err == nil {
		t.Error("the second one writes too")
	}
	if _, err := slow.authority(); err == nil {
		t.Error("the second one signs with what nobody else has")
	}
	keep(t, slow)
	if must(slow.authority()).name() != must(first.authority()).name() {
		t.Error("there are two authorities")
	}
}

// What cannot be read is never replaced: agents that run trust nothing else.
func TestASecretThatCannotBeReadIsLeftAlone(t *testing.T) {
	k, c, _ := toRenewal(t)
	var secret corev1.Secret
	name := types.NamespacedName{Namespace: home, Name: SecretName}
	if err := c.Get(t.Context(), name, &secret); err != nil {
		t.Fatal(err)
	}
	good := secret.DeepCopy()
	other := must(mint(rand.Reader, time.Now()))
	foreign, _, err := other.encode()
	if err != nil {
		t.Fatal(err)
	}
	for what, change := range map[string]func(map[string][]byte){
		"no certificate":         func(d map[string][]byte) { delete(d, currentCertificate) },
		"no key":                 func(d map[string][]byte) { delete(d, currentKey) },
		"half a key":             func(d map[string][]byte) { d[currentKey] = d[currentKey][:60] },
		"two keys":               func(d map[string][]byte) { d[currentKey] = slices.Concat(d[currentKey], d[nextKey]) },
		"another's certificate":  func(d map[string][]byte) { d[currentCertificate] = foreign },
		"no key of the next":     func(d map[string][]byte) { delete(d, nextKey) },
		"no time":                func(d map[string][]byte) { d[nextPublished] = []byte("soon") },
		"no end of the previous": func(d map[string][]byte) { d[previousCertificate] = foreign },
	} {
		bad := good.DeepCopy()
		change(bad.Data)
		bad.ResourceVersion = ""
		if err := c.Update(t.Context(), bad); err != nil {
			t.Fatal(err)
		}
		err := newKeeper(t, c, newClock()).Keep(t.Context())
		var after corev1.Secret
		if get := c.Get(t.Context(), name, &after); err == nil || get != nil || !equalData(after.Data, bad.Data) {
			t.Errorf("%s: %v; %v", what, err, get)
		}
		if err != nil && leaks(err.Error(), good) {
			t.Errorf("%s: the error has the key", what)
		}
	}
	_ = k
}

// Whatever is printed, the key is not in it.
func TestKeysAreNotPrinted(t *testing.T) {
	k, c, _ := toRenewal(t)
	var secret corev1.Secret
	if err := c.Get(t.Context(), types.NamespacedName{Namespace: home, Name: SecretName}, &secret); err != nil {
		t.Fatal(err)
	}
	for _, format := range []string{"%v", "%+v", "%#v", "%s"} {
		if text := fmt.Sprintf(format, k.state.current); leaks(text, &secret) || text != "authority "+k.state.current.name() {
			t.Errorf("%s prints %s", format, text)
		}
	}
	var b certificatesv1.ClusterTrustBundle
	if err := c.Get(t.Context(), types.NamespacedName{Name: BundleName}, &b); err != nil || leaks(b.String(), &secret) || strings.Contains(b.Spec.TrustBundle, "PRIVATE KEY") {
		t.Errorf("the bundle has a key: %v", err)
	}
}

// leaks reports whether a line of a key is in the text. The last line has the end of the public key alone.
func leaks(text string, secret *corev1.Secret) bool {
	for _, key := range []string{currentKey, nextKey} {
		lines := strings.Split(string(secret.Data[key]), "\n")
		if len(lines) > 3 && (strings.Contains(text, lines[1]) || strings.Contains(text, lines[2])) {
			return true
		}
	}
	return false
}

// lose deletes the Secret, and more if it is asked to.
func lose(t *testing.T, c client.Client, more ...client.Object) {
	t.Helper()
	secret := &corev1.Secret{}
	secret.Namespace, secret.Name = home, SecretName
	for _, o := range append(more, secret) {
		if err := c.Delete(t.Context(), o); err != nil {
			t.Fatal(err)
		}
	}
}

// The Secret is lost, and agents show what it signed. They are heard for as long as that is valid, by the manager that runs and by one
// that starts, and they trust the manager at the latest when their roots are up to date, of which a manager that runs on waits.
func TestALostSecretCutsNobodyOff(t *testing.T) {
	for _, restarted := range []bool{false, true} {
		clock, c := newClock(), newClient(t, newWorld(t).objects()...).Build()
		k := newKeeper(t, c, clock)
		a := &agents{}
		a.round(t, k, c, clock)
		before := must(k.authority()).name()
		lose(t, c)
		if restarted {
			k = newKeeper(t, c, clock)
		}
		clock.advance(minute)
		keep(t, k)
		if must(k.authority()).name() == before {
			t.Fatal("what is lost signs")
		}
		if !restarted { // roots of agents are as they were
			a.meet(t, k, clock)
		}
		for range 4 * 5 { // 30 hours in steps of 90 minutes; certificates are a day old at most
			a.round(t, k, c, clock)
			clock.advance(90 * minute)
		}
		if keep(t, k); len(k.state.roots()) != 1 {
			t.Errorf("restarted %t: %d authorities are trusted in the end", restarted, len(k.state.roots()))
		}
	}
}

// What was lost is trusted for 25 hours and not longer, whoever leads and whatever is lost again.
func TestALostSecretIsForgottenInTheEnd(t *testing.T) {
	clock, c := newClock(), newClient(t, newWorld(t).objects()...).Build()
	k := newKeeper(t, c, clock)
	keep(t, k)
	lose(t, c)
	keep(t, k)
	clock.advance(afterglow - minute)
	k = newKeeper(t, c, clock)
	if keep(t, k); len(k.state.roots()) != 2 {
		t.Errorf("%d are trusted before its last certificate has ended", len(k.state.roots()))
	}
	clock.advance(minute)
	if keep(t, k); len(k.state.roots()) != 1 {
		t.Errorf("%d are trusted after that", len(k.state.roots()))
	}
}

// Who deletes both wants to revoke: nothing is trusted on.
func TestSecretAndBundleThatAreLostRevoke(t *testing.T) {
	for _, restarted := range []bool{false, true} {
		clock, c := newClock(), newClient(t, newWorld(t).objects()...).Build()
		k := newKeeper(t, c, clock)
		keep(t, k)
		before := must(k.Own())
		lose(t, c, &certificatesv1.ClusterTrustBundle{ObjectMeta: bundleName()})
		if restarted {
			k = newKeeper(t, c, clock)
		}
		keep(t, k)
		own := must(k.Own())
		if len(k.state.roots()) != 1 || own.Certificate.Leaf.Equal(before.Certificate.Leaf) {
			t.Errorf("restarted %t: %d are trusted", restarted, len(k.state.roots()))
		}
		if err := checkManager(own, clock.now); err != nil {
			t.Error(err)
		}
	}
}

// What is no authority, or has ended, is not trusted because it stands in the bundle.
func TestWhatIsInherited(t *testing.T) {
	now := newClock().now
	good, old := must(mint(rand.Reader, now)), must(mint(rand.Reader, now.Add(-authorityLife)))
	leaf := must(good.issue(rand.Reader, must(url.Parse("shoal://manager")), newKey(t, "ED25519").Public(), now, leafLife))
	all := []*x509.Certificate{old.certificate, leaf}
	if s, steps := (state{}).inherit(all, now); len(s.previous) > 0 || len(steps) > 0 {
		t.Errorf("%d, %v", len(s.previous), steps)
	}
	for range 20 {
		all = append(all, good.certificate)
	}
	if s, steps := (state{}).inherit(all, now); len(s.previous) != maxInherited || !slices.Equal(steps, []step{inherited}) || !s.until.Equal(now.Add(afterglow)) {
		t.Errorf("%d, %v", len(s.previous), steps)
	}
	if s, steps := (state{current: good}).inherit(all, now); len(s.previous) > 0 || len(steps) > 0 {
		t.Errorf("with a Secret: %d, %v", len(s.previous), steps)
	}
}

// An API server that takes a question and never answers ends no look for good.
func TestALookEnds(t *testing.T) {
	clock, c := newClock(), newClient(t, newWorld(t).objects()...).Build()
	k := newKeeper(t, interceptor.NewClient(c, interceptor.Funcs{
		Get: func(ctx context.Context, _ client.WithWatch, _ client.ObjectKey, _ client.Object, _ ...client.GetOption) error {
			<-ctx.Done()
			return ctx.Err()
		},
	}), clock)
	if err := k.keepWithin(t.Context(), time.Millisecond); !errors.Is(err, context.DeadlineExceeded) {
		t.Error(err)
	}
}

// The API server does not answer for days. The manager goes on with what it has: it signs, and its own certificate is renewed.
func TestWhatCannotBeReadIsHeld(t *testing.T) {
	clock, c := newClock(), newClient(t, newWorld(t).objects()...).Build()
	down := false
	k := newKeeper(t, interceptor.NewClient(c, interceptor.Funcs{
		Get: func(ctx context.Context, to client.WithWatch, name client.ObjectKey, o client.Object, options ...client.GetOption) error {
			if down {
				return errors.New("no")
			}
			return to.Get(ctx, name, o, options...)
		},
	}), clock)
	if err := k.hold(); err == nil {
		t.Error("it holds what it never had")
	}
	keep(t, k)
	down = true
	for range 10 * 24 {
		clock.advance(time.Hour)
		if err := k.Keep(t.Context()); err == nil {
			t.Fatal("it was read")
		}
		if err := k.hold(); err != nil {
			t.Fatal(err)
		}
		if err := checkManager(must(k.Own()), clock.now); err != nil {
			t.Fatal(err)
		}
		must(k.authority())
	}
}

func TestTheManagersOwnCertificate(t *testing.T) {
	clock, c := newClock(), newClient(t, newWorld(t).objects()...).Build()
	k := newKeeper(t, c, clock)
	if _, err := k.Own(); err == nil {
		t.Error("it has one before there is an authority")
	}
	keep(t, k)
	first := must(k.Own())
	clock.advance(time.Hour)
	keep(t, k)
	if must(k.Own()).Certificate.Leaf != first.Certificate.Leaf {
		t.Error("it is made anew each time")
	}
	clock.advance(12 * time.Hour)
	keep(t, k)
	second := must(k.Own())
	if second.Certificate.Leaf == first.Certificate.Leaf {
		t.Error("it is not made anew at half of its life")
	}
	if err := checkManager(second, clock.now); err != nil {
		t.Error(err)
	}
}

func checkManager(own mtls.Own, now time.Time) error {
	if uris := own.Certificate.Leaf.URIs; len(uris) != 1 || uris[0].String() != "shoal://manager" {
		return fmt.Errorf("it names %v", uris)
	}
	_, err := own.Certificate.Leaf.Verify(x509.VerifyOptions{Roots: own.Roots, CurrentTime: now})
	return err
}
