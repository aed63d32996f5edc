//go:build integration

package integration

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

	certificatesv1 "k8s.io/api/certificates/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/rest"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"

	"github.com/shoal-dev/shoal/agent/mtls"
	"github.com/shoal-dev/shoal/api/agent"
	"github.com/shoal-dev/shoal/api/v1alpha1"
	"github.com/shoal-dev/shoal/playground"
	"github.com/shoal-dev/shoal/podspec"
	"github.com/shoal-dev/shoal/signer"
)

const managerAccount = "system:serviceaccount:shoal-system:shoal-manager"

// testSigner: the signer answers what a kubelet asks for, under the rights that the manager is installed with, and the API
// server accepts what it answers.
func testSigner(t *testing.T, k kit) {
	ns := k.namespace(t, "signer")
	keeper := k.sign(t)
	s := set(ns, "r", 3, shards(3), func(s *v1alpha1.InstanceSet) {
		s.Spec.Paused = true // the pod is made here, with an agent, and is left alone
		s.Spec.Roles = []v1alpha1.InstanceRole{{Name: v1alpha1.RoleMaster, Exclusive: true}, {Name: v1alpha1.RoleReplica}}
		s.Spec.RoleProvider = &v1alpha1.RoleProvider{Type: v1alpha1.RoleProviderStatic}
	})
	k.create(t, s)
	var nodes corev1.NodeList
	if err := k.client.List(t.Context(), &nodes); err != nil || len(nodes.Items) == 0 {
		t.Fatal(err)
	}
	node := &nodes.Items[0]
	instance := podspec.Pod(s, podspec.Instance{Agent: podspec.Agent{Image: "localhost/shoal-agent:dev", Manager: "m:1"}})
	stranger := instance.DeepCopy()
	stranger.Name, stranger.OwnerReferences, stranger.Labels = "stranger", nil, nil
	k.eventually(t, 30*time.Second, "the pods", func(ctx context.Context) error {
		for _, pod := range []*corev1.Pod{instance, stranger} { // the ServiceAccount of the namespace takes a moment
			pod.Spec.NodeName = node.Name
			if err := k.as(t, managerAccount).Create(ctx, pod); err != nil && !apierrors.IsAlreadyExists(err) {
				return err
			}
		}
		return nil
	})
	good, bad := k.ask(t, instance, node), k.ask(t, stranger, node)
	k.eventually(t, 30*time.Second, "the answers", func(ctx context.Context) error {
		return errors.Join(k.answer(ctx, good, "Issued", "SHOAL2501"), k.answer(ctx, bad, "Denied", "SHOAL2506"))
	})
	verifyIssued(t, k, good, keeper)
	var secret corev1.Secret
	if err := k.as(t, "system:serviceaccount:shoal-system:shoal-scheduler").Get(t.Context(), client.ObjectKey{Namespace: "shoal-system", Name: signer.SecretName}, &secret); !apierrors.IsForbidden(err) {
		t.Errorf("another account reads the authority: %v", err)
	}
	var other corev1.SecretList
	if err := k.as(t, managerAccount).List(t.Context(), &other, client.InNamespace("shoal-system")); !apierrors.IsForbidden(err) {
		t.Errorf("the manager lists Secrets: %v", err)
	}
}

// as is a client of somebody else.
func (k kit) as(t *testing.T, user string, groups ...string) client.Client {
	t.Helper()
	config := rest.CopyConfig(k.Config())
	config.Impersonate = rest.ImpersonationConfig{UserName: user, Groups: groups}
	c, err := client.New(config, client.Options{Scheme: k.client.Scheme()})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// sign runs the signer in this process, as the manager's ServiceAccount.
func (k kit) sign(t *testing.T) *signer.Keeper {
	t.Helper()
	config := rest.CopyConfig(k.Config())
	config.Impersonate.UserName = managerAccount
	mgr, err := ctrl.NewManager(config, ctrl.Options{Scheme: k.client.Scheme(), Metrics: metricsserver.Options{BindAddress: "0"}, HealthProbeBindAddress: "0"})
	if err != nil {
		t.Fatal(err)
	}
	keeper, err := signer.Setup(mgr, signer.Options{Namespace: playground.Namespace, SkipNameValidation: true})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- mgr.Start(ctx) }()
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	return keeper
}

// ask makes the request that the kubelet of the node makes for the pod.
func (k kit) ask(t *testing.T, pod *corev1.Pod, node *corev1.Node) *certificatesv1.PodCertificateRequest {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	csr, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{}, key)
	if err != nil {
		t.Fatal(err)
	}
	var account corev1.ServiceAccount
	if err := k.get(t.Context(), pod.Namespace, "default", &account); err != nil {
		t.Fatal(err)
	}
	r := &certificatesv1.PodCertificateRequest{}
	r.Namespace, r.Name = pod.Namespace, "req-"+pod.Name
	r.Spec = certificatesv1.PodCertificateRequestSpec{
		SignerName: agent.Signer, PodName: pod.Name, PodUID: pod.UID, ServiceAccountName: "default", ServiceAccountUID: account.UID,
		NodeName: types.NodeName(node.Name), NodeUID: node.UID, StubPKCS10Request: csr,
	}
	kubelet := k.as(t, "system:node:"+node.Name, "system:nodes", "system:authenticated")
	k.eventually(t, 30*time.Second, "the request for "+pod.Name, func(ctx context.Context) error { return kubelet.Create(ctx, r.DeepCopy()) })
	return r
}

func (k kit) answer(ctx context.Context, asked *certificatesv1.PodCertificateRequest, kind, code string) error {
	var r certificatesv1.PodCertificateRequest
	if err := k.get(ctx, asked.Namespace, asked.Name, &r); err != nil {
		return err
	}
	if len(r.Status.Conditions) != 1 || r.Status.Conditions[0].Type != kind || !strings.Contains(r.Status.Conditions[0].Message, code) {
		return fmt.Errorf("%s: %+v", r.Name, r.Status.Conditions)
	}
	return nil
}

// verifyIssued: the certificate is trusted by whoever has the bundle, and so is the manager's.
func verifyIssued(t *testing.T, k kit, asked *certificatesv1.PodCertificateRequest, keeper *signer.Keeper) {
	t.Helper()
	var r certificatesv1.PodCertificateRequest
	var b certificatesv1.ClusterTrustBundle
	if err := errors.Join(k.get(t.Context(), asked.Namespace, asked.Name, &r), k.get(t.Context(), "", podspec.AgentBundle, &b)); err != nil {
		t.Fatal(err)
	}
	own, err := keeper.Own()
	if err != nil {
		t.Fatal(err)
	}
	block, _ := pem.Decode([]byte(r.Status.CertificateChain))
	leaf, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	if id, err := agent.IdentityOf(leaf); err != nil || id.Pod != "r-0" || id.UID != string(asked.Spec.PodUID) {
		t.Errorf("identity %v, %v", id, err)
	}
	trusted := mtls.Own{Roots: x509.NewCertPool()}
	trusted.Roots.AppendCertsFromPEM([]byte(b.Spec.TrustBundle))
	for _, c := range []*x509.Certificate{leaf, own.Certificate.Leaf} {
		if _, err := c.Verify(x509.VerifyOptions{Roots: trusted.Roots, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}}); err != nil {
			t.Error(err)
		}
	}
}
