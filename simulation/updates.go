package simulation

import (
	"fmt"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/utils/ptr"

	"github.com/shoal-dev/shoal/api/v1alpha1"
	"github.com/shoal-dev/shoal/reason"
	"github.com/shoal-dev/shoal/simulation/farm"
)

// Seeds from farm.FirstWithUpdates on have people who change templates, good ones and bad ones, while everything else goes wrong as
// well. They draw from dice of their own, and after all the rest.

func (p *play) updates() bool { return p.World.containers != nil }

// giveUpdates draws how sets are updated, and has kubelets know of containers.
func (p *play) giveUpdates(sets []*v1alpha1.InstanceSet) {
	if p.choice.seed < farm.FirstWithUpdates || !p.choice.happens("updates") {
		return
	}
	p.WithContainers()
	p.World.containers.behind = 550 * time.Millisecond // half a second is as long as a handover waits
	for _, s := range sets {
		d := p.choice.of("updates." + s.Name)
		u := &s.Spec.UpdateStrategy
		u.InPlace = []v1alpha1.InPlaceMode{v1alpha1.InPlaceOnly, v1alpha1.InPlacePrefer, v1alpha1.InPlacePrefer, v1alpha1.InPlaceNever}[d.Intn(4)]
		u.MaxUnavailable = ptr.To(intstr.Parse([]string{"1", "2", "50%"}[d.Intn(3)]))
		if len(s.Spec.Roles) > 0 {
			u.Switchover = []v1alpha1.UpdateSwitchover{"", "", "", v1alpha1.UpdateSwitchoverBestEffort, v1alpha1.UpdateSwitchoverNone}[d.Intn(5)]
		}
		s.Spec.MinReadySeconds = []int32{0, 0, 5}[d.Intn(3)]
		p.giveConfiguration(s)
		if d.chance(0.5) {
			s.Spec.Template.Spec.Containers = append(s.Spec.Template.Spec.Containers, corev1.Container{Name: "exporter", Image: "exporter"})
		}
	}
	if d := p.choice.of("order faults"); p.ha != nil && d.chance(0.5) && p.choice.happens("orders") {
		p.ha.orders = orderFaults{d.Float64() * 0.1, d.Float64() * 0.1, d.Float64() * 0.1, d.between(time.Second, time.Minute)}
	}
}

// updateTrouble is something that people do.
type updateTrouble struct {
	name   string
	weight int
	do     func(*play, dice, *v1alpha1.InstanceSet) string
}

// updateTroubles are what people do to templates, and to Switchovers.
var updateTroubles = []updateTrouble{
	{"image", 8, setImage},
	{"label", 3, setLabel},
	{"cpu", 4, setCPU},
	{"toleration", 1, addToleration},
	{"env", 2, setEnv},
	{"undo", 3, (*play).undo},
	{"strategy", 3, setStrategy},
	{"handover", 3, (*play).askForHandover},
}

// quiet seeds have updates and what befalls calls and events, and nothing else.
func (p *play) quiet() bool { return p.updates() && p.choice.of("quiet").chance(0.4) }

func (p *play) drawUpdates() {
	if !p.updates() {
		return
	}
	d := p.choice.of("troubles of updates")
	var bag []int
	troubles := updateTroubles
	if p.choice.seed >= farm.FirstWithConfigurations {
		troubles = append(slices.Clip(troubles), updateTrouble{"parameters", 8, changeParameters})
	}
	for n, t := range troubles {
		for range t.weight {
			bag = append(bag, n)
		}
		if d.chance(0.3) {
			bag = bag[:len(bag)-t.weight]
		}
	}
	for n, at := 0, d.between(0, 60*time.Second); at < trouble && len(bag) > 0; n, at = n+1, at+d.between(time.Second, 150*time.Second) {
		t := troubles[bag[d.Intn(len(bag))]]
		name := fmt.Sprintf("%s.%d", t.name, n)
		p.after(at, "update", func() {
			if p.over || !p.choice.happens(name) {
				return
			}
			d := p.choice.of(name)
			if s := p.someSet(d); s != nil {
				if what := t.do(p, d, s); what != "" {
					p.tell("user", "updates %s: %s", s.Name, what)
					p.must(p.user.update(p.ctx, s, ""))
				}
			}
		})
	}
}

