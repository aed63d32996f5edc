package answer

import (
	"cmp"
	"fmt"
	"time"
)

// shownChanges is how many lines a change may have.
const shownChanges = 50

// Changes are lines about what differs from an earlier status of the same set; none when nothing does that a person would want to know.
func (s *SetStatus) Changes(before *SetStatus) []string {
	var lines []string
	if s.Replicas != before.Replicas {
		lines = append(lines, fmt.Sprintf("%d replicas are wanted, and were %d", s.Replicas, before.Replicas))
	}
	if s.UpdateRevision != before.UpdateRevision {
		lines = append(lines, fmt.Sprintf("the revision is %s, and was %s", s.UpdateRevision, cmp.Or(before.UpdateRevision, "unknown")))
	}
	lines = append(lines, s.changedConditions(before)...)
	lines = append(lines, changedWaits(s.Set, before.Waits, s.Waits)...)
	shards, instances := before.byName()
	now := s.byNumber()
	changed := 0
	for _, shard := range now {
		if shard.Shard != "" {
			was := shards[shard.Shard]
			lines = append(lines, changedWaits(shard.Shard, was.Waits, shard.Waits)...)
			lines = append(lines, shard.changedSwitchovers(&was)...)
		}
		for i := range shard.Instances {
			one := &shard.Instances[i]
			was, there := instances[one.Instance]
			delete(instances, one.Instance)
			if !there {
				was = InstanceStatus{Instance: one.Instance, State: InstanceNoPod}
			}
			if line := one.changed(&was); line != "" {
				if changed++; changed <= shownChanges {
					lines = append(lines, line)
				}
			}
		}
	}
	for _, name := range sortedKeys(instances) {
		if changed++; changed <= shownChanges {
			lines = append(lines, name+": is gone")
		}
	}
	if rest := changed - shownChanges; rest > 0 {
		lines = append(lines, fmt.Sprintf("and %s more: %d of %d are ready", count(rest, "instance"), s.Ready, s.Replicas-s.Offline))
	}
	return lines
}

func (s *SetStatus) changedConditions(before *SetStatus) []string {
	was := map[string]SetCondition{}
	for _, c := range before.Conditions {
		was[c.Type] = c
	}
	var lines []string
	for _, c := range s.Conditions {
		if old := was[c.Type]; old.Status != c.Status || old.Reason != c.Reason {
			lines = append(lines, fmt.Sprintf("condition %s is %s, %s: %s", c.Type, c.Status, c.Reason, cutText(c.Message, false)))
		}
	}
	return lines
}

// changedWaits tells what is waited for now, and that nothing is any more.
func changedWaits(name string, before, now []Wait) []string {
	was, is := textsOf(before, false), textsOf(now, false)
	switch {
	case was == is:
		return nil
	case is == "":
		return []string{name + ": waits for nothing as a whole any more"}
	}
	return []string{name + ": waits: " + is}
}

// byName are the shards and the instances by their names.
func (s *SetStatus) byName() (shards map[string]ShardStatus, instances map[string]InstanceStatus) {
	shards, instances = map[string]ShardStatus{}, map[string]InstanceStatus{}
	for _, shard := range s.Shards {
		shards[shard.Shard] = shard
		for _, i := range shard.Instances {
			instances[i.Instance] = i
		}
	}
	return shards, instances
}

// byNumber are the shards in one order, whatever their health.
func (s *SetStatus) byNumber() []ShardStatus {
	byName, _ := s.byName()
	all := make([]ShardStatus, 0, len(byName))
	for _, name := range sortedKeys(byName) {
		all = append(all, byName[name])
	}
	return all
}

// changed says what has become of an instance, "" for nothing.
func (i *InstanceStatus) changed(before *InstanceStatus) string {
	text := ""
	tell := func(format string, args ...any) { text += ", " + fmt.Sprintf(format, args...) }
	if i.State != before.State {
		tell("%s (was %s)", instanceWords[i.State], instanceWords[before.State])
	}
	if i.Node != before.Node && i.Node != "" {
		tell("on %s", i.Node)
	}
	if i.NodeState != before.NodeState {
		tell("its node is %s", cmp.Or(i.NodeState, "well"))
	}
	if i.Role != before.Role {
		tell("role %s (was %s)", cmp.Or(i.Role, "none"), cmp.Or(before.Role, "none"))
	}
	if i.Sync != before.Sync && (i.Sync.noted() || before.Sync.noted() && i.Sync == InSync) {
		tell("%s", i.lag(time.Time{}))
	}
	if i.RevisionIs != before.RevisionIs && i.RevisionIs == RevisionOld || i.Revision != before.Revision && before.Revision != "" && i.Revision != "" {
		tell("revision %s (%s)", i.Revision, i.RevisionIs)
	}
	if i.Restarts > before.Restarts {
		tell("restarted, %d times in all", i.Restarts)
	}
	if waits := textsOf(i.Waits, false); waits != textsOf(before.Waits, false) && waits != "" {
		tell("waits: %s", waits)
	}
	if text == "" {
		return ""
	}
	return i.Instance + ": " + text[len(", "):]
}
