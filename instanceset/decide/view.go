package decide

import (
	"cmp"
	"slices"
	"sort"
	"strings"

	"github.com/shoal-dev/shoal/api/v1alpha1"
	"github.com/shoal-dev/shoal/podspec"
)

// instance is everything about one ordinal.
type instance struct {
	ordinal  int32
	wanted   bool
	offline  bool
	template int // index in spec.templates, or plain
	pod      *Pod
	claims   []*Claim // one for each of volumeClaimTemplates, nil where there is none
	foreign  string   // an object of somebody else that has the name of one of ours
}

// plain is the template index of an instance that is made from spec.template as it stands.
const plain = -1

// online reports whether the instance should have a pod.
func (i *instance) online() bool { return i.wanted && !i.offline }

// view is the snapshot by ordinal, with what is derived from it once for all instances.
type view struct {
	Snapshot
	spec      *v1alpha1.InstanceSetSpec
	instances []instance // ascending
	nodes     map[string]*Node
	volumes   map[string]*Volume
	answers   map[string]Answer // by UID of the pod
	revisions []string          // of spec.template, then of each of spec.templates
	texts     [][]byte          // what they are hashes of
	stored    map[string]*Revision
	known     map[string]*podspec.Asked // see asked
	bases     []string                  // what instances that are not updated keep, in the order of revisions
	replaced  map[int32]bool            // see replacing
	hadOnce   map[int32]string          // see had
	leftOnce  map[int32]string          // see left
	shards    []shard                   // of all instances, ascending; one for the whole set if it has no shards
	shardAt   map[int32]int             // index of the shard -> position in shards

	recorded     ordinalSet         // status.bootstrapped as it was stored
	bootstrapped ordinalSet         // with what this snapshot shows
	agents       map[string]*Pod    // see agentsLike, nil until somebody asks
	attempts     map[string]attempt // the last ones, by the names of the first
	handing      map[string]bool    // shards of which a Switchover has not ended
	configs      map[string]string  // see configurationOf
	wantsOnce    *string            // see wantedConfiguration
	unfit        []string           // why no pod is made with the configuration of a template, in the order of revisions, "" for nothing
	kept         map[int32]int64    // the highest generation on volumes that earlier rebuilds kept
}

func newView(s Snapshot) *view {
	s.sort()
	v := &view{
		Snapshot: s,
		spec:     &s.Set.Spec,
		nodes:    make(map[string]*Node, len(s.Nodes)),
		volumes:  make(map[string]*Volume, len(s.Volumes)),
		answers:  make(map[string]Answer, len(s.Answers)),
		kept:     map[int32]int64{},
	}
	for i := range s.Nodes {
		v.nodes[s.Nodes[i].Name] = &s.Nodes[i]
	}
	for i := range s.Volumes {
		v.addVolume(&s.Volumes[i])
	}
	for _, a := range s.Answers {
		v.answers[string(a.Pod)] = a
	}
	v.readHistory()
	v.readSwitchovers()
	v.gather()
	v.awaitAgents()
	v.assignTemplates()
	v.recordBootstrapped()
	v.groupShards()
	v.setBases()
	v.judgeConfiguration()
	return v
}

func (v *view) addVolume(volume *Volume) {
	v.volumes[volume.Name] = volume
	name, ours := strings.CutPrefix(volume.RetainedFor, v.Set.Namespace+"/")
	if !ours {
		return
	}
	if ordinal, ok := ordinalIn(name, v.Set.Name); ok {
		v.kept[ordinal] = max(v.kept[ordinal], volume.Generation)
	}
}

