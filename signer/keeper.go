package signer

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/x509"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	certificatesv1 "k8s.io/api/certificates/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/shoal-dev/shoal/agent/mtls"
	"github.com/shoal-dev/shoal/api/agent"
	"github.com/shoal-dev/shoal/podspec"
)

const (
	// SecretName is the Secret with the authority, in the manager's namespace.
	SecretName = "shoal-agent-authority"
	// BundleName is the ClusterTrustBundle with the certificates of the authority, which pods mount.
	BundleName = podspec.AgentBundle
)

const (
	// looks is how often the Secret and the bundle are looked at, hurry how often as long as there is no authority.
	looks = time.Minute
	hurry = time.Second
)

// Keeper keeps the authority: in the Secret, in the bundle, and in memory for as long as this process leads.
type Keeper struct {
	live      client.Reader // straight from the API server: no cache holds the key
	writer    client.Client
	namespace string
	now       func() time.Time
	metrics   metrics

	mu    sync.Mutex
	state state // zero until it is published
	own   mtls.Own
}

// Start keeps the authority until ctx ends. It is for the leader alone: the manager starts nothing else before it leads.
func (k *Keeper) Start(ctx context.Context) error {
	ticker := time.NewTicker(hurry)
	defer ticker.Stop()
	for wait := hurry; ; {
		next := looks
		if err := k.Keep(ctx); err != nil && ctx.Err() == nil {
			log.FromContext(ctx).Error(err, "Could not keep the authority of agents")
			k.metrics.failures.Inc()
			if _, err := k.authority(); err != nil {
				next = hurry
			}
		}
		if next != wait {
			ticker.Reset(next)
			wait = next
		}
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
	}
}

// Keep looks once: it brings Secret and bundle to where they should be by now. The Secret is written first, so that whatever
// is published or signs can be found again; and nothing signs before it is published.
func (k *Keeper) Keep(ctx context.Context) error {
	secret, s, err := k.read(ctx)
	if err != nil {
		return err
	}
	published, err := k.bundle(ctx)
	if err != nil {
		return err
	}
	there := certificatesOf(published.Spec.TrustBundle)
	inBundle := func(c *x509.Certificate) bool { return slices.ContainsFunc(there, c.Equal) }
	after, steps, err := s.advance(k.now(), inBundle, func() (authority, error) { return mint(rand.Reader, k.now()) })
	if err != nil {
		return err
	}
	if err := k.write(ctx, secret, after); err != nil {
		return err
	}
	if err := k.publish(ctx, published, after); err != nil {
		return err
	}
	for _, step := range steps {
		log.FromContext(ctx).Info("The authority of agents has changed", "step", string(step), "signs", after.current.name())
		k.metrics.steps.WithLabelValues(string(step)).Inc()
	}
	return k.adopt(after)
}

func (k *Keeper) read(ctx context.Context) (*corev1.Secret, state, error) {
	var secret corev1.Secret
	err := k.live.Get(ctx, types.NamespacedName{Namespace: k.namespace, Name: SecretName}, &secret)
	if client.IgnoreNotFound(err) != nil {
		return nil, state{}, fmt.Errorf("reading the authority of agents: %w", err)
	}
	s, err := decode(secret.Data)
	if err != nil {
		return nil, state{}, fmt.Errorf("reading the authority of agents from the Secret %s: %w", SecretName, err)
	}
	return &secret, s, nil
}

func (k *Keeper) bundle(ctx context.Context) (*certificatesv1.ClusterTrustBundle, error) {
	var b certificatesv1.ClusterTrustBundle
	if err := client.IgnoreNotFound(k.live.Get(ctx, types.NamespacedName{Name: BundleName}, &b)); err != nil {
		return nil, fmt.Errorf("reading the trust bundle of agents: %w", err)
	}
	return &b, nil
}

