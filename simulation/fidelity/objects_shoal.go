package fidelity

import (
	policyv1 "k8s.io/api/policy/v1"

	"github.com/shoal-dev/shoal/api/v1alpha1"
)

func sets() kind {
	template := `"template":{"spec":{"containers":[` + container + `]}}`
	claims := `"volumeClaimTemplates":[{"metadata":{"name":"data"},"spec":{"storageClassName":"slow",` + claimSpec + `}}]`
	return kind{
		empty: &v1alpha1.InstanceSet{}, names: []string{"r", "s", "t"}, weight: 5,
		good: []string{
			`{"spec":{"replicas":6,"shardSize":2,"placement":{"maxInstancesPerNode":2,"maxNodes":3},` + template + `,` + claims + `}}`,
			`{"spec":{"replicas":3,` + template + `}}`, `{"spec":{"paused":true,"rebuild":{"mode":"Automatic","holderCheck":"None"},` + template + `}}`,
			`{"metadata":{"finalizers":["shoal.dev/instance-set"]},"spec":{"replicas":2,"placementPolicyRef":{"name":"team"},` + template + `}}`,
			`{"spec":{"replicas":4,"ordinals":{"ranges":[{"start":0,"end":2}],"discrete":[7]},"placement":{"maxInstancesPerNode":"25%"},` + template + `}}`,
			`{"spec":{"replicas":3,"templates":[{"name":"big","replicas":1,"containers":[{"name":"redis","image":"redis:8"}]}],"offlineInstances":[1],"minReadySeconds":5,"persistentVolumeClaimRetentionPolicy":{"whenScaled":"Delete"},` + template + `,` + claims + `}}`,
		},
		bad: []string{
			`{"spec":{"replicas":5,"shardSize":2,` + template + `}}`, `{"spec":{"replicas":-1,` + template + `}}`, `{"spec":{"placement":{"maxNodes":0},` + template + `}}`,
			`{"spec":{"placement":{"maxNodes":1},"placementPolicyRef":{"name":"team"},` + template + `}}`, `{"spec":{"replicas":5,"ordinals":{"discrete":[1,2]},` + template + `}}`,
			`{"spec":{"placement":{"maxInstancesPerNode":"200%"},` + template + `}}`, `{"spec":{"ordinals":{"ranges":[{"start":3,"end":1}]},` + template + `}}`,
			`{"spec":{"ordinals":{"ranges":[{"start":0,"end":3},{"start":2,"end":5}]},"replicas":2,` + template + `}}`, `{"spec":{"rebuild":{"mode":"Sometimes"},` + template + `}}`,
			`{"spec":{"templates":[{"name":"a"},{"name":"a"}],` + template + `}}`, `{"spec":{"ordinals":{},` + template + `}}`,
			`{"spec":{"replicas":2,"offlineInstances":[1,1],` + template + `}}`, `{"spec":{"placement":{"mode":"Whatever"},` + template + `}}`,
		},
		changes: []string{
			`{"spec":{"replicas":8}}`, `{"spec":{"replicas":7}}`, `{"spec":{"replicas":-1}}`, `{"spec":{"shardSize":3}}`, `{"spec":{"shardSize":null}}`, `{"spec":{"paused":true}}`, `{"spec":{"paused":null}}`,
			`{"spec":{"volumeClaimTemplates":null}}`, `{"spec":{"placement":{"maxNodes":4}}}`, `{"spec":{"placement":{"maxInstancesPerNode":"0%"}}}`, `{"spec":{"placement":{"mode":"Strict"}}}`,
			`{"spec":{"offlineInstances":[0]}}`, `{"spec":{"rebuild":{"mode":"Never"}}}`, `{"spec":{"rebuild":null}}`, `{"spec":{"template":{"spec":{"containers":[{"name":"redis","image":"redis:8"}]}}}}`,
			`{"spec":{"persistentVolumeClaimRetentionPolicy":{"whenDeleted":"Delete"}}}`, `{"spec":{"placementPolicyRef":{"name":"x"},"placement":null}}`,
			`{"spec":{"template":{"metadata":{"labels":{"app":"redis"}}}}}`, `{"metadata":{"finalizers":["shoal.dev/instance-set"]}}`, `{"spec":{"replicas":"three"}}`, `{"status":{"readyReplicas":3}}`,
		},
		status: []string{
			`{"status":{"observedGeneration":1,"replicas":3,"readyReplicas":2,"availableReplicas":2,"updatedReplicas":3,"nodes":2,"maxPerNode":2,"selector":"shoal.dev/instance-set=r"}}`,
			`{"status":{"replicas":6,"conditions":[{"type":"Ready","status":"True","reason":"AllReady","message":"","lastTransitionTime":"2026-01-01T00:00:00Z"}]}}`,
			`{"status":{"conditions":[{"type":"Ready","status":"Perhaps","reason":"AllReady","message":"","lastTransitionTime":"2026-01-01T00:00:00Z"}]}}`,
			`{"status":{"exceptions":[{"ordinal":1,"reason":"SHOAL2212","message":"the pod is not Ready"}]}}`, `{"status":{"readyReplicas":-1}}`, `{"spec":{"paused":true},"status":{"bootstrapped":"0-2"}}`,
		},
	}
}

