package snapshot

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/go-logr/logr"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/tools/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/shoal-dev/shoal/api/v1alpha1"
)

// pause is how long changes are gathered before they are shown: in a set of 10,000 they come in hundreds.
const pause = 500 * time.Millisecond

// Follow shows the state of a set, and again when something of it has changed, until the context ends or show returns an error, which is its
// result. What an interrupted watch has missed is read anew.
func Follow(ctx context.Context, c client.WithWatch, now func() time.Time, namespace, name string, show func(*Cluster) error) error {
	first, err := ReadSet(ctx, c, now(), namespace, name)
	if err != nil {
		return err
	}
	if err := show(first); err != nil {
		return err
	}
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	changed := make(chan struct{}, 1)
	stores := []*bell{}
	kinds := []client.ObjectList{&v1alpha1.InstanceSetList{}, &corev1.PodList{}, &corev1.NodeList{}}
	if first.hasRoles(namespace, name) {
		kinds = append(kinds, &v1alpha1.SwitchoverList{})
	}
	for _, list := range kinds {
		if first.lacks(kindOf(list)) {
			continue
		}
		b := &bell{Store: cache.NewStore(cache.MetaNamespaceKeyFunc), changed: changed}
		stores = append(stores, b)
		silent := logr.Discard()
		r := cache.NewReflectorWithOptions(listWatch(c, list, optionsFor(list, namespace, name)), nil, b, cache.ReflectorOptions{Logger: &silent})
		go r.RunWithContext(ctx)
	}
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-changed:
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(pause):
		}
		if slices.ContainsFunc(stores, func(b *bell) bool { return !b.filled.Load() }) {
			continue // not all has been read: it would look as if there were none
		}
		if err := show(gathered(stores, now(), first.Unreadable)); err != nil {
			return err
		}
	}
}

// lacks reports whether a kind could not be read.
func (c *Cluster) lacks(kind string) bool {
	return slices.ContainsFunc(c.Unreadable, func(text string) bool { return strings.HasPrefix(text, kind+":") })
}

// gathered is a cluster of what is in the stores.
func gathered(stores []*bell, now time.Time, unreadable []string) *Cluster {
	s := &Cluster{TakenAt: now, Unreadable: unreadable}
	for _, b := range stores {
		for _, o := range b.List() {
			switch o := o.(type) {
			case *v1alpha1.InstanceSet:
				s.Sets = append(s.Sets, o)
			case *corev1.Pod:
				s.Pods = append(s.Pods, o)
			case *corev1.Node:
				s.Nodes = append(s.Nodes, o)
			case *v1alpha1.Switchover:
				s.Switchovers = append(s.Switchovers, o)
			}
		}
	}
	slices.SortFunc(s.Sets, func(a, b *v1alpha1.InstanceSet) int { return compare(a, b) })
	slices.SortFunc(s.Pods, func(a, b *corev1.Pod) int { return compare(a, b) })
	slices.SortFunc(s.Nodes, func(a, b *corev1.Node) int { return compare(a, b) })
	slices.SortFunc(s.Switchovers, func(a, b *v1alpha1.Switchover) int { return compare(a, b) })
	return s
}

// listWatch lists and watches objects of a kind.
func listWatch(c client.WithWatch, like client.ObjectList, narrow []client.ListOption) cache.ListerWatcher {
	options := func(given metav1.ListOptions) *client.ListOptions {
		return (&client.ListOptions{}).ApplyOptions(append(slices.Clone(narrow), &client.ListOptions{Raw: &given, Limit: given.Limit, Continue: given.Continue}))
	}
	fresh := func() (client.ObjectList, error) {
		list, ok := like.DeepCopyObject().(client.ObjectList)
		if !ok {
			return nil, fmt.Errorf("a copy of %T is no list", like)
		}
		return list, nil
	}
	return cache.ToListWatcherWithWatchListSemantics(&cache.ListWatch{
		ListWithContextFunc: func(ctx context.Context, given metav1.ListOptions) (runtime.Object, error) {
			list, err := fresh()
			if err == nil {
				err = c.List(ctx, list, options(given))
			}
			return list, err
		},
		WatchFuncWithContext: func(ctx context.Context, given metav1.ListOptions) (watch.Interface, error) {
			list, err := fresh()
			if err != nil {
				return nil, err
			}
			return c.Watch(ctx, list, options(given))
		},
	}, c)
}
