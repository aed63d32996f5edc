package roles

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/shoal-dev/shoal/api/agent"
	"github.com/shoal-dev/shoal/api/v1alpha1"
	"github.com/shoal-dev/shoal/roles/decide"
)

// ErrStranger says that a report is of a pod that is not there, or of no set with roles. ErrOld says that a later report of
// the pod was heard before. ErrStandby says that this process does not lead: another one hears reports.
var (
	ErrStranger = errors.New("there is no such pod in a set with roles")
	ErrOld      = errors.New("the report is old")
	ErrStandby  = errors.New("this manager does not lead")
)

// Ledger remembers the latest report of each pod, in memory: after a restart agents are asked (rollCall), and until all of them would have
// reported by themselves nothing is concluded from their silence.
type Ledger struct {
	now   func() time.Time
	cache client.Reader
	wake  func(shardKey)
	took  func(outcome string)
	// configured is told of a set of which an agent says something new about its engine's configuration; nil for nobody.
	configured func(types.NamespacedName)

	// distrusted is told of each report of an engine that its agent is refused by, or refuses; first: it was not told of that cause for an hour.
	// nil for nobody.
	distrusted func(pod *corev1.Pod, cause, problem string, first bool)

	mu      sync.Mutex
	since   time.Time // when it began to listen
	entries map[types.UID]entry
}

type entry struct {
	pod    types.NamespacedName
	order  agent.Order
	report agent.Report
	at     time.Time
	// claimed is since when it says that it is master, unlinked since when that it has lost its master, and behind since when that it is out
	// of sync, or nothing of that; zero if it does not.
	claimed, unlinked, behind time.Time
	// empty is since when it is a master that has held nothing since its history began: one whose data a client has deleted had some in the same
	// history. That history is the last one of which it said what it holds. full is since when it says that it holds data.
	empty, full time.Time
	history     string
	// follows is since when it says that it follows the one of its last report.
	follows time.Time
	// told is the cause of distrust that somebody was told of at that time.
	told   string
	toldAt time.Time
}

func newLedger(cache client.Reader, now func() time.Time, wake func(shardKey), took func(string)) *Ledger {
	return &Ledger{now: now, cache: cache, wake: wake, took: took, entries: map[types.UID]entry{}}
}

// Accept takes the report of a pod, whose identity somebody else has proven. The error is ErrStranger, ErrOld,
// ErrStandby, or that of the cache.
func (l *Ledger) Accept(ctx context.Context, id agent.Identity, r agent.Report) error {
	news, err := l.accept(ctx, id, r)
	switch {
	case errors.Is(err, ErrStranger):
		l.took("stranger")
	case errors.Is(err, ErrOld):
		l.took("old")
	case errors.Is(err, ErrStandby):
		l.took("standby")
	case err != nil:
		l.took("error")
	case news:
		l.took("news")
	default:
		l.took("known")
	}
	return err
}

func (l *Ledger) accept(ctx context.Context, id agent.Identity, r agent.Report) (news bool, err error) {
	if !l.leads() {
		return false, ErrStandby // what it heard would be forgotten by nobody, and old when it leads
	}
	var pod corev1.Pod
	err = l.cache.Get(ctx, types.NamespacedName{Namespace: id.Namespace, Name: id.Pod}, &pod, shared)
	if client.IgnoreNotFound(err) != nil {
		return false, fmt.Errorf("looking for the pod of a report: %w", err)
	}
	shard, ok := shardOf(&pod)
	if apierrors.IsNotFound(err) || string(pod.UID) != id.UID || !ok {
		return false, fmt.Errorf("%w: %s", ErrStranger, id)
	}
	var set v1alpha1.InstanceSet
	if err := l.cache.Get(ctx, shard.owner(), &set, shared); client.IgnoreNotFound(err) != nil {
		return false, fmt.Errorf("looking for the set of a report: %w", err)
	}
	if len(set.Spec.Roles) == 0 || !shard.instance(&set, &pod) {
		return false, fmt.Errorf("%w: %s", ErrStranger, id)
	}
	news, configured, err := l.note(&pod, r)
	if err != nil {
		return false, fmt.Errorf("%w: %w", ErrOld, err)
	}
	l.judge(&pod, r)
	if configured && l.configured != nil {
		l.configured(shard.owner())
	}
	if news {
		l.wake(shard)
	}
	return news, nil
}

// toldAgain is after how long it is told again that an engine and its agent do not trust each other.
const toldAgain = time.Hour

// judge tells where an engine and its agent do not trust each other.
func (l *Ledger) judge(pod *corev1.Pod, r agent.Report) {
	cause := r.Distrust()
	if cause == "" || l.distrusted == nil {
		return
	}
	l.mu.Lock()
	e := l.entries[pod.UID]
	first := e.told != cause || l.now().Sub(e.toldAt) >= toldAgain
	if first {
		e.told, e.toldAt = cause, l.now()
		l.entries[pod.UID] = e
	}
	l.mu.Unlock()
	l.distrusted(pod, cause, r.Problem, first)
}

