package playground

import (
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/wait"
	nodefast "sigs.k8s.io/kwok/kustomize/stage/node/fast"
	nodeheartbeat "sigs.k8s.io/kwok/kustomize/stage/node/heartbeat-with-lease"
	podfast "sigs.k8s.io/kwok/kustomize/stage/pod/fast"

	"github.com/shoal-dev/shoal/playground/process"
)

// kwok plays the kubelets of all nodes with this label. The value says in what state the kubelet is: "running", or the
// Fault that stopped it.
//
// It has to be a label: kwok filters by label on the server, so that a node that loses it is deleted for kwok, which then
// lets go of its lease and its pods. By annotation it filters itself and only ignores what comes later: it would go on
// with the lease and the pods for ever (pkg/utils/informer and pkg/kwok/controllers of kwok v0.8.0).
const (
	KubeletLabel   = "playground.shoal.dev/kubelet"
	kubeletRunning = "running"
)

const (
	// leaseRenewals is how many heartbeats fit into the grace of a node: two may be late or lost.
	leaseRenewals = 3
	// leaseParts is what kwok divides a lease's duration by to get the time between two renewals.
	leaseParts = 4
)

//go:embed kwok.yaml
var kwokConfig string

// simulatorConfig is kwok's own stages with ours: how nodes and pods come up, stay, and end.
func simulatorConfig() ([]byte, error) {
	documents := []string{
		kwokConfig,
		nodefast.DefaultNodeInit, nodeheartbeat.DefaultNodeHeartbeatWithLease,
		podfast.DefaultPodReady, podfast.DefaultPodComplete, podfast.DefaultPodDelete,
	}
	for i := range documents {
		if strings.TrimSpace(documents[i]) == "" {
			return nil, errors.New("assembling the configuration of kwok: a stage is empty")
		}
	}
	return []byte(strings.Join(documents, "\n---\n")), nil
}

func (c *Cluster) simulatorSpec() process.Spec {
	lease := c.options.NodeGrace * leaseParts / leaseRenewals
	return process.Spec{Name: simulator, Path: c.options.binary(simulator), Port: c.ports.simulator, Args: []string{
		"--kubeconfig=" + c.layout.component(simulator),
		"--config=" + c.layout.path("config", "kwok.yaml"),
		"--manage-all-nodes=false",
		"--manage-nodes-with-label-selector=" + KubeletLabel + "=" + kubeletRunning,
		"--node-lease-duration-seconds=" + strconv.Itoa(int(lease/time.Second)),
		"--cidr=10.0.0.1/8",
		"--node-ip=10.0.0.1",
		"--server-address=" + loopback(c.ports.simulator),
		"--v=WARN", // at its default it tells of every heartbeat
	}}
}

// simulated lists the nodes that kwok plays right now.
func (c *Cluster) simulated(ctx context.Context) ([]string, error) {
	// kwok's discovery for Prometheus has one target for each node that it manages, from the very table by which it
	// decides whether a pod concerns it. The metric "nodes" in kwok.yaml is there for this answer only.
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+c.state.Simulator+"/discovery/prometheus", nil)
	if err != nil {
		return nil, fmt.Errorf("asking kwok for its nodes: %w", err)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return nil, fmt.Errorf("asking kwok for its nodes: %w", err)
	}
	defer func() { _ = response.Body.Close() }()
	var targets []struct {
		Labels map[string]string `json:"labels"`
	}
	if err := json.NewDecoder(response.Body).Decode(&targets); err != nil {
		return nil, fmt.Errorf("asking kwok for its nodes: %w", err)
	}
	names := make([]string, 0, len(targets))
	for _, target := range targets {
		names = append(names, path.Base(target.Labels["__metrics_path__"]))
	}
	return names, nil
}

// warmUp runs one pod on the node and removes it. kwok makes its pool of pod addresses when the first pod comes, without
// a lock: of a first burst, two pods would get the same address from two pools.
func (c *Cluster) warmUp(ctx context.Context, node string) error {
	pods := c.client.CoreV1().Pods(systemNamespace)
	pod := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: "warm-up"},
		Spec: corev1.PodSpec{
			NodeName: node, ServiceAccountName: provisioner,
			Containers: []corev1.Container{{Name: "nothing", Image: "nothing"}},
		},
	}
	if _, err := pods.Create(ctx, pod, metav1.CreateOptions{}); err != nil {
		return fmt.Errorf("creating the first pod: %w", err)
	}
	err := poll(ctx, "the first pod to run", func(ctx context.Context) error {
		pod, err := pods.Get(ctx, pod.Name, metav1.GetOptions{})
		if err == nil && pod.Status.Phase != corev1.PodRunning {
			err = fmt.Errorf("it is %s", pod.Status.Phase)
		}
		return err
	})
	if err != nil {
		return err
	}
	if err := pods.Delete(ctx, pod.Name, *metav1.NewDeleteOptions(0)); err != nil {
		return fmt.Errorf("deleting the first pod: %w", err)
	}
	return nil
}

// waitLetGo returns when kwok has let go of the node: whatever happens to its pods from now on, kwok does not see it.
func (c *Cluster) waitLetGo(ctx context.Context, node string) error {
	err := wait.PollUntilContextTimeout(ctx, 20*time.Millisecond, time.Minute, true, func(ctx context.Context) (bool, error) {
		names, err := c.simulated(ctx)
		return err == nil && !slices.Contains(names, node), nil
	})
	if err != nil {
		return fmt.Errorf("waiting for kwok to let go of %s: %w", node, err)
	}
	return nil
}
