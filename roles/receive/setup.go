package receive

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"
	ctrlmetrics "sigs.k8s.io/controller-runtime/pkg/metrics"

	"github.com/shoal-dev/shoal/agent/mtls"
	"github.com/shoal-dev/shoal/api/v1alpha1"
	"github.com/shoal-dev/shoal/reason"
	"github.com/shoal-dev/shoal/roles"
)

// leads is the value of the label shoal.dev/leads, which the Service selects.
const leads = "true"

// ServiceName is the Service of the endpoint, in the manager's namespace.
const ServiceName = "shoal-manager"

// Place is where the endpoint is.
type Place struct {
	// Address to listen on.
	Address string
	// Namespace and Pod are the process's own. Without a pod nothing is labelled: somebody else leads agents here.
	Namespace, Pod string
}

// Setup adds the endpoint to a manager. own is the manager's certificate.
func Setup(mgr ctrl.Manager, at Place, own func() (mtls.Own, error), ledger *roles.Ledger) error {
	recorder := mgr.GetEventRecorder(roles.FieldOwner)
	service := &corev1.Service{
		TypeMeta:   metav1.TypeMeta{APIVersion: "v1", Kind: "Service"},
		ObjectMeta: metav1.ObjectMeta{Namespace: at.Namespace, Name: ServiceName},
	}
	s, err := New(Options{
		Address: at.Address, Own: own, Accept: ledger.Accept, Now: time.Now,
		Tell: func(cause, text string) {
			recorder.Eventf(service, nil, corev1.EventTypeWarning, reason.RefuseReports.Name(), "Report", "%s", reason.RefuseReports.Because("%s: %s", cause, text))
		},
		Lead: func(ctx context.Context) error { return lead(ctx, mgr.GetCache(), mgr.GetClient(), at) },
	}, ctrlmetrics.Registry)
	if err != nil {
		return err
	}
	if err := mgr.Add(s); err != nil {
		return fmt.Errorf("adding the endpoint for agents: %w", err)
	}
	return nil
}

// New makes an endpoint.
func New(o Options, registry prometheus.Registerer) (*Server, error) {
	m, err := newMetrics(registry)
	if err != nil {
		return nil, fmt.Errorf("registering metrics of the endpoint for agents: %w", err)
	}
	return &Server{o: o, metrics: m, told: map[string]time.Time{}}, nil
}

// lead has the Service select this pod and no other, and writes nothing where the cache shows that it does. A pod that led before and
// runs on has nothing that listens: a report to it fails, and is sent again.
func lead(ctx context.Context, cache client.Reader, writer client.Client, at Place) error {
	if at.Pod == "" {
		return nil
	}
	name := types.NamespacedName{Namespace: at.Namespace, Name: at.Pod}
	var own corev1.Pod
	err := client.IgnoreNotFound(cache.Get(ctx, name, &own))
	if err == nil && own.Labels[v1alpha1.LabelLeads] != leads {
		err = label(ctx, writer, name, []byte(`{"metadata":{"labels":{"`+v1alpha1.LabelLeads+`":"`+leads+`"}}}`))
	}
	var before corev1.PodList
	if list := cache.List(ctx, &before, client.InNamespace(at.Namespace), client.HasLabels{v1alpha1.LabelLeads}); list != nil {
		err = errors.Join(err, fmt.Errorf("listing the managers: %w", list))
	}
	for _, pod := range before.Items {
		if pod.Name != at.Pod {
			one := label(ctx, writer, client.ObjectKeyFromObject(&pod), []byte(`{"metadata":{"labels":{"`+v1alpha1.LabelLeads+`":null}}}`))
			err = errors.Join(err, client.IgnoreNotFound(one))
		}
	}
	if err != nil {
		log.FromContext(ctx).Error(err, "Agents are not led here yet")
	}
	return err
}

func label(ctx context.Context, writer client.Client, pod types.NamespacedName, patch []byte) error {
	o := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: pod.Namespace, Name: pod.Name}}
	return writer.Patch(ctx, o, client.RawPatch(types.MergePatchType, patch))
}
