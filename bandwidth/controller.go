package bandwidth

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	apiequality "k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/api/resource"
	applycorev1 "k8s.io/client-go/applyconfigurations/core/v1"
	"k8s.io/client-go/tools/events"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/controller-runtime/pkg/predicate"

	"github.com/shoal-dev/shoal/reason"
)

// fieldOwner owns the two resources, and nothing else, by server-side apply: what it does not name any more goes, and what
// somebody else advertises stays.
const fieldOwner = "shoal-bandwidth"

// Options of the controller.
type Options struct {
	// Rules by label; the first that matches a node holds.
	Rules []Rule
	// HeadroomPercent is kept back from what nodes advertise, for rebuilds: from 0 to MaxHeadroomPercent.
	HeadroomPercent int
}

type reconciler struct {
	client   client.Client
	recorder events.EventRecorder
	asks     Options
}

// Setup adds the controller to the manager.
func Setup(mgr ctrl.Manager, o Options) error {
	r := &reconciler{client: mgr.GetClient(), recorder: mgr.GetEventRecorder("shoal-bandwidth"), asks: o}
	return ctrl.NewControllerManagedBy(mgr).Named("bandwidth").For(&corev1.Node{}, builder.WithPredicates(matters())).Complete(r)
}

// Reconcile makes one Node advertise what it has to.
func (r *reconciler) Reconcile(ctx context.Context, request ctrl.Request) (ctrl.Result, error) {
	node := &corev1.Node{}
	if err := r.client.Get(ctx, request.NamespacedName, node); err != nil {
		return ctrl.Result{}, client.IgnoreNotFound(err)
	}
	amounts, mistake := wanted(node, r.asks.Rules, r.asks.HeadroomPercent)
	if mistake != nil {
		r.recorder.Eventf(node, nil, corev1.EventTypeWarning, reason.BandwidthInvalid.Name(), "Advertising", "%s", reason.BandwidthInvalid.Because("%s", mistake))
	}
	if advertises(node, amounts) {
		return ctrl.Result{}, nil
	}
	list := corev1.ResourceList{}
	for name, n := range amounts {
		list[name] = *resource.NewQuantity(n, resource.DecimalSI)
	}
	status := applycorev1.NodeStatus().WithCapacity(list).WithAllocatable(list)
	apply := applycorev1.Node(node.Name).WithStatus(status)
	if err := r.client.Status().Apply(ctx, apply, client.FieldOwner(fieldOwner), client.ForceOwnership); err != nil {
		return ctrl.Result{}, client.IgnoreNotFound(fmt.Errorf("advertising the bandwidth of %s: %w", node.Name, err))
	}
	log.FromContext(ctx).V(2).Info("Advertised bandwidth", "node", node.Name, "mbps", amounts)
	return ctrl.Result{}, nil
}

// matters passes over heartbeats: a kubelet writes the status of its Node every few minutes, and thousands of them do.
func matters() predicate.Predicate {
	return predicate.Funcs{
		UpdateFunc: func(e event.UpdateEvent) bool {
			before, ok := e.ObjectOld.(*corev1.Node)
			if !ok {
				return true
			}
			after, ok := e.ObjectNew.(*corev1.Node)
			return !ok || !apiequality.Semantic.DeepEqual(inputs(before), inputs(after))
		},
		DeleteFunc: func(event.DeleteEvent) bool { return false },
	}
}

// inputs is everything of a Node that decides about it.
func inputs(node *corev1.Node) []any {
	all := []any{node.Labels}
	for _, name := range resources {
		text, annotated := node.Annotations[string(name)]
		capacity, has := node.Status.Capacity[name]
		allocatable, may := node.Status.Allocatable[name]
		all = append(all, text, annotated, capacity, has, allocatable, may)
	}
	return all
}
