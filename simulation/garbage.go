package simulation

import (
	"slices"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// Chore is one thing for the garbage collector to do.
type Chore struct {
	Object  client.Object
	Changed client.Object // what the object is to become; nil for one that is to be deleted
}

// Chores are what the garbage collector would do next, if these were all objects. As the real one it deletes what has no
// owner left, or only owners that wait for it to go (foreground deletion); takes the reference off what is to outlive its
// owner (deletion with orphans); and lets the owner go when that is done.
func Chores(objects []client.Object) []Chore {
	there := map[types.UID]client.Object{}
	for _, o := range objects {
		there[o.GetUID()] = o
	}
	var out []Chore
	for _, o := range objects {
		switch {
		case awaits(o, metav1.FinalizerDeleteDependents):
			if !slices.ContainsFunc(objects, func(d client.Object) bool { return blocks(d, o.GetUID()) }) {
				out = append(out, Chore{o, without(o, metav1.FinalizerDeleteDependents)})
			}
		case awaits(o, metav1.FinalizerOrphanDependents):
			if left := orphaning(objects, o.GetUID()); len(left) > 0 {
				out = append(out, left...)
			} else {
				out = append(out, Chore{o, without(o, metav1.FinalizerOrphanDependents)})
			}
		case o.GetDeletionTimestamp() == nil && len(o.GetOwnerReferences()) > 0 && !owned(o, there):
			out = append(out, Chore{o, nil})
		}
	}
	return out
}

// awaits reports whether an object is being deleted, and a finalizer holds it.
func awaits(o client.Object, finalizer string) bool {
	return o.GetDeletionTimestamp() != nil && slices.Contains(o.GetFinalizers(), finalizer)
}

func without(o client.Object, finalizer string) client.Object {
	changed := o.DeepCopyObject().(client.Object)
	changed.SetFinalizers(slices.DeleteFunc(changed.GetFinalizers(), func(f string) bool { return f == finalizer }))
	return changed
}

// blocks reports whether a dependent has to go before its owner can.
func blocks(dependent client.Object, owner types.UID) bool {
	return slices.ContainsFunc(dependent.GetOwnerReferences(), func(r metav1.OwnerReference) bool {
		return r.UID == owner && ptr.Deref(r.BlockOwnerDeletion, false)
	})
}

// orphaning takes the references to an owner off its dependents.
func orphaning(objects []client.Object, owner types.UID) []Chore {
	isIt := func(r metav1.OwnerReference) bool { return r.UID == owner }
	var out []Chore
	for _, o := range objects {
		if slices.ContainsFunc(o.GetOwnerReferences(), isIt) {
			changed := o.DeepCopyObject().(client.Object)
			changed.SetOwnerReferences(slices.DeleteFunc(changed.GetOwnerReferences(), isIt))
			out = append(out, Chore{o, changed})
		}
	}
	return out
}

// owned reports whether an object has an owner that stays, or that waits for nothing but its own finalizers.
func owned(o client.Object, there map[types.UID]client.Object) bool {
	return slices.ContainsFunc(o.GetOwnerReferences(), func(r metav1.OwnerReference) bool {
		owner := there[r.UID]
		return owner != nil && !awaits(owner, metav1.FinalizerDeleteDependents)
	})
}
