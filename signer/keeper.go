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
	since time.Time // when this process first used the authority that signs
}

// spread is for how long the manager goes on showing a certificate of the authority before, as long as that is trusted: a kubelet brings
// the roots of an agent up to date within a minute or two.
const spread = 10 * time.Minute

// Start keeps the authority until ctx ends. It is for the leader alone: the manager starts nothing else before it leads.
func (k *Keeper) Start(ctx context.Context) error {
	ticker := time.NewTicker(hurry)
	defer ticker.Stop()
	for wait := hurry; ; {
		next := looks
		if err := k.keepWithin(ctx, answerWithin); err != nil && ctx.Err() == nil {
			log.FromContext(ctx).Error(err, "Could not keep the authority of agents")
			k.metrics.failures.Inc()
			if err := k.hold(); err != nil {
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

// answerWithin is for how long the API server may take for one look. One that never answers must not end the looks: what is held in
// memory is renewed between them.
const answerWithin = 30 * time.Second

func (k *Keeper) keepWithin(ctx context.Context, limit time.Duration) error {
	ctx, stop := context.WithTimeout(ctx, limit)
	defer stop()
	return k.Keep(ctx)
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
	s, inherited := s.inherit(there, k.now())
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
	for _, step := range append(inherited, steps...) {
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

// adopt takes a state that is published into use.
func (k *Keeper) adopt(s state) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.metrics.expiry.Set(float64(s.current.certificate.NotAfter.Unix()))
	if before := k.state.current.certificate; before == nil || !before.Equal(s.current.certificate) {
		k.since = k.now()
	}
	k.state = s
	return k.renew()
}

// hold goes on with the last state that was published while it cannot be read or written. It is an error if there is none that signs.
func (k *Keeper) hold() error {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.state.current.certificate == nil {
		return errNotReady
	}
	if err := k.renew(); err != nil {
		return err
	}
	if !k.state.current.signs(k.now()) {
		return errNotReady
	}
	return nil
}

// renew makes the manager's own certificate anew at half of its life, and when another authority signs: a while later, as agents
// have to hear of that, and at once if they trust the one before no more.
func (k *Keeper) renew() error {
	now, leaf := k.now(), k.own.Certificate.Leaf
	var due bool
	switch by := k.state.signerOf(leaf); {
	case by == nil:
		due = true
	case by.Equal(k.state.current.certificate):
		due = !now.Before(half(leaf))
	default:
		due = !now.Before(k.since.Add(spread)) || !now.Before(leaf.NotAfter.Add(-time.Hour))
	}
	if !due {
		k.own.Roots = k.state.pool()
		return nil
	}
	own, err := k.state.own(now)
	if err != nil {
		return err
	}
	k.own = own
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
