//go:build integration

package integration

import (
	"bytes"
	"context"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"github.com/shoal-dev/shoal/api/v1alpha1"
	"github.com/shoal-dev/shoal/playground"
	"github.com/shoal-dev/shoal/reason"
)

// TestPolicySeenLate scales a set from 40 to 60 while the scheduler sees policies 5 s late. By the old total it could
// open the nodes with room for one, which look emptier, and then 15 nodes could not hold 60.
func TestPolicySeenLate(t *testing.T) {
	k := start(t, playground.Options{
		Nodes: []playground.Shape{
			{Prefix: "one-", Count: 30, CPU: "16", Memory: "64Gi", Pods: 1},
			{Prefix: "four-", Count: 20, CPU: "400m", Memory: "1Gi"},
		},
		Install: true, Managers: 1,
	})
	const late = 5 * time.Second
	k.runScheduler(t, func(response *http.Response) {
		if strings.Contains(response.Request.URL.Path, "placementpolicies") && response.Request.URL.Query().Get("watch") != "" {
			response.Body = &lateReader{source: response.Body, late: late}
		}
	})
	ns := k.namespace(t, "late")
	check := k.record(t)
	k.create(t, set(ns, "r", 40, limits(4, 10))) // no slack: ten nodes with room for four
	k.eventually(t, 2*time.Minute, "40 to be Ready", k.ready(ns, "r"))
	k.patch(t, ns, "r", `{"spec":{"placement":{"maxNodes":15}}}`)
	k.never(t, late+3*time.Second, "while the scheduler learns of 15 nodes", func(context.Context) error { return nil })
	k.patch(t, ns, "r", `{"spec":{"replicas":60}}`)
	k.eventually(t, time.Minute, "60 to be Ready", k.ready(ns, "r"))
	check()
}

// TestMissingCRD starts a scheduler without the CRDs: it works, says once what is missing, holds pods that name a
// policy, and goes on by itself when the CRD is there.
func TestMissingCRD(t *testing.T) {
	k := start(t, playground.Options{Nodes: []playground.Shape{{Count: 3}}, Install: true})
	crd := &apiextensionsv1.CustomResourceDefinition{ObjectMeta: metav1.ObjectMeta{Name: "placementpolicies." + v1alpha1.GroupName}}
	if err := k.client.Delete(t.Context(), crd); err != nil {
		t.Fatal(err)
	}
	k.eventually(t, time.Minute, "the CRD to go", func(ctx context.Context) error {
		if err := k.client.Get(ctx, client.ObjectKeyFromObject(crd), crd); !apierrors.IsNotFound(err) {
			return errors.Join(err, errors.New("it is still there"))
		}
		return nil
	})
	log := k.runScheduler(t, nil)
	ns := k.namespace(t, "missing")
	k.create(t, podWith(ns, "by-cluster", v1alpha1.LabelCluster), podWith(ns, "by-policy", v1alpha1.LabelPlacementPolicy), podWith(ns, "plain", ""))
	for _, name := range []string{"by-cluster", "plain"} {
		k.eventually(t, time.Minute, name+" to be placed", k.placed(ns, name))
	}
	k.eventually(t, time.Minute, "by-policy to be held", func(ctx context.Context) error {
		var p corev1.Pod
		if err := k.get(ctx, ns, "by-policy", &p); err != nil {
			return err
		}
		for _, c := range p.Status.Conditions {
			if strings.Contains(c.Message, reason.PolicyNotFound.String()) {
				return nil
			}
		}
		return fmt.Errorf("it has the conditions %v", p.Status.Conditions)
	})
	if n := strings.Count(log.String(), "is not installed"); n != 1 {
		t.Errorf("the scheduler said %d times that the CRD is missing, wanted once", n)
	}
	if err := k.Apply(t.Context(), "manifests/crds/shoal.dev_placementpolicies.yaml"); err != nil {
		t.Fatal(err)
	}
	policy := &v1alpha1.PlacementPolicy{ObjectMeta: metav1.ObjectMeta{Namespace: ns, Name: "x"}}
	policy.Spec.Replicas = new(int32)
	k.eventually(t, time.Minute, "the policy to be accepted", func(ctx context.Context) error { return k.client.Create(ctx, policy.DeepCopy()) })
	k.eventually(t, 30*time.Second, "by-policy to be placed", k.placed(ns, "by-policy"))
}

func podWith(namespace, name, label string) *corev1.Pod {
	p := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name}}
	if label != "" {
		p.Labels = map[string]string{label: "x"}
	}
	p.Spec.SchedulerName = v1alpha1.SchedulerName
	p.Spec.Containers = []corev1.Container{{Name: "c", Image: "redis:7"}}
	return p
}

func (k kit) placed(namespace, name string) func(context.Context) error {
	return func(ctx context.Context) error {
		var p corev1.Pod
		if err := k.get(ctx, namespace, name, &p); err != nil {
			return err
		}
		if p.Spec.NodeName == "" {
			return fmt.Errorf("it has no node: %v", p.Status.Conditions)
		}
		return nil
	}
}

func (k kit) patch(t *testing.T, namespace, name, patch string) {
	t.Helper()
	s := &v1alpha1.InstanceSet{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name}}
	if err := k.client.Patch(t.Context(), s, client.RawPatch("application/merge-patch+json", []byte(patch))); err != nil {
		t.Fatal(err)
	}
}

