package apiserver

import (
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"
	schedulingv1 "k8s.io/api/scheduling/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apiserver/pkg/admission"
	utilfeature "k8s.io/apiserver/pkg/util/feature"
	"k8s.io/kubernetes/pkg/apis/core"
	scheduling "k8s.io/kubernetes/pkg/apis/scheduling/v1"
	volumehelpers "k8s.io/kubernetes/pkg/volume/util"
	"k8s.io/kubernetes/plugin/pkg/admission/defaulttolerationseconds"
	"k8s.io/utils/ptr"
)

// admit changes a new object as the admission plugins of the API server do before its strategy. Left out: the volume with a
// token that ServiceAccount adds to pods, and PriorityClasses beside those of the system.
func (c call) admit(object runtime.Object) error {
	switch o := object.(type) {
	case *core.Pod:
		return c.admitPod(o)
	case *core.Node: // TaintNodesByCondition: nobody has seen it Ready yet
		notReady := core.Taint{Key: corev1.TaintNodeNotReady, Effect: core.TaintEffectNoSchedule}
		if !slices.ContainsFunc(o.Spec.Taints, func(t core.Taint) bool { return t.Key == notReady.Key && t.Effect == notReady.Effect }) {
			o.Spec.Taints = append(o.Spec.Taints, notReady)
		}
	case *core.Service:
		if o.Spec.ClusterIP == core.ClusterIPNone && len(o.Spec.ClusterIPs) == 0 { // its registry would allocate them
			o.Spec.ClusterIPs = []string{core.ClusterIPNone}
			o.Spec.IPFamilyPolicy, o.Spec.IPFamilies = ptr.To(core.IPFamilyPolicySingleStack), []core.IPFamily{core.IPv4Protocol}
			if len(o.Spec.Selector) == 0 { // somebody else writes its endpoints, of whichever family
				o.Spec.IPFamilyPolicy, o.Spec.IPFamilies = ptr.To(core.IPFamilyPolicyRequireDualStack), append(o.Spec.IPFamilies, core.IPv6Protocol)
			}
		}
	case *core.PersistentVolumeClaim: // StorageObjectInUseProtection
		o.Finalizers = with(o.Finalizers, volumehelpers.PVCProtectionFinalizer)
	case *core.PersistentVolume:
		o.Finalizers = with(o.Finalizers, volumehelpers.PVProtectionFinalizer)
	}
	return nil
}

func with(finalizers []string, one string) []string {
	if slices.Contains(finalizers, one) {
		return finalizers
	}
	return append(finalizers, one)
}

// admitPod is DefaultTolerationSeconds, ServiceAccount and Priority.
func (c call) admitPod(pod *core.Pod) error {
	a := admission.NewAttributesRecord(pod, nil, c.as, c.key.Namespace, c.key.Name, c.name, "", admission.Create, nil, false, c.user)
	plugin := defaulttolerationseconds.NewDefaultTolerationSeconds()
	plugin.InspectFeatureGates(utilfeature.DefaultFeatureGate)
	if err := plugin.Admit(c.ctx, a, interfaces()); err != nil {
		return err
	}
	if pod.Spec.ServiceAccountName == "" {
		pod.Spec.ServiceAccountName, pod.Spec.DeprecatedServiceAccount = "default", "default" //nolint:staticcheck // it must agree
	}
	priority := int32(0)
	if name := pod.Spec.PriorityClassName; name != "" {
		classes := scheduling.SystemPriorityClasses()
		n := slices.IndexFunc(classes, func(p *schedulingv1.PriorityClass) bool { return p.Name == name })
		if n < 0 {
			return admission.NewForbidden(a, fmt.Errorf("no PriorityClass with name %v was found", name))
		}
		priority = classes[n].Value
	}
	if p := pod.Spec.Priority; p != nil && *p != priority {
		return admission.NewForbidden(a, fmt.Errorf("the integer value of priority (%d) must not be provided in pod spec; "+
			"priority admission controller computed %d from the given PriorityClass name", *p, priority))
	}
	pod.Spec.Priority, pod.Spec.PreemptionPolicy = &priority, ptr.To(core.PreemptLowerPriority)
	return nil
}
