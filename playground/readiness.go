package playground

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/wait"

	"github.com/shoal-dev/shoal/playground/process"
)

const (
	readyPoll    = 50 * time.Millisecond
	readyTimeout = 2 * time.Minute // a busy machine is no reason to give up; a child that ends is noticed at once
)

// startServer starts etcd and the API server, and returns when the latter serves. It waits for etcd itself.
func (c *Cluster) startServer(ctx context.Context) error {
	if err := c.start(c.etcdSpec(), c.apiServerSpec()); err != nil {
		return err
	}
	return poll(ctx, "kube-apiserver to become ready", func(ctx context.Context) error {
		return c.client.Discovery().RESTClient().Get().AbsPath("/readyz").Do(ctx).Error()
	})
}

// controllers are the names of what startControllers starts.
func (c *Cluster) controllers() []string {
	list := []string{controllerManager, simulator, provisioner}
	if c.options.KubeScheduler {
		list = append(list, kubeScheduler)
	}
	return list
}

// startControllers starts all that only needs the API server, together.
func (c *Cluster) startControllers(ctx context.Context) error {
	specs := []process.Spec{c.controllerManagerSpec(), c.simulatorSpec()}
	answers := []string{"https://" + loopback(c.ports.controllerManager) + "/healthz", "http://" + loopback(c.ports.simulator) + "/healthz"}
	if c.options.KubeScheduler {
		specs = append(specs, c.kubeSchedulerSpec())
		answers = append(answers, "https://"+loopback(c.ports.kubeScheduler)+"/healthz")
	}
	if err := c.start(specs...); err != nil {
		return err
	}
	if err := c.startProvisioner(ctx); err != nil {
		return err
	}
	for _, url := range append(answers, "http://"+loopback(c.ports.provisioner)+"/readyz") {
		if err := waitAnswer(ctx, url); err != nil {
			return err
		}
	}
	// Without it no pod can be created.
	return poll(ctx, "the default ServiceAccount", func(ctx context.Context) error {
		_, err := c.client.CoreV1().ServiceAccounts(metav1.NamespaceDefault).Get(ctx, "default", metav1.GetOptions{})
		return err
	})
}

func (c *Cluster) start(specs ...process.Spec) error {
	for _, spec := range specs {
		name := strings.TrimRight(spec.Name, "-0123456789")
		spec.Args = append(slices.Clone(spec.Args), c.options.Args[name]...)
		if err := c.supervisor.Start(spec); err != nil {
			return err
		}
	}
	return nil
}

// waitAnswer returns when the URL on loopback answers 200.
func waitAnswer(ctx context.Context, url string) error {
	// The certificates are the components' own, made at their start: there is nothing to check them against.
	transport := &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}
	defer transport.CloseIdleConnections()
	client := &http.Client{Transport: transport, Timeout: 5 * time.Second}
	return poll(ctx, url+" to answer", func(ctx context.Context) error {
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
		if err != nil {
			return err
		}
		response, err := client.Do(request)
		if err != nil {
			return err
		}
		defer func() { _ = response.Body.Close() }()
		if response.StatusCode == http.StatusOK {
			return nil
		}
		text, _ := io.ReadAll(io.LimitReader(response.Body, 300))
		return fmt.Errorf("%s: %s", response.Status, strings.TrimSpace(string(text)))
	})
}

// poll tries until it works, and says at the end why it did not.
func poll(ctx context.Context, what string, try func(context.Context) error) error {
	var last error
	err := wait.PollUntilContextTimeout(ctx, readyPoll, readyTimeout, true, func(ctx context.Context) (bool, error) {
		if err := try(ctx); !errors.Is(err, context.DeadlineExceeded) {
			last = err // the error before the time was up tells more than the one because of it
		}
		return last == nil, nil
	})
	if err == nil {
		return nil
	}
	if last != nil {
		return fmt.Errorf("waiting for %s: %w (%w)", what, err, last)
	}
	return fmt.Errorf("waiting for %s: %w", what, err)
}