func setImage(_ *play, d dice, s *v1alpha1.InstanceSet) string {
	all := s.Spec.Template.Spec.Containers
	c := &all[0]
	if d.chance(0.25) {
		c = &all[len(all)-1]
	}
	c.Image = []string{"good:1", "good:2", "good:3", BadImage + ":1", BadImage + ":2"}[d.Intn(5)]
	return c.Name + " is " + c.Image
}

func setLabel(_ *play, d dice, s *v1alpha1.InstanceSet) string {
	value := []string{"", "x", "y"}[d.Intn(3)]
	s.Spec.Template.Labels = map[string]string{"team": value}
	if value == "" {
		s.Spec.Template.Labels = nil
	}
	return "label team=" + value
}

func setCPU(_ *play, d dice, s *v1alpha1.InstanceSet) string {
	cpu := []string{"1", "1500m", "2", "2", "7", "100"}[d.Intn(6)]
	s.Spec.Template.Spec.Containers[0].Resources.Requests = corev1.ResourceList{corev1.ResourceCPU: resource.MustParse(cpu)}
	return "cpu=" + cpu
}

func addToleration(_ *play, _ dice, s *v1alpha1.InstanceSet) string {
	key := fmt.Sprintf("taint-%d", len(s.Spec.Template.Spec.Tolerations))
	s.Spec.Template.Spec.Tolerations = append(s.Spec.Template.Spec.Tolerations, corev1.Toleration{Key: key, Operator: corev1.TolerationOpExists})
	return "tolerates " + key
}

func setEnv(_ *play, d dice, s *v1alpha1.InstanceSet) string {
	value := []string{"a", "b"}[d.Intn(2)]
	s.Spec.Template.Spec.Containers[0].Env = []corev1.EnvVar{{Name: "X", Value: value}}
	return "env X=" + value
}

// undo puts the template back that the set began with.
func (p *play) undo(_ dice, s *v1alpha1.InstanceSet) string {
	s.Spec.Template = *goodTemplate(s)
	p.goodConfiguration(s)
	return "the first template is back"
}

func setStrategy(_ *play, d dice, s *v1alpha1.InstanceSet) string {
	u := &s.Spec.UpdateStrategy
	switch d.Intn(4) {
	case 0:
		u.Partition = d.Int31n(*s.Spec.Replicas + 1)
	case 1:
		u.Type = []v1alpha1.UpdateStrategyType{v1alpha1.UpdateOnDelete, v1alpha1.RollingUpdate}[d.Intn(2)]
	case 2:
		u.InPlace = []v1alpha1.InPlaceMode{v1alpha1.InPlaceOnly, v1alpha1.InPlacePrefer, v1alpha1.InPlaceNever}[d.Intn(3)]
	default:
		u.MaxUnavailable = ptr.To(intstr.FromInt32(1 + d.Int31n(3)))
	}
	return fmt.Sprintf("strategy %s %s partition=%d maxUnavailable=%s", u.Type, u.InPlace, u.Partition, u.MaxUnavailable)
}

// askForHandover has a person ask for a switchover of some shard, or delete one.
func (p *play) askForHandover(d dice, s *v1alpha1.InstanceSet) string {
	there := all[*v1alpha1.Switchover](p.World)
	switch {
	case len(s.Spec.Roles) == 0:
	case len(there) > 0 && d.chance(0.4):
		one := there[d.Intn(len(there))]
		p.tell("user", "deletes switchover %s", one.Name)
		p.must(p.user.remove(p.ctx, one.DeepCopy(), metav1.DeleteOptions{}))
	default:
		shard := fmt.Sprintf("%s-%d", s.Name, d.Int31n(max(1, *s.Spec.Replicas / *s.Spec.ShardSize)))
		p.tell("user", "asks for a switchover of %s", shard)
		one := &v1alpha1.Switchover{ObjectMeta: metav1.ObjectMeta{Namespace: Namespace, Name: fmt.Sprintf("by-hand-%d", d.Intn(1_000_000))}}
		one.Spec = v1alpha1.SwitchoverSpec{InstanceSet: s.Name, Shard: shard, TTLSecondsAfterFinished: ptr.To[int32](60)}
		p.must(p.user.create(p.ctx, one))
	}
	return ""
}

