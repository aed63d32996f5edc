package answer

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/shoal-dev/shoal/api/v1alpha1"
	"github.com/shoal-dev/shoal/reason"
)

// Wait is something that is waited for.
type Wait struct {
	// Code of the catalogue, "" where Kubernetes alone has a word for it.
	Code string `json:"code,omitempty"`
	Text string `json:"text"`
	// Advice is what to do, Page where to read more.
	Advice string `json:"advice,omitempty"`
	Page   string `json:"page,omitempty"`
}

// String is the text with the code.
func (w Wait) String() string {
	if w.Code == "" || strings.Contains(w.Text, w.Code) {
		return w.Text
	}
	return w.Text + " (" + w.Code + ")"
}

func waitFor(code reason.Code, text string) Wait {
	return Wait{Code: code.String(), Text: text, Advice: code.Entry().Advice, Page: pages + code.String() + ".md"}
}

// waitFrom is a wait with the code that stands in a message of the manager or the scheduler, which ends with it.
func waitFrom(message string) Wait {
	found := catalogued.FindStringSubmatch(message)
	if found == nil {
		return Wait{Text: message}
	}
	n, _ := strconv.Atoi(found[1]) // four digits
	return waitFor(reason.Code(n), strings.TrimSuffix(message, " ("+reason.Code(n).String()+")"))
}

var catalogued = regexp.MustCompile(`SHOAL([0-9]{4})\)?$`)

// waitsOfSet are what no shard and no instance waits for alone: the manager, and what the manager waits for.
func waitsOfSet(set *v1alpha1.InstanceSet) []Wait {
	waits := waitsOfUnseen(set)
	if hindrance := hindered(set); hindrance != nil {
		waits = append(waits, waitFrom(hindrance.Message))
	}
	return waits
}

// waitsOfUnseen say that the manager has not seen the set as it is.
func waitsOfUnseen(set *v1alpha1.InstanceSet) []Wait {
	waits := []Wait{}
	switch seen := set.Status.ObservedGeneration; {
	case seen == 0:
		waits = append(waits, Wait{Text: "the manager has not looked at the set yet: kubectl shoal check says whether it runs"})
	case seen < set.Generation:
		waits = append(waits, Wait{Text: fmt.Sprintf("the manager has not seen generation %d yet: its conditions are about %d", set.Generation, seen)})
	}
	return waits
}

// hindered is the condition that says why nothing is created or removed any more, nil when nothing hinders that.
func hindered(set *v1alpha1.InstanceSet) *metav1.Condition {
	progressing := meta.FindStatusCondition(set.Status.Conditions, v1alpha1.ConditionProgressing)
	if progressing == nil || progressing.Reason == reason.Working.Name() || progressing.Reason == reason.Settled.Name() {
		return nil
	}
	return progressing
}

// waitsOfShard are what the shard as a whole waits for: its master, and who is to follow it.
func waitsOfShard(set *v1alpha1.InstanceSet, shard *ShardStatus) []Wait {
	waits := []Wait{}
	if len(set.Spec.Roles) == 0 {
		return waits
	}
	isMaster := func(i InstanceStatus) bool { return i.Role == string(v1alpha1.RoleMaster) }
	needed := slices.ContainsFunc(shard.Instances, func(i InstanceStatus) bool { return i.State != InstanceLeaving && i.State != InstanceOffline })
	if !slices.ContainsFunc(shard.Instances, isMaster) && needed {
		wait, told := saidOf(set, v1alpha1.ConditionNoMaster, shard.Shard)
		if !told {
			wait = Wait{Text: "none of its instances has the label master"}
		}
		waits = append(waits, wait)
	}
	if wait, told := saidOf(set, v1alpha1.ConditionTwoMasters, shard.Shard); told {
		waits = append(waits, wait)
	}
	return append(waits, waitsForSync(set, shard.Shard)...)
}

