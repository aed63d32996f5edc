package roles

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/shoal-dev/shoal/agent/mtls/mtlstest"
	"github.com/shoal-dev/shoal/api/v1alpha1"
	"github.com/shoal-dev/shoal/redis"
)

const hunter = "hunter2-and-more"

// pair is a certificate with its key, as PEM.
func pair(t *testing.T) (certificate, key []byte) {
	t.Helper()
	c := mtlstest.New(t).Sign(t, "shoal://manager", nil)
	der, err := x509.MarshalPKCS8PrivateKey(c.PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Leaf.Raw}), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})
}

func aSecret(name string, data map[string][]byte) *corev1.Secret {
	return &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: name}, Data: data}
}

// Whoever asks what the matter is does not wait for the API server, or a slow one would hold up all sets.
func TestTroubleIsToldWhileSecretsAreRead(t *testing.T) {
	reads, goOn := make(chan struct{}), make(chan struct{})
	live := fake.NewClientBuilder().WithInterceptorFuncs(interceptor.Funcs{
		Get: func(ctx context.Context, to client.WithWatch, key client.ObjectKey, o client.Object, opts ...client.GetOption) error {
			close(reads)
			<-goOn
			return to.Get(ctx, key, o, opts...)
		},
	}).Build()
	l := &login{
		live: live, namespace: "ns", access: &v1alpha1.RedisAccess{Password: &v1alpha1.SecretKey{Name: "auth"}}, now: time.Now, tell: func(string) {}, notice: "as before",
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_, _ = l.get(t.Context())
	}()
	<-reads
	answer := make(chan string, 1)
	go func() { answer <- l.trouble() }()
	select {
	case got := <-answer:
		if got != "as before" {
			t.Errorf("it says %q", got)
		}
	case <-time.After(5 * time.Second):
		t.Error("it waits for the API server")
	}
	close(goOn)
	<-ended
	if got := l.trouble(); !strings.Contains(got, "there is no Secret") {
		t.Errorf("then it says %q", got)
	}
}

// What a person has to do is told once for each trouble, stands in what the set says, and holds nothing of a Secret.
func TestSecretsOfSentinels(t *testing.T) {
	certificate, key := pair(t)
	other, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(other)
	if err != nil {
		t.Fatal(err)
	}
	wrong := pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})
	auth := map[string][]byte{"password": []byte(hunter + "\n"), "other": []byte("second")}
	tlsOf := map[string][]byte{"ca.crt": certificate, "tls.crt": certificate, "tls.key": key}
	full := &v1alpha1.RedisAccess{
		Username: "shoal", Password: &v1alpha1.SecretKey{Name: "auth"},
		TLS: &v1alpha1.RedisTLS{SecretName: "tls", ClientCertificate: true, ServerName: "sentinels"},
	}
	for name, c := range map[string]struct {
		auth, tls map[string][]byte // nil for no such Secret
		forbidden bool
		change    func(*v1alpha1.RedisAccess)
		want      string // of the trouble
		password  string
	}{
		"all is there":        {auth, tlsOf, false, func(*v1alpha1.RedisAccess) {}, "", hunter},
		"another key":         {auth, tlsOf, false, func(a *v1alpha1.RedisAccess) { a.Password.Key = "other" }, "", "second"},
		"TLS alone":           {nil, tlsOf, false, func(a *v1alpha1.RedisAccess) { a.Username, a.Password = "", nil }, "", ""},
		"a password alone":    {auth, nil, false, func(a *v1alpha1.RedisAccess) { a.TLS = nil }, "", hunter},
		"no Secret":           {nil, tlsOf, false, func(*v1alpha1.RedisAccess) {}, "there is no Secret ns/auth", ""},
		"no Secret for TLS":   {auth, nil, false, func(*v1alpha1.RedisAccess) {}, "there is no Secret ns/tls", ""},
		"no right":            {auth, tlsOf, true, func(*v1alpha1.RedisAccess) {}, "may not read the Secret ns/auth: bind", ""},
		"no such key":         {auth, tlsOf, false, func(a *v1alpha1.RedisAccess) { a.Password.Key = "none" }, "has no key none", ""},
		"an empty password":   {map[string][]byte{"password": []byte("\n")}, tlsOf, false, func(*v1alpha1.RedisAccess) {}, "empty password", ""},
		"no roots":            {auth, map[string][]byte{"ca.crt": []byte(hunter), "tls.crt": certificate, "tls.key": key}, false, func(*v1alpha1.RedisAccess) {}, "no certificate in ca.crt", ""},
		"another's key":       {auth, map[string][]byte{"ca.crt": certificate, "tls.crt": certificate, "tls.key": wrong}, false, func(*v1alpha1.RedisAccess) {}, "no certificate with its key", ""},
		"no certificate":      {auth, map[string][]byte{"ca.crt": certificate}, false, func(*v1alpha1.RedisAccess) {}, "has no key tls.crt", ""},
		"none is asked to be": {auth, map[string][]byte{"ca.crt": certificate}, false, func(a *v1alpha1.RedisAccess) { a.TLS.ClientCertificate = false }, "", hunter},
	} {
		var objects []client.Object
		if c.auth != nil {
			objects = append(objects, aSecret("auth", c.auth))
		}
		if c.tls != nil {
			objects = append(objects, aSecret("tls", c.tls))
		}
		reads := 0
		live := fake.NewClientBuilder().WithObjects(objects...).WithInterceptorFuncs(interceptor.Funcs{
			Get: func(ctx context.Context, to client.WithWatch, key client.ObjectKey, o client.Object, opts ...client.GetOption) error {
				if reads++; c.forbidden {
					return apierrors.NewForbidden(schema.GroupResource{Resource: "secrets"}, key.Name, errors.New(hunter))
				}
				return to.Get(ctx, key, o, opts...)
			},
		}).Build()
		access := full.DeepCopy()
		c.change(access)
		clock := time.Unix(1000, 0)
		var told []string
		l := &login{live: live, namespace: "ns", access: access, now: func() time.Time { return clock }, tell: func(s string) { told = append(told, s) }}
		for range 3 { // within the time for which it counts
			as, err := l.get(t.Context())
			if (err != nil) != (c.want != "") || err != nil && !strings.Contains(err.Error(), c.want) || string(as.Password) != c.password {
				t.Fatalf("%s: %v, want %q", name, err, c.want)
			}
			if err == nil && (as.TLS != nil) != (access.TLS != nil) || as.TLS != nil && (as.TLS.ServerName != "sentinels" || len(as.TLS.Certificates) > 0 != access.TLS.ClientCertificate) {
				t.Errorf("%s: %+v", name, as.TLS)
			}
		}
		once := reads
		clock = clock.Add(loginFresh)
		_, _ = l.get(t.Context())
		if once > 2 || reads != 2*once {
			t.Errorf("%s: %d reads, then %d", name, once, reads)
		}
		if len(told) > 1 || len(told) == 1 != (c.want != "") || l.trouble() != strings.Join(told, "") {
			t.Errorf("%s: told %q, trouble %q", name, told, l.trouble())
		}
		if text := fmt.Sprint(told, l.trouble()); strings.Contains(text, hunter) {
			t.Errorf("%s: a secret is told: %s", name, text)
		}
	}
}

