package apiserver

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/apiserver/pkg/storage"
	"k8s.io/kubernetes/pkg/apis/core"
)

// memory is the store of one resource. Objects in it are never changed, only replaced.
type memory struct {
	server   *Server
	resource *resource
	objects  map[string]runtime.Object
}

var _ storage.Interface = &memory{}

var errNotInMemory = errors.New("the store in memory does not offer this")

// Versioner writes and reads resource versions as etcd's does.
func (m *memory) Versioner() storage.Versioner { return storage.APIObjectVersioner{} }

// Create stores a new object under a UID of the server's own.
func (m *memory) Create(_ context.Context, key string, obj, out runtime.Object, _ uint64) error {
	if _, there := m.objects[key]; there {
		return storage.NewKeyExistsError(key, 0)
	}
	stored := obj.DeepCopyObject()
	if claim, ok := stored.(*core.PersistentVolumeClaim); ok && claim.Status.Phase == "" {
		claim.Status.Phase = core.ClaimPending // the strategy clears it, and reading from etcd fills in the default
	}
	accessor, err := meta.Accessor(stored)
	if err != nil {
		return err
	}
	m.server.uids++
	accessor.SetUID(types.UID("u" + strconv.FormatUint(m.server.uids, 10)))
	return m.put(key, stored, out, Added)
}

// put stores an object as the next version, notes the event, and hands out a copy.
func (m *memory) put(key string, object, out runtime.Object, kind EventType) error {
	wholeSeconds(object)
	if err := m.stamp(object); err != nil {
		return err
	}
	if kind == Deleted {
		delete(m.objects, key)
	} else {
		m.objects[key] = object
	}
	if err := m.server.note(m.resource, kind, object); err != nil {
		return err
	}
	return handOut(object, out)
}

func (m *memory) stamp(object runtime.Object) error {
	m.server.version++
	return m.Versioner().UpdateObject(object, m.server.version)
}

// wholeSeconds cuts the times that the registries set to what the wire and etcd would keep of them.
func wholeSeconds(object runtime.Object) {
	accessor, err := meta.Accessor(object)
	if err != nil {
		return
	}
	accessor.SetCreationTimestamp(metav1.NewTime(accessor.GetCreationTimestamp().Truncate(time.Second)))
	if t := accessor.GetDeletionTimestamp(); t != nil {
		whole := metav1.NewTime(t.Truncate(time.Second))
		accessor.SetDeletionTimestamp(&whole)
	}
	if entries := accessor.GetManagedFields(); len(entries) > 0 {
		for n := range entries {
			if t := entries[n].Time; t != nil {
				whole := metav1.NewTime(t.Truncate(time.Second))
				entries[n].Time = &whole
			}
		}
		accessor.SetManagedFields(entries)
	}
	if volume, ok := object.(*core.PersistentVolume); ok && volume.Status.LastPhaseTransitionTime != nil {
		whole := metav1.NewTime(volume.Status.LastPhaseTransitionTime.Truncate(time.Second))
		volume.Status.LastPhaseTransitionTime = &whole
	}
}

func handOut(object, out runtime.Object) error {
	if out == nil {
		return nil
	}
	to, from := reflect.ValueOf(out), reflect.ValueOf(object.DeepCopyObject())
	if to.Type() != from.Type() {
		return fmt.Errorf("handing out a %T as a %T", object, out)
	}
	to.Elem().Set(from.Elem())
	return nil
}

// Delete removes an object.
func (m *memory) Delete(ctx context.Context, key string, out runtime.Object, preconditions *storage.Preconditions,
	validate storage.ValidateObjectFunc, _ runtime.Object, _ storage.DeleteOptions) error {
	found, there := m.objects[key]
	if !there {
		return storage.NewKeyNotFoundError(key, 0)
	}
	if err := preconditions.Check("/registry"+key, found); err != nil {
		return err
	}
	last := found.DeepCopyObject()
	if validate != nil {
		if err := validate(ctx, last); err != nil {
			return err
		}
	}
	return m.put(key, last, out, Deleted)
}

