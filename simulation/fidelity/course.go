package fidelity

import (
	"encoding/json"
	"fmt"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

// course is the part of the script that is not left to chance: every kind of request that the reconcilers send, in the
// form in which they send it, every way of deleting an owner, and every rule of CRDs and admission policies broken once.
func course() []Step {
	var c courseWriter
	c.life()
	c.overtaken()
	for _, cascade := range []metav1.DeletionPropagation{metav1.DeletePropagationBackground, metav1.DeletePropagationForeground, metav1.DeletePropagationOrphan} {
		c.cascade(cascade)
	}
	c.rules()
	return c.steps
}

type courseWriter struct{ steps []Step }

func (c *courseWriter) add(steps ...Step) { c.steps = append(c.steps, steps...) }

func create(kind, name, object string) Step {
	return Step{Verb: "create", As: "manager", Kind: kind, Name: name, Object: json.RawMessage(object)}
}

func (s Step) ownedBy(set string) Step {
	s.Owner = set
	return s
}

func (s Step) by(user string) Step {
	s.As = user
	return s
}

// mergePatch is a patch as the manager sends it: with the UID, and with the version where the decision rests on the content.
func mergePatch(kind, name, change string) Step {
	return Step{Verb: "patch", As: "manager", Kind: kind, Name: name, How: types.MergePatchType, Change: json.RawMessage(change), UID: "current", Seen: "current"}
}

func remove(kind, name string) Step {
	return Step{Verb: "delete", As: "manager", Kind: kind, Name: name, UID: "current", Seen: "current"}
}

const (
	courseSet = `{"spec":{"replicas":2,"template":{"spec":{"containers":[` + container + `]}},` +
		`"volumeClaimTemplates":[{"metadata":{"name":"data"},"spec":{"storageClassName":"slow",` + claimSpec + `}}]}}`
	courseLabels = `"labels":{"shoal.dev/instance-set":"life","shoal.dev/ordinal":"0","shoal.dev/placement-policy":"life"}`
	coursePod    = `{"metadata":{` + courseLabels + `},"spec":{"schedulerName":"shoal-scheduler",` + podSpec + `}}`
	courseClaim  = `{"metadata":{` + courseLabels + `,"annotations":{"shoal.dev/rebuild-generation":"0"}},"spec":{"storageClassName":"slow",` + claimSpec + `}}`
	coursePolicy = `{"spec":{"replicas":2,"maxInstancesPerNode":1,"maxNodes":2}}`
	courseBudget = `{"metadata":{"labels":{"shoal.dev/instance-set":"life"}},"spec":{"maxUnavailable":0,"selector":{"matchLabels":{"shoal.dev/instance-set":"life"}}}}`
	courseVolume = `{"spec":{"capacity":{"storage":"1Gi"},"accessModes":["ReadWriteOnce"],"storageClassName":"slow","persistentVolumeReclaimPolicy":"Delete","local":{"path":"/data/v"},` + affinity + `}}`
	addHold      = `{"metadata":{"finalizers":["shoal.dev/instance-set"]}}`
	dropHold     = `{"metadata":{"finalizers":null}}`
)

// life is that of a set, from its creation to its end, with a rebuild and a scale-in.
func (c *courseWriter) life() {
	c.add(create("set", "life", courseSet).by(""), mergePatch("set", "life", addHold),
		create("service", "life", `{"spec":{"clusterIP":"None","selector":{"shoal.dev/instance-set":"life"},"ports":[{"name":"redis","port":6379}]}}`).ownedBy("life"),
		create("budget", "life", courseBudget).ownedBy("life"), create("budget", "life", courseBudget).ownedBy("life"),
		mergePatch("budget", "life", `{"spec":{"maxUnavailable":1}}`).by(""), mergePatch("budget", "life", `{"spec":{"maxUnavailable":0}}`),
		mergePatch("budget", "life", `{"spec":{"minAvailable":1}}`).by(""), remove("budget", "life"), create("budget", "life", courseBudget).ownedBy("life"),
		create("policy", "life", coursePolicy).ownedBy("life"),
		create("claim", "data-life-0", courseClaim), create("pod", "life-0", coursePod).ownedBy("life"))
	bind := Step{Verb: "bind", Kind: "pod", Name: "life-0", Node: "n-0", UID: "current"}
	ready := mergePatch("pod", "life-0", `{"status":{"phase":"Running","conditions":[{"type":"Ready","status":"True","lastTransitionTime":"2026-01-01T00:00:00Z"}]}}`)
	ready.Sub = "status"
	status := mergePatch("set", "life", `{"status":{"observedGeneration":1,"replicas":2,"readyReplicas":1}}`)
	status.Sub = "status"
	usage := mergePatch("policy", "life", `{"status":{"observedGeneration":1,"replicas":2,"instances":1,"nodesUsed":1}}`)
	usage.Sub = "status"
	resize := Step{
		Verb: "patch", Kind: "pod", Name: "life-0", Sub: "resize", How: types.StrategicMergePatchType,
		Change: json.RawMessage(`{"spec":{"containers":[{"name":"redis","resources":{"requests":{"cpu":"200m"}}}]}}`),
	}
	c.add(resize, bind, ready, status, status, usage, // later, NodeDeclaredFeatures would ask what the kubelet of the node can do
		Step{Verb: "scale", Kind: "set", Name: "life", Number: 4, Seen: "current"}, mergePatch("policy", "life", `{"spec":{"replicas":4}}`))
	force := remove("pod", "life-0")
	force.Force = true
	c.add(create("volume", "life", courseVolume).by(""), mergePatch("volume", "life", `{"metadata":{"annotations":{"shoal.dev/retained-for":"ns/life-0","shoal.dev/rebuild-generation":"0"}},"spec":{"persistentVolumeReclaimPolicy":"Retain"}}`),
		mergePatch("claim", "data-life-0", `{"metadata":{"labels":{"shoal.dev/lost":"u1"}}}`), mergePatch("pod", "life-0", `{"metadata":{"labels":{"shoal.dev/lost":"u1"}}}`),
		force, remove("claim", "data-life-0"), create("claim", "data-life-0", courseClaim), mergePatch("claim", "data-life-0", dropHold),
		create("claim", "data-life-0", courseClaim), create("pod", "life-0", coursePod).ownedBy("life"), create("pod", "life-0", coursePod).ownedBy("life"),
		mergePatch("claim", "data-life-0", `{"metadata":{"labels":{"shoal.dev/retired":"true"}}}`), mergePatch("claim", "data-life-0", `{"metadata":{"labels":{"shoal.dev/retired":null}}}`),
		remove("set", "life").by(""), remove("pod", "life-0"), mergePatch("set", "life", `{"spec":{"replicas":5}}`), mergePatch("set", "life", dropHold), Step{Verb: "collect"})
}

// overtaken are requests for an object that has changed, or that is another one by now.
func (c *courseWriter) overtaken() {
	c.add(create("set", "late", courseSet), create("pod", "late-0", coursePod).ownedBy("late"), create("claim", "data-late-0", courseClaim),
		create("policy", "late", coursePolicy).ownedBy("late"))
	for _, o := range [][2]string{{"set", "late"}, {"pod", "late-0"}, {"claim", "data-late-0"}, {"policy", "late"}} {
		const note = `{"metadata":{"annotations":{"example.com/note":"a"}}}`
		stale, other := mergePatch(o[0], o[1], note), mergePatch(o[0], o[1], note)
		stale.Seen, other.UID, other.Seen = "stale", "other", ""
		staleUpdate := Step{Verb: "update", As: "manager", Kind: o[0], Name: o[1], Change: stale.Change, Seen: "stale"}
		staleDelete, otherDelete := remove(o[0], o[1]), remove(o[0], o[1])
		staleDelete.Seen, otherDelete.UID, otherDelete.Seen = "stale", "other", ""
		change := mergePatch(o[0], o[1], `{"metadata":{"annotations":{"example.com/note":"b"}}}`)
		gone := mergePatch(o[0], o[1]+"-gone", note)
		c.add(change, stale, other, staleUpdate, staleDelete, otherDelete, gone, remove(o[0], o[1]+"-gone"))
	}
	stale := Step{Verb: "scale", Kind: "set", Name: "late", Number: 6, Seen: "stale"}
	c.add(stale, remove("set", "late"), Step{Verb: "collect"})
}

// cascade deletes an owner of a pod, a policy, a claim with the protection of its kind, and a pod that something holds.
func (c *courseWriter) cascade(how metav1.DeletionPropagation) {
	set := "c-" + strings.ToLower(string(how))
	end := remove("set", set)
	end.Cascade = how
	c.add(create("set", set, courseSet), create("pod", set+"-0", coursePod).ownedBy(set), create("policy", set, coursePolicy).ownedBy(set),
		create("pod", set+"-held", `{"metadata":{"finalizers":["example.com/hold"]},"spec":{`+podSpec+`}}`).ownedBy(set),
		end, Step{Verb: "collect"}, mergePatch("pod", set+"-held", dropHold), Step{Verb: "collect"}, mergePatch("set", set, `{"metadata":{"labels":{"a":"b"}}}`))
}

const courseRoles = `"roles":[{"name":"master","exclusive":true,"service":"PerShard"},{"name":"replica"}],"roleProvider":{"type":"Static"}`

// rules breaks every rule of the CRDs and of the admission policies that the objects to draw from may miss.
func (c *courseWriter) rules() {
	spec := func(inner string) string {
		return `{"spec":{"template":{"spec":{"containers":[` + container + `]}},` + inner + `}}`
	}
	claim := func(names ...string) string {
		var list []string
		for _, n := range names {
			list = append(list, fmt.Sprintf(`{"metadata":{"name":%q},"spec":{%s}}`, n, claimSpec))
		}
		return `"volumeClaimTemplates":[` + strings.Join(list, ",") + `]`
	}
	for _, broken := range [][2]string{
		{"a.b", `"replicas":1`}, {strings.Repeat("a", 53), `"replicas":1`}, {"x", `"replicas":2,"templates":[{"name":"a","replicas":3}]`},
		{"x", `"replicas":2,"ordinals":{"ranges":[{"start":0,"end":3}],"discrete":[2]}`}, {"x", `"replicas":0,"ordinals":{}`},
		{"x", `"replicas":2,"templates":[{"name":"a"},{"name":"a"}]`}, {"x", `"replicas":2,"templates":[{"name":"a","volumes":[{"name":"none","storage":"1Gi"}]}]`}, {"x", `"replicas":2,` + claim("a", "a")},
		{"x", `"replicas":5,"shardSize":2`}, {"x", `"replicas":5,"ordinals":{"discrete":[1,2]}`}, {"x", `"ordinals":{"ranges":[{"start":3,"end":1}]}`},
		{"x", `"replicas":2,"ordinals":{"ranges":[{"start":0,"end":3},{"start":2,"end":5}]}`}, {"x", `"placement":{"maxInstancesPerNode":"200%"}`},
		{"x", `"placement":{"maxNodes":1},"placementPolicyRef":{"name":"team"}`},
		{strings.Repeat("a", 46), `"replicas":2,"shardSize":2,` + courseRoles}, {"x", courseRoles}, {"x", `"replicas":202,"shardSize":2,` + courseRoles},
		{"x", `"replicas":2,"shardSize":2,"roles":[{"name":"master","exclusive":true}]`}, {"x", `"replicas":2,"shardSize":2,"roles":[{"name":"replica"}],"roleProvider":{"type":"Static"}`},
		{"x", `"redis":{"username":"default"}`}, {"x", `"replicas":2,"configuration":{"parameters":[]}`}, {"x", `"updateStrategy":{"maxUnavailable":0}`},
		{"x", `"replicas":2,"shardSize":2,"roles":[{"name":"master","exclusive":true}],"roleProvider":{"type":"Sentinel","sentinel":{"addresses":["s-0.s:0"]}}`},
		{"x", `"replicas":2,"shardSize":2,"roles":[{"name":"master"}],"roleProvider":{"type":"Static"}`}, {"x", `"replicas":2,"shardSize":2,"roles":[{"name":"master","exclusive":true}],"roleProvider":{"type":"Sentinel"}`},
	} {
		c.add(create("set", broken[0], spec(broken[1])).by(""))
	}
	c.add(create("set", "x", spec(`"replicas":4,"shardSize":2,"placementPolicyRef":{"name":"team"},`+courseRoles+`,"configuration":{"container":"redis"},`+claim("a", "b"))).by(""))
	for _, change := range []string{
		`"shardSize":4`, `"configuration":{"container":"other"}`, `"configuration":{"container":"redis","parameters":[{"name":"hz","value":"20"}]}`, `"roles":null,"roleProvider":null`, `"placementPolicyRef":{"name":"other"}`, claim("b", "a"), claim("a"), claim("a", "c"),
		`"volumeClaimTemplates":[{"metadata":{"name":"a"},"spec":{"storageClassName":"fast",` + claimSpec + `}},{"metadata":{"name":"b"},"spec":{` + claimSpec + `}}]`,
	} {
		c.add(mergePatch("set", "x", `{"spec":{`+change+`}}`).by(""))
	}
	c.add(create("policy", strings.Repeat("p", 64), coursePolicy).by(""), create("policy", "x", `{"spec":{"replicas":1,"maxInstancesPerNode":"0%"}}`).by(""),
		create("policy", "x", `{"spec":{"replicas":1,"scaleTargetRefs":[{"kind":"InstanceSet","name":"r"}]}}`).by(""))
	c.add(create("switchover", "x", `{"spec":{"instanceSet":"r","shard":"r-01"}}`).by(""), create("switchover", "x", `{"spec":{"instanceSet":"r","shard":"r-1"}}`).by(""),
		mergePatch("switchover", "x", `{"spec":{"to":"r-3"}}`).by(""))
	c.labels()
}

// labels breaks the rules of the admission policy: only the manager may write what decides who holds a slot.
func (c *courseWriter) labels() {
	c.add(create("pod", "x-0", coursePod).by(""), create("pod", "x-1", `{"spec":{`+podSpec+`}}`).by(""),
		create("claim", "data-x-0", `{"metadata":{"labels":{"shoal.dev/retired":"true"}},"spec":{`+claimSpec+`}}`).by(""), create("claim", "data-x-0", courseClaim).by(""))
	for _, label := range []string{`"shoal.dev/lost":"u1"`, `"shoal.dev/retired":"true"`, `"shoal.dev/ordinal":"1"`, `"shoal.dev/shard":"s"`, `"shoal.dev/role":"master"`} {
		for _, o := range [][2]string{{"pod", "x-0"}, {"pod", "x-1"}, {"claim", "data-x-0"}} {
			p := mergePatch(o[0], o[1], `{"metadata":{"labels":{`+label+`}}}`)
			c.add(p.by(""))
		}
	}
	c.guard()
	bind := Step{Verb: "bind", Kind: "pod", Name: "x-1", Node: "n-0", Object: json.RawMessage(`{"metadata":{"labels":{"shoal.dev/placement-policy":"other"}}}`)}
	c.add(bind, bind.by("manager"))
}

// guard breaks the rules of the policy that guards instances, and does what it allows.
func (c *courseWriter) guard() {
	c.add(create("pod", "g-0", coursePod))
	force := remove("pod", "g-0").by("")
	force.Force = true
	for _, allowed := range []string{`"false"`, `"true"`} {
		relabel := mergePatch("pod", "g-0", `{"metadata":{"labels":{"shoal.dev/revision":`+allowed+`}}}`).by("")
		allow := mergePatch("pod", "g-0", `{"metadata":{"annotations":{"shoal.dev/allow-disruption":`+allowed+`}}}`).by("")
		slot := mergePatch("pod", "g-0", `{"metadata":{"labels":{"shoal.dev/ordinal":"7"}}}`).by("")
		c.add(relabel, allow, relabel, slot, force)
	}
	c.add(create("pod", "g-0", coursePod), remove("pod", "g-0").by("manager"))
}
