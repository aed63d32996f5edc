// Package localvolume provisions volumes that belong to one node, as disks in a machine do.
//
// It decides from the node that the scheduler selected for the claim, and from nothing else: the volume is pinned to that
// node's hostname. On a simulated node nothing is behind a volume, since nothing that runs there writes: deleting it is
// only forgetting, and works always. On a real node there is a directory of the node's disk, and deleting waits until the
// node can remove the data. A node that has failed provisions nothing, as the provisioner of a real local disk runs on that
// node.
package localvolume

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"path/filepath"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	corelisters "k8s.io/client-go/listers/core/v1"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/util/workqueue"
	"sigs.k8s.io/sig-storage-lib-external-provisioner/v13/controller"
)

// Options of a provisioner.
type Options struct {
	Name          string // in StorageClass.provisioner
	Dir           string // below which the volumes' paths are; nothing is made there
	Address       string // where /readyz answers
	Real          RealNodes
	FailedLabel   string // a simulated node whose label of this key has another value than HealthyValue has failed
	HealthyValue  string
	ResyncPeriod  time.Duration
	ParallelCalls int
}

// RealNodes are those on which something runs, and writes.
type RealNodes struct {
	Label  string                                               // that they have
	Path   func(volume string) string                           // of a volume, on its node
	Make   func(ctx context.Context, node, volume string) error // the directory
	Remove func(ctx context.Context, node, volume string) error // the directory and the data
}

type provisioner struct {
	client  kubernetes.Interface
	nodes   corelisters.NodeLister
	options Options
}

// Run provisions until ctx ends.
func Run(ctx context.Context, config *rest.Config, options Options) error {
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return fmt.Errorf("making a client: %w", err)
	}
	factory := informers.NewSharedInformerFactory(client, options.ResyncPeriod)
	p := &provisioner{client: client, nodes: factory.Core().V1().Nodes().Lister(), options: options}
	claims := factory.Core().V1().PersistentVolumeClaims().Informer()
	volumes := factory.Core().V1().PersistentVolumes().Informer()
	classes := factory.Storage().V1().StorageClasses().Informer()
	c := controller.NewProvisionController(ctx, client, options.Name, p,
		controller.LeaderElection(false),
		controller.Threadiness(options.ParallelCalls),
		// A claim that failed is tried again within seconds: its node may have recovered. The library's default begins at
		// 15 s, and lets 10 claims a second through.
		controller.RateLimiter(workqueue.NewTypedItemExponentialFailureRateLimiter[string](500*time.Millisecond, 5*time.Second)),
		controller.FailedProvisionThreshold(0),
		controller.ClaimsInformer(claims),
		controller.VolumesInformer(volumes),
		controller.ClassesInformer(classes),
	)
	server := &http.Server{
		Addr: options.Address, ReadHeaderTimeout: 5 * time.Second,
		Handler: readiness(c, claims.HasSynced, volumes.HasSynced, classes.HasSynced),
	}
	served := make(chan error, 1)
	go func() { served <- server.ListenAndServe() }()
	factory.Start(ctx.Done())
	factory.WaitForCacheSync(ctx.Done())
	ran := make(chan struct{})
	go func() { defer close(ran); c.Run(ctx) }()
	select {
	case err := <-served:
		return fmt.Errorf("serving %s: %w", options.Address, err)
	case <-ran:
		return server.Close()
	}
}

func readiness(c *controller.ProvisionController, synced ...func() bool) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("/readyz", func(w http.ResponseWriter, _ *http.Request) {
		for _, done := range synced {
			if !done() {
				http.Error(w, "the caches are not filled", http.StatusServiceUnavailable)
				return
			}
		}
		if !c.HasRun() {
			http.Error(w, "the workers have not started", http.StatusServiceUnavailable)
		}
	})
	return mux
}

