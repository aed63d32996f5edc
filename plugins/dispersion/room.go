package dispersion

import (
	"maps"

	corev1 "k8s.io/api/core/v1"
	fwk "k8s.io/kube-scheduler/framework"
	"k8s.io/kubernetes/pkg/scheduler/framework"

	"github.com/shoal-dev/shoal/slots"
)

// roomOn is how many more pods like the room's one the node could take; 0 when they may not use it.
func roomOn(r slots.Room, info fwk.NodeInfo) int {
	if !r.Usable(info.Node()) {
		return 0
	}
	return r.Fit(freeOn(r, info))
}

// freeOn is what the node has left of everything that the room's pod asks for.
func freeOn(r slots.Room, info fwk.NodeInfo) slots.Amount { return freeOf(r.Request(), info) }

// freeOf is what the node has left of everything that is asked for.
func freeOf(asked slots.Amount, info fwk.NodeInfo) slots.Amount {
	has, used := info.GetAllocatable(), info.GetRequested()
	free := slots.Amount{
		MilliCPU:         has.GetMilliCPU() - used.GetMilliCPU(),
		Memory:           has.GetMemory() - used.GetMemory(),
		EphemeralStorage: has.GetEphemeralStorage() - used.GetEphemeralStorage(),
		Pods:             int64(has.GetAllowedPodNumber() - len(info.GetPods())),
	}
	if len(asked.Extended) > 0 {
		free.Extended = make(map[corev1.ResourceName]int64, len(asked.Extended))
		for name := range asked.Extended {
			free.Extended[name] = has.GetScalarResources()[name] - used.GetScalarResources()[name]
		}
	}
	return free
}

// requested is what the pods of a node ask for in all, which is all that a view reads of a node beside the Node and whose pods they are.
type requested struct {
	amount, nonZero framework.Resource
}

// differs takes in what they ask for now, and reports whether it was something else before.
func (a *requested) differs(info *framework.NodeInfo) bool {
	now, nonZero := info.Requested, info.NonZeroRequested
	was := &a.amount
	same := was.MilliCPU == now.MilliCPU && was.Memory == now.Memory && was.EphemeralStorage == now.EphemeralStorage &&
		a.nonZero.MilliCPU == nonZero.MilliCPU && a.nonZero.Memory == nonZero.Memory && maps.Equal(was.ScalarResources, now.ScalarResources)
	if !same {
		a.amount, a.nonZero = *now.Clone(), *nonZero
	}
	return !same
}