// runScheduler runs the shipped scheduler under its ServiceAccount and its shipped configuration, behind a proxy that
// may change the API server's answers.
func (k kit) runScheduler(t *testing.T, change func(*http.Response)) *output {
	t.Helper()
	server, authority := k.proxy(t, change)
	return k.startScheduler(t, k.schedulerAccess(t, server, authority), nil).said
}

// schedulerAccess is a kubeconfig for the scheduler's ServiceAccount at an address.
func (k kit) schedulerAccess(t *testing.T, server string, authority []byte) string {
	t.Helper()
	kubeconfig := filepath.Join(t.TempDir(), "kubeconfig")
	access := clientcmdapi.Config{
		Clusters:       map[string]*clientcmdapi.Cluster{"c": {Server: server, CertificateAuthorityData: authority}},
		AuthInfos:      map[string]*clientcmdapi.AuthInfo{"u": {Token: accountToken(t, kubernetes.NewForConfigOrDie(k.Config()))}},
		Contexts:       map[string]*clientcmdapi.Context{"c": {Cluster: "c", AuthInfo: "u"}},
		CurrentContext: "c",
	}
	if err := clientcmd.WriteToFile(access, kubeconfig); err != nil {
		t.Fatal(err)
	}
	return kubeconfig
}

// authority is the certificate of the API server's authority.
func (k kit) authority(t *testing.T) []byte {
	t.Helper()
	config := k.Config()
	if err := rest.LoadTLSFiles(config); err != nil {
		t.Fatal(err)
	}
	return config.CAData
}

// running is a scheduler that a test has started.
type running struct {
	*exec.Cmd
	said *output
}

// startScheduler runs the shipped scheduler with its shipped configuration, which change may alter, until the test ends.
func (k kit) startScheduler(t *testing.T, kubeconfig string, change func(config map[string]any), args ...string) *running {
	t.Helper()
	shipped, err := kubernetes.NewForConfigOrDie(k.Config()).CoreV1().ConfigMaps(playground.Namespace).Get(t.Context(), "shoal-scheduler-config", metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	config := map[string]any{}
	if err := yaml.Unmarshal([]byte(shipped.Data["scheduler-config.yaml"]), &config); err != nil {
		t.Fatal(err)
	}
	config["clientConnection"] = map[string]any{"kubeconfig": kubeconfig, "qps": 500, "burst": 1000}
	if change != nil {
		change(config)
	}
	text, err := yaml.Marshal(config)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "config.yaml")
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
	if len(args) == 0 {
		args = []string{"--secure-port=0"}
	}
	log := &output{}
	r := &running{exec.Command(filepath.Join(root(t), "bin", "shoal-scheduler"), append([]string{"--config=" + path, "-v=2"}, args...)...), log}
	r.Stdout, r.Stderr = log, log
	if err := r.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		r.stop()
		if t.Failed() {
			t.Log(log.tail())
		}
	})
	return r
}

// stop kills the process, as a crash would; it may be called more than once.
func (r *running) stop() {
	_ = r.Process.Kill()
	_ = r.Wait()
}

func accountToken(t *testing.T, kube kubernetes.Interface) string {
	t.Helper()
	token, err := kube.CoreV1().ServiceAccounts(playground.Namespace).CreateToken(t.Context(), "shoal-scheduler", &authenticationv1.TokenRequest{}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return token.Status.Token
}

// proxy forwards to the API server as whoever asks; it adds no rights. It returns its address and its certificate:
// clients send tokens over TLS only.
func (k kit) proxy(t *testing.T, change func(*http.Response)) (string, []byte) {
	t.Helper()
	config := rest.AnonymousClientConfig(k.Config())
	transport, err := rest.TransportFor(config)
	if err != nil {
		t.Fatal(err)
	}
	target, err := url.Parse(config.Host)
	if err != nil {
		t.Fatal(err)
	}
	forward := &httputil.ReverseProxy{
		Rewrite:       func(r *httputil.ProxyRequest) { r.SetURL(target) },
		Transport:     transport,
		FlushInterval: -1,
		ModifyResponse: func(r *http.Response) error {
			if change != nil {
				change(r)
			}
			return nil
		},
		ErrorHandler: func(w http.ResponseWriter, _ *http.Request, _ error) { w.WriteHeader(http.StatusBadGateway) },
	}
	server := httptest.NewTLSServer(forward)
	t.Cleanup(server.Close)
	t.Cleanup(server.CloseClientConnections)
	return server.URL, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
}

// lateReader hands on what it reads only after a while; the order stays.
type lateReader struct {
	source io.ReadCloser
	late   time.Duration
	once   sync.Once
	chunks chan chunk
	rest   []byte
}

type chunk struct {
	text []byte
	err  error
	due  time.Time
}

func (r *lateReader) Read(into []byte) (int, error) {
	r.once.Do(func() {
		r.chunks = make(chan chunk, 10000)
		go func() {
			for {
				buffer := make([]byte, 64<<10)
				n, err := r.source.Read(buffer)
				r.chunks <- chunk{buffer[:n], err, time.Now().Add(r.late)}
				if err != nil {
					return
				}
			}
		}()
	})
	if len(r.rest) == 0 {
		next := <-r.chunks
		<-time.After(time.Until(next.due))
		if next.err != nil {
			return copy(into, next.text), next.err
		}
		r.rest = next.text
	}
	n := copy(into, r.rest)
	r.rest = r.rest[n:]
	return n, nil
}

func (r *lateReader) Close() error { return r.source.Close() }

// output collects what a process prints.
type output struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (o *output) Write(text []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.Write(text)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.String()
}

func (o *output) tail() string {
	text := o.String()
	return text[max(0, len(text)-4000):]
}
