// Package localvolume provisions volumes that belong to one node, as disks in a machine do.
//
// It decides from the node that the scheduler selected for the claim, and from nothing else: the volume is pinned to that
// node's hostname. Nothing is behind a volume, since nothing that runs on a simulated node writes. A node that has failed
// provisions nothing, as the provisioner of a real local disk runs on that node; deleting is only forgetting, and works
// always.
package localvolume

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"path/filepath"
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
	FailedLabel   string // a node whose label of this key has another value than HealthyValue has failed
	HealthyValue  string
	ResyncPeriod  time.Duration
	ParallelCalls int
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
	if node.Labels[p.options.FailedLabel] != p.options.HealthyValue {
		return nil, controller.ProvisioningFinished, fmt.Errorf("node %s does not answer", node.Name)
	}
	return p.volume(options, node.Labels[corev1.LabelHostname]), controller.ProvisioningFinished, nil
}

func (p *provisioner) node(ctx context.Context, name string) (*corev1.Node, error) {
	node, err := p.nodes.Get(name)
	if apierrors.IsNotFound(err) { // or not seen yet
		return p.client.CoreV1().Nodes().Get(ctx, name, metav1.GetOptions{})
	}
	return node, err
}

func (p *provisioner) volume(options controller.ProvisionOptions, hostname string) *corev1.PersistentVolume {
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
				Local: &corev1.LocalVolumeSource{Path: filepath.Join(p.options.Dir, hostname, options.PVName)},
			},
			NodeAffinity: &corev1.VolumeNodeAffinity{Required: &corev1.NodeSelector{
				NodeSelectorTerms: []corev1.NodeSelectorTerm{{MatchExpressions: []corev1.NodeSelectorRequirement{{
					Key: corev1.LabelHostname, Operator: corev1.NodeSelectorOpIn, Values: []string{hostname},
				}}}},
			}},
		},
	}
}

// Delete has nothing to delete: the library removes the PersistentVolume afterwards.
func (p *provisioner) Delete(context.Context, *corev1.PersistentVolume) error { return nil }