// write writes the Secret as it was read and no other: of two processes that take themselves for the leader, one fails.
func (k *Keeper) write(ctx context.Context, secret *corev1.Secret, s state) error {
	data, err := s.encode()
	if err != nil {
		return err
	}
	if maps.EqualFunc(data, secret.Data, bytes.Equal) {
		return nil
	}
	secret.Data = data
	if secret.ResourceVersion == "" {
		secret.ObjectMeta = metav1.ObjectMeta{Namespace: k.namespace, Name: SecretName, Labels: ours()}
		secret.Type = corev1.SecretTypeOpaque
		err = k.writer.Create(ctx, secret)
	} else {
		err = k.writer.Update(ctx, secret)
	}
	if err != nil {
		return fmt.Errorf("writing the authority of agents: %w", withoutValues(err))
	}
	return nil
}

// withoutValues is the error without what the API server may have repeated of the object.
func withoutValues(err error) error {
	if reason := apierrors.ReasonForError(err); reason == metav1.StatusReasonInvalid || reason == metav1.StatusReasonBadRequest {
		return fmt.Errorf("the API server says %s", reason)
	}
	return err
}

func (k *Keeper) publish(ctx context.Context, b *certificatesv1.ClusterTrustBundle, s state) error {
	text := bundle(s.roots())
	if b.ResourceVersion != "" && b.Spec.TrustBundle == text {
		return nil
	}
	b.Spec.TrustBundle = text
	var err error
	if b.ResourceVersion == "" {
		if b.ObjectMeta, err = k.bundleMeta(ctx); err != nil {
			return err
		}
		b.Spec.SignerName = agent.Signer
		err = k.writer.Create(ctx, b)
	} else {
		err = k.writer.Update(ctx, b)
	}
	if err != nil {
		return fmt.Errorf("publishing the authority of agents: %w", err)
	}
	return nil
}

// bundleMeta has the manager's namespace own the bundle: what is uninstalled leaves nothing behind that is trusted.
func (k *Keeper) bundleMeta(ctx context.Context) (metav1.ObjectMeta, error) {
	var namespace corev1.Namespace
	if err := k.live.Get(ctx, types.NamespacedName{Name: k.namespace}, &namespace); err != nil {
		return metav1.ObjectMeta{}, fmt.Errorf("reading the manager's namespace: %w", err)
	}
	owner := metav1.OwnerReference{APIVersion: "v1", Kind: "Namespace", Name: namespace.Name, UID: namespace.UID}
	return metav1.ObjectMeta{Name: BundleName, Labels: ours(), OwnerReferences: []metav1.OwnerReference{owner}}, nil
}

func ours() map[string]string { return map[string]string{"app.kubernetes.io/part-of": "shoal"} }

// adopt takes a state that is published into use. The manager's own certificate is made anew at half of its life, and when
// another authority signs or is trusted.
func (k *Keeper) adopt(s state) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.metrics.expiry.Set(float64(s.current.certificate.NotAfter.Unix()))
	if bundle(k.state.roots()) == bundle(s.roots()) && k.now().Before(half(k.own.Certificate.Leaf)) {
		k.state = s
		return nil
	}
	own, err := s.own(k.now())
	if err != nil {
		return err
	}
	k.state, k.own = s, own
	return nil
}

// half is when half of the life of a certificate is over.
func half(c *x509.Certificate) time.Time {
	return c.NotBefore.Add(c.NotAfter.Sub(c.NotBefore) / 2)
}

// authority is the one that signs. It is an error as long as it is not published, or could not sign for as long as it should.
func (k *Keeper) authority() (authority, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if !k.state.current.signs(k.now()) {
		return authority{}, errNotReady
	}
	return k.state.current, nil
}

// Own is the manager's certificate, and whom it trusts. It is an error as long as there is no authority.
func (k *Keeper) Own() (mtls.Own, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.own.Certificate.Leaf == nil {
		return mtls.Own{}, errNotReady
	}
	return k.own, nil
}
