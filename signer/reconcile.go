package signer

import (
	"context"
	"crypto/rand"
	"crypto/x509"
	"fmt"
	"slices"
	"time"

	certificatesv1 "k8s.io/api/certificates/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/events"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/shoal-dev/shoal/api/agent"
	"github.com/shoal-dev/shoal/api/v1alpha1"
	"github.com/shoal-dev/shoal/reason"
)

type reconciler struct {
	cache   client.Reader
	live    client.Reader // straight from the API server
	writer  client.Client
	events  events.EventRecorder
	keeper  *Keeper
	metrics metrics
	now     func() time.Time
}

// Reconcile answers one request, once.
func (r *reconciler) Reconcile(ctx context.Context, name ctrl.Request) (ctrl.Result, error) {
	result, err := r.serve(ctx, name)
	if err != nil {
		r.metrics.errors.Inc()
	}
	return result, err
}

func (r *reconciler) serve(ctx context.Context, name ctrl.Request) (ctrl.Result, error) {
	var request certificatesv1.PodCertificateRequest
	if err := r.cache.Get(ctx, name.NamespacedName, &request); err != nil {
		return ctrl.Result{}, client.IgnoreNotFound(err)
	}
	if request.Spec.SignerName != agent.Signer || answered(&request) || request.DeletionTimestamp != nil {
		return ctrl.Result{}, nil
	}
	by, err := r.keeper.authority()
	if err != nil { // it has only just begun to lead, or cannot keep an authority
		r.metrics.waits.WithLabelValues(reason.CertificateWaits.String()).Inc()
		return ctrl.Result{RequeueAfter: hurry}, nil
	}
	code, wrong, passes, err := r.judge(ctx, &request)
	if err != nil {
		return ctrl.Result{}, err
	}
	if passes {
		r.wait(ctx, &request, code, wrong)
		return ctrl.Result{RequeueAfter: lookAgain}, nil
	}
	if code != 0 {
		deny(&request, code, wrong, r.now())
	} else if err := grant(&request, by, r.now()); err != nil {
		return ctrl.Result{}, err
	}
	return ctrl.Result{}, r.answer(ctx, &request, code)
}

// lookAgain is after how long a request that was left open is looked at again. Kubernetes removes it after a quarter of an hour, and the
// kubelet makes another one.
const lookAgain = 5 * time.Second

// wait leaves a request open, and says so.
func (r *reconciler) wait(ctx context.Context, request *certificatesv1.PodCertificateRequest, code reason.Code, wrong string) {
	r.metrics.waits.WithLabelValues(code.String()).Inc()
	log.FromContext(ctx).V(2).Info("left a request for a certificate open", "pod", request.Spec.PodName, "reason", wrong)
	pod := &corev1.Pod{
		TypeMeta:   metav1.TypeMeta{APIVersion: "v1", Kind: "Pod"},
		ObjectMeta: metav1.ObjectMeta{Namespace: request.Namespace, Name: request.Spec.PodName, UID: request.Spec.PodUID},
	}
	r.events.Eventf(pod, nil, corev1.EventTypeWarning, reason.CertificateWaits.Name(), "SignCertificate", "%s", reason.CertificateWaits.Because("%s", wrong))
}

// answered: there is nothing to add.
func answered(r *certificatesv1.PodCertificateRequest) bool {
	return slices.ContainsFunc(r.Status.Conditions, func(c metav1.Condition) bool {
		return c.Type == certificatesv1.PodCertificateRequestConditionTypeIssued ||
			c.Type == certificatesv1.PodCertificateRequestConditionTypeDenied || c.Type == certificatesv1.PodCertificateRequestConditionTypeFailed
	})
}

// judge asks the cache, and if that says no, the API server: a request may be here before the pod that it names. Passes says that
// what is wrong may pass.
func (r *reconciler) judge(ctx context.Context, request *certificatesv1.PodCertificateRequest) (code reason.Code, wrong string, passes bool, err error) {
	for _, from := range []client.Reader{r.cache, r.live} {
		f, err := r.facts(ctx, from, request)
		if err != nil {
			return 0, "", false, err
		}
		if code, wrong = judge(request, f); code == 0 {
			return 0, "", false, nil
		}
		passes = passing(code, request, f)
	}
	return code, wrong, passes, nil
}

