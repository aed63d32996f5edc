//go:build e2e

package e2e

import (
	"context"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/shoal-dev/shoal/api/v1alpha1"
	"github.com/shoal-dev/shoal/playground"
	"github.com/shoal-dev/shoal/podspec"
)

// withRoles is a set of three Redis without an HA system. People promote: the test does.
const withRoles = `
apiVersion: shoal.dev/v1alpha1
kind: InstanceSet
metadata: {name: labelled}
spec:
  replicas: 3
  shardSize: 3
  roles:
  - {name: master, exclusive: true, service: PerShard}
  - {name: replica}
  roleProvider: {type: Static}
  template:
    spec:
      securityContext: {runAsNonRoot: true, runAsUser: 65532, seccompProfile: {type: RuntimeDefault}}
      containers:
      - name: redis
        image: localhost/redis:dev
        imagePullPolicy: IfNotPresent
        command: [redis-server, --protected-mode, "no", --save, "", --dir, /tmp, --repl-diskless-sync-delay, "0"]
        ports: [{name: redis, containerPort: 6379}]
        resources: {requests: {cpu: 20m, memory: 32Mi}}
        securityContext: {allowPrivilegeEscalation: false, capabilities: {drop: [ALL]}}
`

// testRoles follows a master from pod to pod: the real agent in a real pod, with a certificate that its real kubelet has asked
// for, tells the manager, and the Service of the master follows.
func (s *shoal) testRoles(t *testing.T) {
	s.leads(t)
	s.applyText(t, withRoles)
	eventually(t, slow, "three Redis", func() error { return s.ready("labelled", 3) })
	for _, pod := range s.podsOf(t, "labelled") {
		if len(pod.Spec.InitContainers) != 1 || !podspec.HasAgent(&pod) {
			t.Fatalf("%s has no agent: %+v", pod.Name, pod.Spec.InitContainers)
		}
	}
	s.issued(t)
	s.follow(t, "labelled-0", "labelled-1", "labelled-2")
	for _, master := range []string{"labelled-1", "labelled-0"} {
		began := time.Now()
		s.promote(t, master)
		eventually(t, slow, "the label and the Service of "+master, func() error { return s.serves(master) })
		t.Logf("%s has label and Service %s after it was promoted", master, time.Since(began).Round(10*time.Millisecond))
	}
	s.noStrangers(t)
	s.deleteSet(t, "labelled")
}

// follow makes the others replicas of the first, by its address. They start as three masters, of whom none has the label.
func (s *shoal) follow(t *testing.T, master string, others ...string) {
	t.Helper()
	for _, pod := range others {
		s.mustPrint(t, pod, "redis-cli REPLICAOF "+s.pod(t, master).Status.PodIP+" 6379", "OK")
	}
	eventually(t, slow, "the label and the Service of "+master, func() error { return s.serves(master) })
}

// promote does what a person does: the old master is made a replica first.
func (s *shoal) promote(t *testing.T, master string) {
	t.Helper()
	var others []string
	for i := range 3 {
		if pod := fmt.Sprintf("labelled-%d", i); pod != master {
			others = append(others, pod)
		}
	}
	at := s.pod(t, master).Status.PodIP
	s.mustPrint(t, master, "redis-cli REPLICAOF NO ONE", "OK")
	for _, pod := range others {
		s.mustPrint(t, pod, "redis-cli REPLICAOF "+at+" 6379", "OK")
	}
}

// serves: one pod has the label master, the others that of replicas, and the Service of the master leads there alone.
func (s *shoal) serves(master string) error {
	pods, err := s.client.CoreV1().Pods("default").List(context.Background(), metav1.ListOptions{LabelSelector: v1alpha1.LabelInstanceSet + "=labelled"})
	if err != nil {
		return err
	}
	address := ""
	for _, pod := range pods.Items {
		want := "replica"
		if pod.Name == master {
			want, address = "master", pod.Status.PodIP
		}
		if got := pod.Labels[v1alpha1.LabelRole]; got != want {
			return fmt.Errorf("%s has the label %q, want %q", pod.Name, got, want)
		}
	}
	got, err := s.endpoints("default", "labelled-0-master")
	if err == nil && !slices.Equal(got, []string{address}) {
		err = fmt.Errorf("the Service leads to %v, want %s", got, address)
	}
	return err
}