// saidOf is what a condition about shards says of one of them: it names the first three.
func saidOf(set *v1alpha1.InstanceSet, kind, shard string) (Wait, bool) {
	c := meta.FindStatusCondition(set.Status.Conditions, kind)
	if c == nil || !badCondition(*c) {
		return Wait{}, false
	}
	found := regexp.MustCompile(`(?:shards: |; )` + regexp.QuoteMeta(shard) + `: (.*?\(SHOAL[0-9]{4}\))`).FindStringSubmatch(c.Message)
	if found == nil {
		return Wait{}, false
	}
	return waitFrom(found[1]), true
}

// waits are what an instance waits for. The manager's word counts, unless the pod has moved on since; where it has none, as it has for no more
// than 50 instances, the pod says it.
func (o *observer) waits(ordinal int32, i *InstanceStatus, pod *corev1.Pod) []Wait {
	e, excepted := o.excepted[ordinal]
	code := reason.Code(0)
	if n, err := strconv.Atoi(strings.TrimPrefix(e.Reason, "SHOAL")); err == nil {
		code = reason.Code(n)
	}
	switch {
	case excepted && code == reason.InstanceNotReady && i.State == InstanceNotReady:
		return []Wait{waitFor(code, withContainer(e.Message, pod))}
	case excepted && code != reason.InstanceNotReady && code != reason.Unschedulable:
		return []Wait{waitFor(code, e.Message)}
	case pod != nil && pod.Labels[v1alpha1.LabelLost] != "":
		return []Wait{waitFor(reason.Rebuilding, "it gave up its data on a lost node, and is being replaced")}
	}
	switch i.State {
	case InstanceNoPod:
		if hindrance := hindered(o.set); hindrance != nil {
			return []Wait{waitFrom(hindrance.Message)}
		}
		return []Wait{waitFor(reason.CreateInstance, "it has no pod yet")}
	case InstanceGoing:
		return []Wait{{Text: "its pod is being deleted"}}
	case InstanceEnded:
		return []Wait{waitFor(reason.ReplaceTerminal, reason.ReplaceTerminal.Text())}
	case InstanceNoNode:
		return []Wait{unplaced(pod)}
	case InstanceNotReady:
		return []Wait{waitFor(reason.InstanceNotReady, withContainer(reason.InstanceNotReady.Text(), pod))}
	}
	return []Wait{}
}

// unplaced is what the scheduler says to a pod.
func unplaced(pod *corev1.Pod) Wait {
	wait := waitFor(reason.Unschedulable, "the scheduler has not said anything about it yet")
	for _, c := range pod.Status.Conditions {
		if c.Type == corev1.PodScheduled && c.Status == corev1.ConditionFalse && c.Message != "" {
			wait.Text = c.Message
		}
	}
	wait.Advice = "Ask which rules refuse which nodes, and what would help: kubectl shoal explain pod " + pod.Name + " -n " + pod.Namespace
	return wait
}

// initializing is the kubelet's word for a container whose turn has not come.
const initializing = "PodInitializing"

// withContainer adds which container of a pod is not well, and the kubelet's word for it.
func withContainer(text string, pod *corev1.Pod) string {
	initial := len(pod.Status.InitContainerStatuses)
	for n, s := range slices.Concat(pod.Status.InitContainerStatuses, pod.Status.ContainerStatuses) {
		switch state := s.State; {
		case state.Waiting != nil && state.Waiting.Reason != "" && (n >= initial || state.Waiting.Reason != initializing):
			return fmt.Sprintf("%s: container %s waits: %s", text, s.Name, state.Waiting.Reason)
		case state.Terminated != nil && state.Terminated.ExitCode != 0:
			return fmt.Sprintf("%s: container %s has ended with %d", text, s.Name, state.Terminated.ExitCode)
		case n >= initial && state.Running != nil && !s.Ready: // an init container that runs is never ready
			return fmt.Sprintf("%s: container %s runs, and its probe does not answer", text, s.Name)
		}
	}
	return text
}