// facts reads what a request is judged by. ServiceAccounts are in no cache: nothing else needs them.
func (r *reconciler) facts(ctx context.Context, from client.Reader, request *certificatesv1.PodCertificateRequest) (facts, error) {
	var f facts
	var err error
	name := func(n string) types.NamespacedName {
		return types.NamespacedName{Namespace: request.Namespace, Name: n}
	}
	if f.pod, err = find(ctx, from, name(request.Spec.PodName), &corev1.Pod{}); err != nil || f.pod == nil {
		return f, err
	}
	if f.node, err = find(ctx, from, types.NamespacedName{Name: string(request.Spec.NodeName)}, &corev1.Node{}); err != nil {
		return f, err
	}
	account := &metav1.PartialObjectMetadata{TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "ServiceAccount"}}
	if f.account, err = find(ctx, r.live, name(request.Spec.ServiceAccountName), account); err != nil {
		return f, err
	}
	if set, _ := ownerOf(f.pod); set != "" {
		f.set, err = find(ctx, from, name(set), &v1alpha1.InstanceSet{})
	}
	return f, err
}

// find is nil for what is not there.
func find[T client.Object](ctx context.Context, from client.Reader, name types.NamespacedName, into T) (T, error) {
	var none T
	err := from.Get(ctx, name, into)
	if apierrors.IsNotFound(err) {
		return none, nil
	}
	if err != nil {
		return none, fmt.Errorf("reading %s for a certificate: %w", name, err)
	}
	return into, nil
}

func deny(request *certificatesv1.PodCertificateRequest, code reason.Code, wrong string, now time.Time) {
	request.Status.Conditions = append(request.Status.Conditions, metav1.Condition{
		Type: certificatesv1.PodCertificateRequestConditionTypeDenied, Status: metav1.ConditionTrue,
		Reason: code.Name(), Message: code.Because("%s", wrong), LastTransitionTime: metav1.NewTime(now),
	})
}

// grant signs. Who the pod is stands in the certificate as it was verified, not as somebody wrote it into the request.
func grant(request *certificatesv1.PodCertificateRequest, by authority, now time.Time) error {
	uri, err := agent.Identity{Namespace: request.Namespace, Pod: request.Spec.PodName, UID: string(request.Spec.PodUID)}.URI()
	if err != nil {
		return fmt.Errorf("naming the pod of a certificate: %w", err)
	}
	csr, err := x509.ParseCertificateRequest(request.Spec.StubPKCS10Request)
	if err != nil {
		return fmt.Errorf("reading the request for a certificate: %w", err)
	}
	life := leafLife
	if most := request.Spec.MaxExpirationSeconds; most != nil {
		life = min(life, time.Duration(*most)*time.Second)
	}
	c, err := by.issue(rand.Reader, uri, csr.PublicKey, now, life)
	if err != nil {
		return err
	}
	status := &request.Status
	status.CertificateChain = string(encodeCertificate(c))
	notBefore, notAfter, refresh := metav1.NewTime(c.NotBefore), metav1.NewTime(c.NotAfter), metav1.NewTime(half(c))
	status.NotBefore, status.NotAfter, status.BeginRefreshAt = &notBefore, &notAfter, &refresh
	status.Conditions = append(status.Conditions, metav1.Condition{
		Type: certificatesv1.PodCertificateRequestConditionTypeIssued, Status: metav1.ConditionTrue,
		Reason: reason.IssueCertificate.Name(), Message: reason.IssueCertificate.Message(), LastTransitionTime: metav1.NewTime(now),
	})
	return nil
}

func (r *reconciler) answer(ctx context.Context, request *certificatesv1.PodCertificateRequest, denied reason.Code) error {
	err := r.writer.Status().Update(ctx, request)
	if apierrors.IsConflict(err) || apierrors.IsNotFound(err) {
		return nil // somebody has changed it: the cache will show it
	}
	if err != nil {
		return fmt.Errorf("answering a request for a certificate: %w", err)
	}
	code := reason.IssueCertificate
	if denied != 0 {
		code = denied
		log.FromContext(ctx).Info("Refused a certificate", "pod", request.Spec.PodName, "reason", request.Status.Conditions[len(request.Status.Conditions)-1].Message)
	}
	r.metrics.requests.WithLabelValues(code.String()).Inc()
	return nil
}