// A set that names no Secrets reads none, and one that does says what is missing, until it is there.
func TestASetWithSecrets(t *testing.T) {
	clock := time.Unix(1000, 0)
	live := fake.NewClientBuilder().Build()
	var as redis.Access
	f := &fakeSentinel{view: map[string]redis.View{"r-0": {Master: "r-0:1", Epoch: 6}}}
	var told []string
	p := newProviders(func() time.Time { return clock }, func(_ context.Context, _ string, with redis.Access) (asker, error) {
		as = with
		return f.dial()
	}, live, func(set *v1alpha1.InstanceSet, trouble string) { told = append(told, set.Name+": "+trouble) })
	set := aSet()
	set.Spec.RoleProvider = &v1alpha1.RoleProvider{Type: v1alpha1.RoleProviderSentinel, Sentinel: &v1alpha1.SentinelProvider{
		Addresses: []string{"s:26379"}, Monitor: "{shard}", Access: &v1alpha1.RedisAccess{Password: &v1alpha1.SecretKey{Name: "auth"}},
	}}
	if got := p.of(set).Naming(t.Context(), shardZero); got.Heard || got.Trouble != "there is no Secret ns/auth" || f.dials != 0 {
		t.Errorf("%+v after %d dials", got, f.dials)
	}
	if len(told) != 1 || told[0] != "r: there is no Secret ns/auth" {
		t.Errorf("%q", told)
	}
	if err := live.Create(t.Context(), aSecret("auth", map[string][]byte{"password": []byte(hunter)})); err != nil {
		t.Fatal(err)
	}
	clock = clock.Add(loginFresh)
	if got := p.of(set).Naming(t.Context(), shardZero); !got.Heard || got.Epoch != 6 || string(as.Password) != hunter {
		t.Errorf("%+v", got)
	}
	set.Spec.RoleProvider.Sentinel.Access = nil
	if got := p.of(set).Naming(t.Context(), shardZero); !got.Heard || as.Password != "" || as.TLS != nil {
		t.Errorf("%+v", got)
	}
}

// Who hands over logs in to Sentinels with the same Secrets, under a name of its own.
func TestSentinelAccess(t *testing.T) {
	certificate, key := pair(t)
	live := fake.NewClientBuilder().WithObjects(aSecret("auth", map[string][]byte{"password": []byte(hunter)}),
		aSecret("tls", map[string][]byte{"ca.crt": certificate, "tls.crt": certificate, "tls.key": key})).Build()
	set := aSet()
	set.Namespace = "ns"
	if a, err := SentinelAccess(t.Context(), live, set); err != nil || a.Password != "" || a.TLS != nil {
		t.Errorf("without Sentinels: %+v, %v", a, err)
	}
	set.Spec.RoleProvider = &v1alpha1.RoleProvider{Type: v1alpha1.RoleProviderSentinel, Sentinel: &v1alpha1.SentinelProvider{Addresses: []string{"s:26379"}}}
	if a, err := SentinelAccess(t.Context(), live, set); err != nil || a.Password != "" || a.TLS != nil {
		t.Errorf("without Secrets: %+v, %v", a, err)
	}
	set.Spec.RoleProvider.Sentinel.Access = &v1alpha1.RedisAccess{
		Username: "shoal", Password: &v1alpha1.SecretKey{Name: "auth"}, TLS: &v1alpha1.RedisTLS{SecretName: "tls", ClientCertificate: true},
	}
	a, err := SentinelAccess(t.Context(), live, set)
	if err != nil || a.Username != "shoal" || string(a.Password) != hunter || a.TLS == nil || len(a.TLS.Certificates) != 1 || a.Name != "" {
		t.Errorf("%+v, %v", a, err)
	}
	set.Namespace = "elsewhere"
	if a, err := SentinelAccess(t.Context(), live, set); err == nil || !strings.Contains(err.Error(), "there is no Secret elsewhere/auth") || a.Password != "" {
		t.Errorf("a Secret of another namespace: %+v, %v", a, err)
	}
}