func policies() kind {
	return kind{
		empty: &v1alpha1.PlacementPolicy{}, names: []string{"r", "team"}, weight: 3,
		good: []string{
			`{"spec":{"replicas":6,"maxInstancesPerNode":2,"maxNodes":3,"shards":3}}`, `{"spec":{"scaleTargetRefs":[{"kind":"StatefulSet","name":"w"},{"kind":"InstanceSet","name":"r"}],"maxInstancesPerNode":"50%"}}`,
			`{"spec":{"replicas":0,"shardSpread":[{"topologyKey":"kubernetes.io/hostname","max":2}],"mode":"BestEffort"}}`,
		},
		bad: []string{
			`{"spec":{}}`, `{"spec":{"replicas":1,"scaleTargetRefs":[{"kind":"InstanceSet","name":"r"}]}}`, `{"spec":{"replicas":1,"maxInstancesPerNode":0}}`, `{"spec":{"replicas":1,"maxInstancesPerNode":"many"}}`,
			`{"spec":{"replicas":1,"shardSpread":[{"topologyKey":"zone","max":1}]}}`, `{"spec":{"scaleTargetRefs":[{"kind":"Deployment","name":"r"}]}}`, `{"spec":{"replicas":1,"mode":"Loose"}}`,
		},
		changes: []string{
			`{"spec":{"replicas":7}}`, `{"spec":{"replicas":null}}`, `{"spec":{"maxNodes":5}}`, `{"spec":{"maxNodes":-5}}`, `{"spec":{"mode":"Strict"}}`, `{"spec":{"maxInstancesPerNode":"101%"}}`, `{"spec":{"shards":2}}`,
			`{"spec":{"shardSpread":null}}`, `{"spec":{"scaleTargetRefs":[{"kind":"InstanceSet","name":"s"}],"replicas":null}}`, `{"status":{"replicas":3}}`,
		},
		status: []string{
			`{"status":{"observedGeneration":1,"replicas":6,"instances":5,"nodesUsed":3,"fewestNodes":3,"perNode":{"min":1,"max":2}}}`, `{"status":{"replicas":6,"instances":0,"nodesUsed":0,"targets":[{"kind":"InstanceSet","name":"r","replicas":6}]}}`,
			`{"status":{"replicas":6}}`, `{"spec":{"replicas":9},"status":{"replicas":1,"instances":1,"nodesUsed":1,"blastRadius":{"instances":1,"percent":100}}}`,
		},
	}
}

// budgets are asked for by the course alone, as are switchovers.
func budgets() kind { return kind{empty: &policyv1.PodDisruptionBudget{}, names: []string{"r"}} }

// switchovers are asked for by the course alone.
func switchovers() kind { return kind{empty: &v1alpha1.Switchover{}, names: []string{"x"}} }
