package answer

import (
	"regexp"
	"slices"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/shoal-dev/shoal/api/v1alpha1"
	"github.com/shoal-dev/shoal/reason"
)

// SyncState is whether a replica has what its master has, as far as the API tells.
type SyncState string

// States of a replica. Behind is one that the condition InSync names, NotInSync one that has not the label of a replica though its shard has a
// master: it may be about to get it. SyncUnknown is one that is not heard. SyncUntold is one with the label in a set most of which is not heard.
const (
	InSync      SyncState = "InSync"
	Behind      SyncState = "Behind"
	NotInSync   SyncState = "NotInSync"
	SyncUnknown SyncState = "Unknown"
	SyncUntold  SyncState = "Untold"
)

// sync says of each instance of a shard whether it is in sync: by the condition InSync, which names those that have not been for a minute, and by
// the label replica, which is held by those that are.
func (o *observer) sync(shard *ShardStatus) {
	master := false
	for i := range shard.Instances {
		master = master || shard.Instances[i].Role == string(v1alpha1.RoleMaster)
	}
	said := ""
	if wait, told := saidOf(o.set, v1alpha1.ConditionInSync, shard.Shard); told {
		said = wait.Text
	}
	for n := range shard.Instances {
		i := &shard.Instances[n]
		switch named := regexp.MustCompile(`(?:^|, )` + regexp.QuoteMeta(i.Instance) + ` (has no link|reads its data|is protected|follows \S+|was last heard|has not been heard|does not answer|says that)[a-z ]*([0-9-]+T[0-9:]+Z)?`).FindStringSubmatch(said); {
		case !master || i.Role == string(v1alpha1.RoleMaster) || i.State != InstanceReady && i.State != InstanceNotReady:
		case named != nil:
			behind := strings.HasPrefix(named[1], "follows ") || slices.Contains([]string{"has no link", "reads its data", "is protected"}, named[1])
			i.Sync = map[bool]SyncState{true: Behind, false: SyncUnknown}[behind]
			if t, err := time.Parse(time.RFC3339, named[2]); err == nil && i.Sync == Behind {
				i.BehindSince = metav1.NewTime(t)
			}
		case i.Role == string(v1alpha1.RoleReplica) && o.nobodyHeard():
			i.Sync = SyncUntold
		case i.Role == string(v1alpha1.RoleReplica):
			i.Sync = InSync
		default:
			i.Sync = NotInSync
			if said == "" && o.moreBehind() && len(i.Waits) == 0 {
				i.Waits = append(i.Waits, waitFor(reason.ReplicaBehind, "it has no role: it is not in sync with its master, or has just started"))
			}
		}
	}
}

// moreBehind: replicas of more shards are behind than the condition names.
func (o *observer) moreBehind() bool {
	c := meta.FindStatusCondition(o.set.Status.Conditions, v1alpha1.ConditionInSync)
	return c != nil && inSyncIsBad(*c) && strings.HasSuffix(c.Message, "...")
}

// nobodyHeard: of no instance of the set it is known now, by the condition.
func (o *observer) nobodyHeard() bool {
	c := meta.FindStatusCondition(o.set.Status.Conditions, v1alpha1.ConditionInSync)
	return c != nil && c.Reason == reason.MostUnheard.Name()
}

// noted: the condition names it.
func (s SyncState) noted() bool { return s == Behind || s == SyncUnknown }

// lag is the cell about it.
func (i *InstanceStatus) lag(now time.Time) string {
	switch i.Sync {
	case InSync:
		return "in sync"
	case Behind:
		if now.IsZero() || i.BehindSince.IsZero() {
			return "behind"
		}
		return "behind for " + ago(now.Sub(i.BehindSince.Time))
	case NotInSync:
		return "not in sync"
	case SyncUnknown, SyncUntold:
		return "unknown"
	}
	return "-"
}

// inSyncIsBad: the condition says that somebody is behind, or is not heard.
func inSyncIsBad(c metav1.Condition) bool {
	return c.Type == v1alpha1.ConditionInSync && c.Status != metav1.ConditionTrue
}

// waitsForSync is what the shard waits for because replicas of it are behind.
func waitsForSync(set *v1alpha1.InstanceSet, shard string) []Wait {
	if c := meta.FindStatusCondition(set.Status.Conditions, v1alpha1.ConditionInSync); c == nil || !inSyncIsBad(*c) {
		return nil
	}
	if wait, told := saidOf(set, v1alpha1.ConditionInSync, shard); told && wait.Code != reason.NothingToFollow.String() { // NoMaster says why
		return []Wait{wait}
	}
	return nil
}