// gather makes one instance of each ordinal that is wanted, or that has a pod or a claim.
func (v *view) gather() {
	wanted := slices.Collect(wantedSet(v.spec).without(v.Rest.all()).all())
	ordinals := make([]int32, 0, len(wanted)+16)
	ordinals = append(ordinals, wanted...)
	for i := range v.Pods {
		ordinals = append(ordinals, v.Pods[i].Ordinal)
	}
	for i := range v.Claims {
		ordinals = append(ordinals, v.Claims[i].Ordinal)
	}
	slices.Sort(ordinals)
	ordinals = slices.Compact(ordinals)

	perInstance := len(v.spec.VolumeClaimTemplates)
	claims := make([]*Claim, len(ordinals)*perInstance)
	v.instances = make([]instance, len(ordinals))
	for i, o := range ordinals {
		v.instances[i] = instance{ordinal: o, template: plain, claims: claims[i*perInstance : (i+1)*perInstance]}
	}
	for _, o := range wanted {
		v.at(o).wanted = true
	}
	for _, o := range v.spec.OfflineInstances {
		if i := v.at(o); i != nil {
			i.offline = i.wanted
		}
	}
	for i := range v.Pods {
		v.addPod(&v.Pods[i])
	}
	for i := range v.Claims {
		v.addClaim(&v.Claims[i])
	}
}

func (v *view) addPod(pod *Pod) {
	i := v.at(pod.Ordinal)
	if pod.Foreign {
		i.foreign = "pod " + v.name(pod.Ordinal)
		return
	}
	i.pod = pod
}

func (v *view) addClaim(claim *Claim) {
	i := v.at(claim.Ordinal)
	for t := range v.spec.VolumeClaimTemplates {
		if v.spec.VolumeClaimTemplates[t].Metadata.Name != claim.Volumes {
			continue
		}
		if claim.Foreign {
			i.foreign = "claim " + v.claimName(claim)
			return
		}
		i.claims[t] = claim
	}
}

// at finds an ordinal, nil when no instance has it.
func (v *view) at(ordinal int32) *instance {
	if n := int(ordinal); n >= 0 && n < len(v.instances) && v.instances[n].ordinal == ordinal { // in most sets they begin with 0 and none is left out
		return &v.instances[n]
	}
	n := sort.Search(len(v.instances), func(n int) bool { return v.instances[n].ordinal >= ordinal })
	if n == len(v.instances) || v.instances[n].ordinal != ordinal {
		return nil
	}
	return &v.instances[n]
}

func (v *view) name(ordinal int32) string { return podspec.Name(v.Set.Name, ordinal) }

func (v *view) claimName(c *Claim) string {
	return podspec.ClaimName(c.Volumes, v.Set.Name, c.Ordinal)
}

func (v *view) state(node string) NodeState {
	if n := v.nodes[node]; n != nil {
		return n.State
	}
	return NodeGone
}

// pin is the node to which the claims tie the instance, "" if none does.
func (i *instance) pin() string {
	for _, c := range i.claims {
		if c != nil && c.Node != "" {
			return c.Node
		}
	}
	return ""
}

// node is where the instance is: the node of its pod or, while that has none or has ended, of its volumes. A pod that its
// kubelet refused, because its claim was exchanged meanwhile, says nothing about where the volumes are.
func (i *instance) node() string {
	if i.pod == nil {
		return i.pin()
	}
	if pin := i.pin(); pin != "" && i.pod.ended() {
		return pin
	}
	return cmp.Or(i.pod.Node, i.pin())
}

// lost reports whether any object of the instance carries the label: it is being rebuilt.
func (i *instance) lost() bool {
	return i.pod != nil && i.pod.Lost || slices.ContainsFunc(i.claims, func(c *Claim) bool { return c != nil && c.Lost })
}

// givenUp reports whether the rebuild of a lost instance is past the point where its data could still be used.
func (i *instance) givenUp() bool {
	return i.lost() && slices.ContainsFunc(i.claims, func(c *Claim) bool { return c == nil || c.Terminating })
}

// homeless reports whether the scheduler has tried to place the pod, and found no node. Neither has a claim one.
func (i *instance) homeless() bool {
	return !i.lost() && i.pod != nil && i.pod.Unscheduled != "" && !i.pod.ended() && i.node() == ""
}

// gone reports whether nothing of the instance is left.
func (i *instance) gone() bool {
	return i.pod == nil && !slices.ContainsFunc(i.claims, func(c *Claim) bool { return c != nil })
}

func (i *instance) ready() bool {
	return i.pod != nil && i.pod.Ready && !i.pod.Terminating && !i.pod.ended()
}