// goodTemplate is one that every set can have.
func goodTemplate(s *v1alpha1.InstanceSet) *corev1.PodTemplateSpec {
	t := s.Spec.Template.DeepCopy()
	t.Labels = nil
	t.Spec.Containers[0] = Set("", 0, 0, 0).Spec.Template.Spec.Containers[0]
	for n := range t.Spec.Containers[1:] {
		t.Spec.Containers[n+1].Image = t.Spec.Containers[n+1].Name
	}
	return t
}

// healUpdates has people put a good template in, and wait for it.
func (p *play) healUpdates() {
	if !p.updates() {
		return
	}
	if p.ha != nil {
		p.ha.orders = orderFaults{}
	}
	p.World.containers.behind = 0 // a replica that lags by more than a handover waits is asked in vain for ever
	for _, name := range p.machineNames() {
		for _, process := range p.machines[name].running {
			if process.engine != nil {
				process.engine.behind = 0
			}
		}
	}
	good := func(s *v1alpha1.InstanceSet) {
		s.Spec.Template = *goodTemplate(s)
		p.goodConfiguration(s)
		u := &s.Spec.UpdateStrategy
		u.Type, u.Partition, u.InPlace = v1alpha1.RollingUpdate, 0, v1alpha1.InPlacePrefer
	}
	for _, name := range p.sets {
		if next := p.coming[name]; next != nil {
			good(next)
		}
	}
	for _, set := range all[*v1alpha1.InstanceSet](p.World) {
		s := set.DeepCopy()
		good(s)
		p.tell("user", "updates %s: a good template", s.Name)
		p.must(p.user.update(p.ctx, s, ""))
	}
	p.must(p.pump())
}

// updated reports whether a set is up to date, or its update waits for something that a person has to see to; and every Switchover
// has gone.
func (p *play) updated(set *v1alpha1.InstanceSet) bool {
	if !p.updates() {
		return true
	}
	if slices.ContainsFunc(all[*v1alpha1.Switchover](p.World), func(s *v1alpha1.Switchover) bool { return s.Spec.InstanceSet == set.Name }) {
		return false
	}
	c := meta.FindStatusCondition(set.Status.Conditions, v1alpha1.ConditionUpdating)
	if c == nil {
		return false
	}
	switch c.Reason {
	case reason.UpToDate.Name():
		return true
	case reason.MasterWaits.Name(): // it may be alone
		return len(set.Spec.OfflineInstances) > 0
	case reason.ClaimGoing.Name():
		return slices.ContainsFunc(all[*corev1.PersistentVolumeClaim](p.World), func(claim *corev1.PersistentVolumeClaim) bool {
			return claim.Labels[v1alpha1.LabelInstanceSet] == set.Name && claim.DeletionTimestamp != nil
		})
	}
	return false
}

// Updates is how far the update of a set is, in its own words.
func (w *World) Updates(name string) string {
	set, there := find[*v1alpha1.InstanceSet](w, types.NamespacedName{Namespace: Namespace, Name: name})
	if !there {
		return "there is no set " + name + "\n"
	}
	var b strings.Builder
	if c := meta.FindStatusCondition(set.Status.Conditions, v1alpha1.ConditionUpdating); c != nil {
		fmt.Fprintf(&b, "Updating=%s/%s: %s\n", c.Status, c.Reason, c.Message)
	}
	for _, pod := range all[*corev1.Pod](w) {
		if pod.Labels[v1alpha1.LabelInstanceSet] == name {
			fmt.Fprintf(&b, "%s uid=%s %s\n", pod.Name, pod.UID, strings.TrimSpace(w.Containers(pod.Name)+" "+w.extras(pod.Name)))
		}
	}
	return b.String()
}