// Provision makes the volume of one claim.
func (p *provisioner) Provision(ctx context.Context, options controller.ProvisionOptions) (*corev1.PersistentVolume, controller.ProvisioningState, error) {
	if options.SelectedNodeName == "" {
		return nil, controller.ProvisioningFinished, errors.New("no node is selected: the class needs volumeBindingMode WaitForFirstConsumer")
	}
	node, err := p.node(ctx, options.SelectedNodeName)
	if apierrors.IsNotFound(err) {
		// No data is lost with a volume that never was: let the scheduler choose again.
		return nil, controller.ProvisioningReschedule, fmt.Errorf("node %s does not exist", options.SelectedNodeName)
	}
	if err != nil {
		return nil, controller.ProvisioningFinished, fmt.Errorf("getting node %s: %w", options.SelectedNodeName, err)
	}
	if _, real := node.Labels[p.options.Real.Label]; real {
		return p.provisionReal(ctx, options, node)
	}
	if node.Labels[p.options.FailedLabel] != p.options.HealthyValue {
		return nil, controller.ProvisioningFinished, fmt.Errorf("node %s does not answer", node.Name)
	}
	hostname := node.Labels[corev1.LabelHostname]
	return p.volume(options, hostname, filepath.Join(p.options.Dir, hostname, options.PVName)), controller.ProvisioningFinished, nil
}

// provisionReal makes the directory before the volume: a pod may be started as soon as the volume is there.
func (p *provisioner) provisionReal(ctx context.Context, options controller.ProvisionOptions, node *corev1.Node) (*corev1.PersistentVolume, controller.ProvisioningState, error) {
	if !isReady(node) {
		return nil, controller.ProvisioningFinished, fmt.Errorf("node %s does not answer", node.Name)
	}
	if err := p.options.Real.Make(ctx, node.Name, options.PVName); err != nil {
		return nil, controller.ProvisioningFinished, fmt.Errorf("making the volume on node %s: %w", node.Name, err)
	}
	return p.volume(options, node.Labels[corev1.LabelHostname], p.options.Real.Path(options.PVName)), controller.ProvisioningFinished, nil
}

func isReady(node *corev1.Node) bool {
	return slices.ContainsFunc(node.Status.Conditions, func(c corev1.NodeCondition) bool {
		return c.Type == corev1.NodeReady && c.Status == corev1.ConditionTrue
	})
}

func (p *provisioner) node(ctx context.Context, name string) (*corev1.Node, error) {
	node, err := p.nodes.Get(name)
	if apierrors.IsNotFound(err) { // or not seen yet
		return p.client.CoreV1().Nodes().Get(ctx, name, metav1.GetOptions{})
	}
	return node, err
}

func (p *provisioner) volume(options controller.ProvisionOptions, hostname, path string) *corev1.PersistentVolume {
	claim, class := options.PVC, options.StorageClass
	reclaim := corev1.PersistentVolumeReclaimDelete
	if class.ReclaimPolicy != nil {
		reclaim = *class.ReclaimPolicy
	}
	return &corev1.PersistentVolume{
		ObjectMeta: metav1.ObjectMeta{Name: options.PVName},
		Spec: corev1.PersistentVolumeSpec{
			PersistentVolumeReclaimPolicy: reclaim,
			AccessModes:                   claim.Spec.AccessModes,
			VolumeMode:                    claim.Spec.VolumeMode,
			MountOptions:                  class.MountOptions,
			Capacity:                      corev1.ResourceList{corev1.ResourceStorage: claim.Spec.Resources.Requests[corev1.ResourceStorage]},
			PersistentVolumeSource: corev1.PersistentVolumeSource{
				Local: &corev1.LocalVolumeSource{Path: path},
			},
			NodeAffinity: &corev1.VolumeNodeAffinity{Required: &corev1.NodeSelector{
				NodeSelectorTerms: []corev1.NodeSelectorTerm{{MatchExpressions: []corev1.NodeSelectorRequirement{{
					Key: corev1.LabelHostname, Operator: corev1.NodeSelectorOpIn, Values: []string{hostname},
				}}}},
			}},
		},
	}
}

// Delete removes the data of a volume on a real node, if the node is on; otherwise the library tries again. On a simulated
// node there is none. The library removes the PersistentVolume afterwards.
func (p *provisioner) Delete(ctx context.Context, volume *corev1.PersistentVolume) error {
	if volume.Spec.Local == nil || p.options.Real.Path == nil || volume.Spec.Local.Path != p.options.Real.Path(volume.Name) {
		return nil
	}
	node := nodeOf(volume)
	if err := p.options.Real.Remove(ctx, node, volume.Name); err != nil {
		return fmt.Errorf("removing the data on node %s: %w", node, err)
	}
	return nil
}

// nodeOf reads the node from what volume wrote.
func nodeOf(volume *corev1.PersistentVolume) string {
	return volume.Spec.NodeAffinity.Required.NodeSelectorTerms[0].MatchExpressions[0].Values[0]
}