// endpoints are the addresses that a Service leads to, as kube-proxy reads them.
func (s *shoal) endpoints(namespace, service string) ([]string, error) {
	slices, err := s.client.DiscoveryV1().EndpointSlices(namespace).List(context.Background(), metav1.ListOptions{LabelSelector: discoveryv1.LabelServiceName + "=" + service})
	if err != nil {
		return nil, err
	}
	var all []string
	for _, slice := range slices.Items {
		for _, e := range slice.Endpoints {
			if e.Conditions.Ready == nil || *e.Conditions.Ready {
				all = append(all, e.Addresses...)
			}
		}
	}
	return all, nil
}

// leads: agents are led to the manager that leads, and to no other.
func (s *shoal) leads(t *testing.T) {
	t.Helper()
	eventually(t, slow, "the Service of the managers to lead to the leader", func() error {
		holder, _ := s.leader(t, "shoal-manager")
		pod, err := s.client.CoreV1().Pods(playground.Namespace).Get(context.Background(), podOf(holder), metav1.GetOptions{})
		if err != nil {
			return err
		}
		got, err := s.endpoints(playground.Namespace, "shoal-manager")
		if err == nil && !slices.Equal(got, []string{pod.Status.PodIP}) {
			err = fmt.Errorf("it leads to %v, and %s leads", got, pod.Status.PodIP)
		}
		return err
	})
}

// issued: each pod has a certificate of an authority that is in the bundle, and the key is in no object but the Secret.
func (s *shoal) issued(t *testing.T) {
	t.Helper()
	b, err := s.client.CertificatesV1().ClusterTrustBundles().Get(t.Context(), podspec.AgentBundle, metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM([]byte(b.Spec.TrustBundle)) {
		t.Fatalf("there is no authority: %q", b.Spec.TrustBundle)
	}
	requests, err := s.client.CertificatesV1().PodCertificateRequests("default").List(t.Context(), metav1.ListOptions{})
	if err != nil {
		t.Fatal(err)
	}
	issued := map[string]bool{}
	for _, r := range requests.Items {
		block, _ := pem.Decode([]byte(r.Status.CertificateChain))
		if block == nil {
			t.Errorf("the request of %s: %+v", r.Spec.PodName, r.Status.Conditions)
			continue
		}
		c, err := x509.ParseCertificate(block.Bytes)
		if err == nil {
			_, err = c.Verify(x509.VerifyOptions{Roots: roots, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}})
		}
		if want := fmt.Sprintf("shoal://default/pod/%s/%s", r.Spec.PodName, r.Spec.PodUID); err != nil || c.URIs[0].String() != want {
			t.Errorf("the certificate of %s: %v, %v", r.Spec.PodName, c.URIs, err)
		}
		issued[r.Spec.PodName] = true
	}
	if len(issued) != 3 {
		t.Errorf("%v have certificates", issued)
	}
}

// noStrangers: a pod that is no instance of a set does not get the certificate that its author asks for.
func (s *shoal) noStrangers(t *testing.T) {
	t.Helper()
	pod := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: "stranger"},
		Spec: corev1.PodSpec{
			Containers: []corev1.Container{{
				Name: "main", Image: "localhost/redis:dev", ImagePullPolicy: corev1.PullIfNotPresent,
				VolumeMounts: []corev1.VolumeMount{{Name: "key", MountPath: "/key"}},
			}},
			Volumes: []corev1.Volume{{Name: "key", VolumeSource: corev1.VolumeSource{Projected: &corev1.ProjectedVolumeSource{Sources: []corev1.VolumeProjection{{
				PodCertificate: &corev1.PodCertificateProjection{SignerName: podspec.AgentSigner, KeyType: "ED25519", CredentialBundlePath: "bundle.pem"},
			}}}}}},
		},
	}
	pods := s.client.CoreV1().Pods("default")
	if _, err := pods.Create(t.Context(), pod, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	eventually(t, slow, "the stranger to be refused", func() error {
		requests, err := s.client.CertificatesV1().PodCertificateRequests("default").List(context.Background(), metav1.ListOptions{})
		if err != nil {
			return err
		}
		for _, r := range requests.Items {
			if r.Spec.PodName != "stranger" || len(r.Status.Conditions) == 0 {
				continue
			}
			if c := r.Status.Conditions[0]; c.Type == "Denied" && strings.Contains(c.Message, "SHOAL2506") && r.Status.CertificateChain == "" {
				return nil
			}
			return fmt.Errorf("%+v", r.Status)
		}
		return errors.New("it is not answered")
	})
	if err := pods.Delete(t.Context(), "stranger", metav1.DeleteOptions{GracePeriodSeconds: new(int64)}); err != nil {
		t.Fatal(err)
	}
}