// note remembers a report, and says whether something is decided differently because of it: by roles, and about configurations.
func (l *Ledger) note(pod *corev1.Pod, r agent.Report) (news, configured bool, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	uid := pod.UID
	before, known := l.entries[uid]
	after := before
	after.pod = client.ObjectKeyFromObject(pod)
	if after.order, err = before.order.Next(r); err != nil {
		l.entries[uid] = after
		return false, false, err
	}
	after.report, after.at = r, l.now()
	after.claimed = since(r.Role == agent.RoleMaster, before.claimed, after.at)
	after.unlinked = since(said(r).Unlinked, before.unlinked, after.at)
	after.behind = since(said(r).Behind() || said(r).Mute(), before.behind, after.at)
	after.empty, after.full = before.emptied(r, after.at), since(r.Holds == agent.HoldsData, before.full, after.at)
	if r.ReplicationID != "" && r.Holds != "" {
		after.history = r.ReplicationID
	}
	if after.follows = after.at; known && before.report.MasterAddr == r.MasterAddr {
		after.follows = before.follows
	}
	l.entries[uid] = after
	news = !known || said(before.report) != said(r) || after.at.Sub(before.at) >= silence
	return news, !sameConfiguration(before.report, r), nil
}

// emptied is entry.empty after a report that came at now. An engine that does not answer says nothing of its history: FLUSHALL of much data keeps it
// from answering, and so does much else after it has come up empty. One that changes its history while it holds nothing begins anew, as what it
// has got meanwhile may never have been heard of.
func (e entry) emptied(r agent.Report, now time.Time) time.Time {
	another := r.ReplicationID != "" && r.ReplicationID != e.history
	switch {
	case r.Role == agent.RoleMaster && r.Holds == agent.HoldsNothing && another:
		return now
	case another, r.Holds == agent.HoldsData, r.Role == agent.RoleReplica:
		return time.Time{}
	}
	return e.empty
}

// sameConfiguration reports whether two reports say the same of the engine's configuration.
func sameConfiguration(a, b agent.Report) bool {
	state := func(r agent.Report) agent.ConfigurationState {
		return ptr.Deref(r.Configuration, agent.ConfigurationState{})
	}
	return a.Revision == b.Revision && a.MaxMemory == b.MaxMemory && state(a) == state(b)
}

// Report is the latest report of a pod, and when it was heard; false: none was since this process leads, or the agent is silent.
func (l *Ledger) Report(uid types.UID) (report agent.Report, at time.Time, heard bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	e := l.entries[uid]
	return e.report, e.at, !e.at.IsZero() && l.now().Sub(e.at) < silence
}

// since is when something began that is so now, or not.
func since(is bool, began, now time.Time) time.Time {
	switch {
	case !is:
		return time.Time{}
	case began.IsZero():
		return now
	}
	return began
}

// said is what decisions are made from. An engine that names no master says nothing of a link.
func said(r agent.Report) decide.Report {
	return decide.Report{
		Role: decide.Role(r.Role), Epoch: r.Epoch, Loading: r.Loading, Protected: r.Protected,
		Unlinked: r.Role == agent.RoleReplica && r.MasterAddr != "" && !r.LinkUp,
		Holds:    decide.Holding(r.Holds), Of: r.MasterAddr,
	}
}

// boot is that of the latest report of a pod, "" if there is none. All that is remembered was heard since this process leads, so
// that it is later than any order of whoever led before.
func (l *Ledger) boot(uid types.UID) string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.entries[uid].report.BootID
}

// heard is the latest report of a pod, when it came, and whether there is one.
func (l *Ledger) heard(uid types.UID) (report decide.Report, at time.Time, heard bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	e := l.entries[uid]
	return said(e.report), e.at, !e.at.IsZero()
}

// hear adds to an instance what its agent said.
func (l *Ledger) hear(uid types.UID, i *decide.Instance) {
	l.mu.Lock()
	defer l.mu.Unlock()
	e := l.entries[uid]
	i.Report, i.HeardAt, i.Heard = said(e.report), e.at, !e.at.IsZero()
	i.ClaimedAt, i.UnlinkedAt, i.BehindAt, i.FollowsAt = e.claimed, e.unlinked, e.behind, e.follows
	i.EmptyAt, i.FullAt = e.empty, e.full
}

// forget is for a pod that is gone.
func (l *Ledger) forget(uid types.UID) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.entries, uid)
}

// Start listens for as long as this process leads; the controllers' manager calls it then. What was noted of pods that are gone is
// forgotten now and then: a report may arrive after the event that tells of the end of its pod.
func (l *Ledger) Start(ctx context.Context) error {
	l.listening()
	ticks := time.NewTicker(sweepEvery)
	defer ticks.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-ticks.C:
			l.sweep(ctx)
		}
	}
}

// sweepEvery is how often pods that are gone are looked for.
const sweepEvery = time.Minute

// sweep forgets the pods that the cache shows no more.
func (l *Ledger) sweep(ctx context.Context) {
	for uid, name := range l.names() {
		var pod corev1.Pod
		err := l.cache.Get(ctx, name, &pod, shared)
		if apierrors.IsNotFound(err) || err == nil && pod.UID != uid {
			l.forget(uid)
		}
	}
}

func (l *Ledger) names() map[types.UID]types.NamespacedName {
	l.mu.Lock()
	defer l.mu.Unlock()
	names := make(map[types.UID]types.NamespacedName, len(l.entries))
	for uid, e := range l.entries {
		names[uid] = e.pod
	}
	return names
}

func (l *Ledger) leads() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return !l.since.IsZero()
}

// listening is for how long it has been listened. The first call begins: a manager that does not lead hears nobody.
func (l *Ledger) listening() time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.since.IsZero() {
		l.since = l.now()
	}
	return l.now().Sub(l.since)
}
