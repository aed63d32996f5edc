package dispersion

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/tools/cache"

	"github.com/shoal-dev/shoal/reason"
)

// A pod of another scheduler is deleted, and one of ours is made under its name. When the watch is interrupted in between, the informer
// reports one change of one pod. Upstream asks then whether the pod as it was is one of its own (updatePod in
// pkg/scheduler/eventhandlers.go, 1.37), and leaves the new one out: it is in no queue, and waits until its object changes. So its object
// is changed: it is told why it waits.

// tellingOverlooked has pods told that were left out.
func (p *Plugin) tellingOverlooked(ctx context.Context) cache.ResourceEventHandler {
	return cache.ResourceEventHandlerFuncs{UpdateFunc: func(o, n any) {
		before, ok1 := o.(*corev1.Pod)
		now, ok2 := n.(*corev1.Pod)
		if ok1 && ok2 && overlooked(before, now, p.handle.ProfileName()) {
			go p.tellOverlooked(ctx, now)
		}
	}}
}

// overlooked reports whether upstream leaves out a pod of this scheduler name.
func overlooked(before, now *corev1.Pod, scheduler string) bool {
	return before.UID != now.UID && before.Spec.NodeName == "" && now.Spec.NodeName == "" && now.DeletionTimestamp == nil &&
		before.Spec.SchedulerName != scheduler && now.Spec.SchedulerName == scheduler
}

// untilTold is how long to wait before the pod is told again, after the API server has refused or has not answered.
var untilTold = wait.Backoff{Duration: time.Second, Factor: 2, Cap: time.Minute, Steps: 1 << 10}

// tellOverlooked writes the pod's condition, until that has come to something: whatever else is written to the pod does as well.
func (p *Plugin) tellOverlooked(ctx context.Context, pod *corev1.Pod) {
	patch, err := json.Marshal(map[string]any{
		"metadata": map[string]any{"uid": pod.UID, "resourceVersion": pod.ResourceVersion},
		"status": map[string]any{"conditions": []corev1.PodCondition{{
			Type: corev1.PodScheduled, Status: corev1.ConditionFalse, Reason: corev1.PodReasonSchedulerError,
			Message: reason.Overlooked.Message(), LastTransitionTime: metav1.NewTime(p.now()),
		}}},
	})
	if err != nil {
		loggerOf(ctx).Error(err, "Telling a pod that it was overlooked", "pod", pod.Name)
		return
	}
	delay := untilTold
	for ctx.Err() == nil {
		_, err := p.handle.ClientSet().CoreV1().Pods(pod.Namespace).Patch(ctx, pod.Name, types.StrategicMergePatchType, patch, metav1.PatchOptions{}, "status")
		if err == nil || apierrors.IsNotFound(err) || apierrors.IsConflict(err) {
			return
		}
		loggerOf(ctx).Error(fmt.Errorf("telling pod %s/%s that it was overlooked, to have it tried: %w", pod.Namespace, pod.Name, err), "It will be told again")
		select {
		case <-ctx.Done():
		case <-time.After(delay.Step()):
		}
	}
}