// Get hands out an object.
func (m *memory) Get(_ context.Context, key string, o storage.GetOptions, out runtime.Object) error {
	found, there := m.objects[key]
	switch {
	case there:
		return handOut(found, out)
	case o.IgnoreNotFound:
		return runtime.SetZeroValue(out)
	}
	return storage.NewKeyNotFoundError(key, 0)
}

// GetList hands out what lies under a key, by key.
func (m *memory) GetList(_ context.Context, prefix string, o storage.ListOptions, out runtime.Object) error {
	items := []runtime.Object{}
	for _, key := range slices.Sorted(maps.Keys(m.objects)) {
		if !strings.HasPrefix(key, prefix) {
			continue
		}
		if matches, err := o.Predicate.Matches(m.objects[key]); err != nil || !matches {
			continue
		}
		items = append(items, m.objects[key].DeepCopyObject())
	}
	if err := meta.SetList(out, items); err != nil {
		return fmt.Errorf("making a list: %w", err)
	}
	return m.Versioner().UpdateList(out, m.server.version, "", nil)
}

// GuaranteedUpdate replaces an object. An update that changes nothing makes no version and no event, as with etcd.
func (m *memory) GuaranteedUpdate(ctx context.Context, key string, out runtime.Object, ignoreNotFound bool,
	preconditions *storage.Preconditions, update storage.UpdateFunc, _ runtime.Object) error {
	found, there := m.objects[key]
	if !there {
		if !ignoreNotFound {
			return storage.NewKeyNotFoundError(key, 0)
		}
		return m.createdByUpdate(ctx, key, out, update)
	}
	if err := preconditions.Check("/registry"+key, found); err != nil {
		return err
	}
	version, err := m.Versioner().ObjectResourceVersion(found)
	if err != nil {
		return err
	}
	updated, _, err := update(found.DeepCopyObject(), storage.ResponseMeta{ResourceVersion: version})
	if err != nil {
		return err
	}
	updated = updated.DeepCopyObject()
	wholeSeconds(updated)
	if err := m.Versioner().UpdateObject(updated, version); err != nil {
		return err
	}
	if equality.Semantic.DeepEqual(found, updated) {
		return handOut(found, out)
	}
	return m.put(key, updated, out, Modified)
}

// createdByUpdate makes the object that an update does not find, if its strategy allows that: of our kinds, Services; or if it is
// applied.
func (m *memory) createdByUpdate(ctx context.Context, key string, out runtime.Object, update storage.UpdateFunc) error {
	none := reflect.New(reflect.TypeOf(out).Elem()).Interface().(runtime.Object)
	created, _, err := update(none, storage.ResponseMeta{})
	if err != nil {
		return err
	}
	return m.Create(ctx, key, created, out, 0)
}

// Watch is not offered: the simulation reads the server's events.
func (m *memory) Watch(context.Context, string, storage.ListOptions) (watch.Interface, error) {
	return nil, errNotInMemory
}

// Stats are not kept.
func (m *memory) Stats(context.Context) (storage.Stats, error) {
	return storage.Stats{}, errNotInMemory
}

// ReadinessCheck never fails.
func (m *memory) ReadinessCheck() error { return nil }

// RequestWatchProgress has nothing to do.
func (m *memory) RequestWatchProgress(context.Context) error { return nil }

// GetCurrentResourceVersion is the version of the last write.
func (m *memory) GetCurrentResourceVersion(context.Context) (uint64, error) {
	return m.server.version, nil
}

// EnableResourceSizeEstimation has nothing to do.
func (m *memory) EnableResourceSizeEstimation(storage.KeysFunc) error { return nil }

// CompactRevision is 0: nothing is ever compacted.
func (m *memory) CompactRevision() int64 { return 0 }
