package history

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"sync"

	"golang.org/x/sync/errgroup"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/watch"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	toolswatch "k8s.io/client-go/tools/watch"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/shoal-dev/shoal/api/v1alpha1"
)

// Event is one change.
type Event struct {
	// Version is the resource version, which orders all events of a cluster.
	Version uint64
	// Deleted is true when the object is gone; Object is then its last state.
	Deleted bool
	Object  client.Object
}

// Recorder collects events until it is stopped.
type Recorder struct {
	cancel  context.CancelFunc
	watches *errgroup.Group

	mu     sync.Mutex
	events []Event
}

// Record starts recording. What exists already becomes the first events.
func Record(ctx context.Context, config *rest.Config) (*Recorder, error) {
	scheme := runtime.NewScheme()
	if err := errors.Join(clientgoscheme.AddToScheme(scheme), v1alpha1.AddToScheme(scheme)); err != nil {
		return nil, fmt.Errorf("registering kinds: %w", err)
	}
	c, err := client.NewWithWatch(config, client.Options{Scheme: scheme})
	if err != nil {
		return nil, fmt.Errorf("making a client: %w", err)
	}
	ctx, cancel := context.WithCancel(ctx)
	r := &Recorder{cancel: cancel, watches: &errgroup.Group{}}
	for _, list := range []client.ObjectList{
		&corev1.NodeList{}, &corev1.PersistentVolumeList{}, &corev1.PersistentVolumeClaimList{}, &corev1.PodList{}, &v1alpha1.PlacementPolicyList{},
	} {
		if err := r.follow(ctx, c, list); err != nil {
			cancel()
			return nil, errors.Join(err, r.watches.Wait())
		}
	}
	return r, nil
}

// follow lists and then watches one resource; the retrying watcher resumes where a connection broke off.
func (r *Recorder) follow(ctx context.Context, c client.WithWatch, list client.ObjectList) error {
	if err := c.List(ctx, list); err != nil {
		return fmt.Errorf("listing for the history: %w", err)
	}
	items, err := meta.ExtractList(list)
	if err != nil {
		return fmt.Errorf("reading a list: %w", err)
	}
	for _, item := range items {
		if err := r.add(watch.Event{Type: watch.Added, Object: item}); err != nil {
			return err
		}
	}
	empty, ok := list.DeepCopyObject().(client.ObjectList)
	if !ok {
		return fmt.Errorf("copying a %T: it is no list", list)
	}
	watcher, err := toolswatch.NewRetryWatcherWithContext(ctx, list.GetResourceVersion(), source{c, empty})
	if err != nil {
		return fmt.Errorf("watching for the history: %w", err)
	}
	r.watches.Go(func() error {
		for event := range watcher.ResultChan() {
			if err := r.add(event); err != nil {
				return err
			}
		}
		if ctx.Err() == nil {
			return errors.New("a watch of the history ended: events are missing")
		}
		return nil
	})
	return nil
}

// source opens the watches of one resource.
type source struct {
	client client.WithWatch
	list   client.ObjectList
}

// WatchWithContext opens one watch.
func (s source) WatchWithContext(ctx context.Context, o metav1.ListOptions) (watch.Interface, error) {
	return s.client.Watch(ctx, s.list, &client.ListOptions{Raw: &o})
}

func (r *Recorder) add(event watch.Event) error {
	if event.Type == watch.Bookmark {
		return nil
	}
	object, ok := event.Object.(client.Object)
	if !ok {
		return fmt.Errorf("recording the history: %s event with a %T", event.Type, event.Object)
	}
	version, err := strconv.ParseUint(object.GetResourceVersion(), 10, 64)
	if err != nil {
		return fmt.Errorf("reading the version of %s: %w", object.GetName(), err)
	}
	object.SetManagedFields(nil)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.events = append(r.events, Event{Version: version, Deleted: event.Type == watch.Deleted, Object: object})
	return nil
}

// Events are those recorded so far, in the order in which they happened. Events of the last moments may be missing.
func (r *Recorder) Events() []Event {
	r.mu.Lock()
	defer r.mu.Unlock()
	events := slices.Clone(r.events)
	slices.SortStableFunc(events, func(a, b Event) int {
		if a.Version < b.Version {
			return -1
		}
		if a.Version > b.Version {
			return 1
		}
		return 0
	})
	return events
}

// Stop ends the recording. An error means that events are missing, so that nothing is proven.
func (r *Recorder) Stop() ([]Event, error) {
	r.cancel()
	if err := r.watches.Wait(); err != nil {
		return nil, err
	}
	return r.Events(), nil
}
