package playground

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/yaml"

	"github.com/shoal-dev/shoal/playground/process"
)

// What of manifests/install is known here: the names that a user meets too.
const (
	// Namespace is where Shoal is installed.
	Namespace = "shoal-system"

	schedulerConfigMap = "shoal-scheduler-config"
	schedulerConfigKey = "scheduler-config.yaml"
)

// installShoal applies the manifests with the command that the README tells users to run, and waits until the API server
// serves Shoal's kinds.
func (c *Cluster) installShoal(ctx context.Context) error {
	if err := c.kubectl(ctx, "apply", "--server-side", "-k", c.options.manifests()); err != nil {
		return fmt.Errorf("installing Shoal: %w", err)
	}
	if err := c.kubectl(ctx, "wait", "--for=condition=Established", "--timeout=60s", "crd", "--all"); err != nil {
		return fmt.Errorf("waiting for the kinds of Shoal: %w", err)
	}
	if c.options.inCluster() {
		return c.waitDeployments(ctx)
	}
	return c.scaleToZero(ctx)
}

// scaleToZero stops the Deployments among the manifests. Their pods would look alive on nodes on which nothing runs;
// here their programs run as processes.
func (c *Cluster) scaleToZero(ctx context.Context) error {
	deployments := c.client.AppsV1().Deployments(Namespace)
	list, err := deployments.List(ctx, metav1.ListOptions{})
	if err != nil {
		return fmt.Errorf("listing the Deployments of %s: %w", Namespace, err)
	}
	for _, deployment := range list.Items {
		if *deployment.Spec.Replicas == 0 {
			continue
		}
		patch := []byte(`{"spec":{"replicas":0}}`)
		if _, err := deployments.Patch(ctx, deployment.Name, types.MergePatchType, patch, metav1.PatchOptions{}); err != nil {
			return fmt.Errorf("scaling the Deployment %s to zero: %w", deployment.Name, err)
		}
	}
	return nil
}

// kubectl runs the cluster's kubectl as the administrator. Its error is kubectl's own words.
func (c *Cluster) kubectl(ctx context.Context, args ...string) error {
	_, err := c.kubectlOutput(ctx, args...)
	return err
}

// kubectlOutput returns what kubectl prints; its error has what it says beside that.
func (c *Cluster) kubectlOutput(ctx context.Context, args ...string) (string, error) {
	var out, said bytes.Buffer
	command := exec.CommandContext(ctx, c.options.binary(kubectl), append([]string{"--kubeconfig=" + c.Kubeconfig()}, args...)...)
	command.Stdout, command.Stderr = &out, &said
	if err := command.Run(); err != nil {
		return "", fmt.Errorf("kubectl %s: %w: %s", strings.Join(args, " "), err, strings.TrimSpace(out.String()+said.String()))
	}
	return strings.TrimSpace(out.String()), nil
}

// Shell runs a shell command in a pod on a real node, and returns what it prints.
func (c *Cluster) Shell(ctx context.Context, namespace, pod, script string) (string, error) {
	return c.kubectlOutput(ctx, "exec", "--namespace="+namespace, pod, "--", "sh", "-c", script)
}

// startShoal starts Shoal's processes under the ServiceAccounts of the manifests, and returns when all of them answer.
func (c *Cluster) startShoal(ctx context.Context) error {
	var answers []string
	for i := range c.options.Schedulers {
		url, err := c.startScheduler(ctx, i)
		if err != nil {
			return err
		}
		answers = append(answers, url)
	}
	for i := range c.options.Managers {
		url, err := c.startManager(ctx, i)
		if err != nil {
			return err
		}
		answers = append(answers, url)
	}
	for _, url := range answers {
		if err := waitAnswer(ctx, url); err != nil {
			return err
		}
	}
	return nil
}

func (c *Cluster) startScheduler(ctx context.Context, i int) (string, error) {
	if err := c.writeAccountKubeconfig(ctx, Namespace, shoalScheduler, shoalScheduler); err != nil {
		return "", err
	}
	config, err := c.writeSchedulerConfig(ctx)
	if err != nil {
		return "", err
	}
	port, kubeconfig := c.ports.schedulers[i], c.layout.component(shoalScheduler)
	return "https://" + loopback(port) + "/healthz", c.start(process.Spec{
		Name: shoalScheduler + "-" + strconv.Itoa(i), Path: c.options.binary(shoalScheduler), Port: port, Restart: true,
		Args: []string{
			"--config=" + config,
			"--authentication-kubeconfig=" + kubeconfig, "--authorization-kubeconfig=" + kubeconfig,
			"--bind-address=127.0.0.1", "--secure-port=" + strconv.Itoa(port), "--cert-dir=" + c.layout.path("certs"),
		},
	})
}

// writeSchedulerConfig copies the configuration that is installed, with the one difference that its process is not in a
// pod: kube-scheduler ignores --kubeconfig beside --config.
func (c *Cluster) writeSchedulerConfig(ctx context.Context) (string, error) {
	shipped, err := c.client.CoreV1().ConfigMaps(Namespace).Get(ctx, schedulerConfigMap, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return "", fmt.Errorf("the manifests have no ConfigMap %s/%s", Namespace, schedulerConfigMap)
	}
	if err != nil {
		return "", fmt.Errorf("reading the scheduler's configuration: %w", err)
	}
	text, err := withKubeconfig(shipped.Data[schedulerConfigKey], c.layout.component(shoalScheduler))
	if err != nil {
		return "", fmt.Errorf("reading %s of ConfigMap %s/%s: %w", schedulerConfigKey, Namespace, schedulerConfigMap, err)
	}
	path := c.layout.path("config", schedulerConfigKey)
	if err := os.WriteFile(path, text, 0o600); err != nil {
		return "", fmt.Errorf("writing the scheduler's configuration: %w", err)
	}
	return path, nil
}

func withKubeconfig(config, kubeconfig string) ([]byte, error) {
	fields := map[string]any{}
	if err := yaml.Unmarshal([]byte(config), &fields); err != nil {
		return nil, err
	}
	if len(fields) == 0 {
		return nil, errors.New("it is empty")
	}
	connection, _ := fields["clientConnection"].(map[string]any)
	if connection == nil {
		connection = map[string]any{}
	}
	connection["kubeconfig"] = kubeconfig
	fields["clientConnection"] = connection
	return yaml.Marshal(fields)
}

func (c *Cluster) startManager(ctx context.Context, i int) (string, error) {
	if err := c.writeAccountKubeconfig(ctx, Namespace, shoalManager, shoalManager); err != nil {
		return "", err
	}
	metrics, health := c.ports.managers[i], c.ports.managerHealth[i]
	return "http://" + loopback(health) + "/readyz", c.start(process.Spec{
		Name: shoalManager + "-" + strconv.Itoa(i), Path: c.options.binary(shoalManager), Port: metrics, Restart: true,
		Args: []string{
			"--kubeconfig=" + c.layout.component(shoalManager),
			"--metrics-bind-address=" + loopback(metrics),
			"--health-probe-bind-address=" + loopback(health),
			"--leader-election-namespace=" + Namespace,
		},
	})
}
