package fidelity

import (
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

const namespace = "ns"

// kind is what a script does with the objects of one kind. Texts are JSON; the objects to create have no name.
type kind struct {
	empty     client.Object
	clustered bool // it has no namespace
	names     []string
	good, bad []string // to create
	changes   []string // merge patches, in order or not
	strategic []string // strategic merge patches
	status    []string // merge patches of the status
	weight    int
}

// empty is an object that names one.
func empty(kind, name string) client.Object {
	k := kinds()[kind]
	o := k.empty
	o.SetName(name)
	if !k.clustered {
		o.SetNamespace(namespace)
	}
	return o
}

// Of every kind.
func metadataChanges() []string {
	return []string{
		`{"metadata":{"labels":{"a":"b"}}}`, `{"metadata":{"labels":{"a":null}}}`, `{"metadata":{"labels":{"a":"c","x/y":"z"}}}`,
		`{"metadata":{"labels":{"not a label":"b"}}}`, `{"metadata":{"labels":{"a":"not a value!"}}}`,
		`{"metadata":{"annotations":{"example.com/note":"anything, really"}}}`, `{"metadata":{"annotations":{"not an annotation":"b"}}}`,
		`{"metadata":{"finalizers":["example.com/hold"]}}`, `{"metadata":{"finalizers":null}}`, `{"metadata":{"finalizers":["hold"]}}`,
		`{"metadata":{"uid":"other"}}`, `{"metadata":{"name":"another"}}`, `{"metadata":{"generation":77}}`, `{"metadata":{"creationTimestamp":null}}`,
		`{"metadata":{"deletionTimestamp":"2030-01-01T00:00:00Z"}}`, `{}`, `{"unknown":{"field":1}}`, `{"spec":"a string"}`, `[]`,
	}
}

func metadataOperations() []string {
	return []string{
		`[{"op":"add","path":"/metadata/labels","value":{"a":"d"}}]`, `[{"op":"test","path":"/metadata/labels/a","value":"d"}]`,
		`[{"op":"remove","path":"/metadata/nothing"}]`, `[{"op":"replace","path":"/metadata/labels/a","value":"e"}]`, `{}`,
	}
}

const (
	container = `{"name":"redis","image":"redis:7","resources":{"requests":{"cpu":"100m","memory":"64Mi"}}}`
	podSpec   = `"automountServiceAccountToken":false,"containers":[` + container + `]`
	claimSpec = `"accessModes":["ReadWriteOnce"],"resources":{"requests":{"storage":"1Gi"}}`
	affinity  = `"nodeAffinity":{"required":{"nodeSelectorTerms":[{"matchExpressions":[{"key":"kubernetes.io/hostname","operator":"In","values":["n-0"]}]}]}}`
)

func kinds() map[string]kind {
	return map[string]kind{"pod": pods(), "claim": claims(), "volume": volumes(), "node": nodes(), "service": services(),
		"workload": workloads(), "class": classes(), "set": sets(), "policy": policies(), "switchover": switchovers(), "budget": budgets()}
}

func pods() kind {
	return kind{
		empty: &corev1.Pod{}, names: []string{"r-0", "r-1", "r-2", "p-0"}, weight: 6,
		good: []string{
			`{"spec":{` + podSpec + `}}`,
			`{"metadata":{"labels":{"shoal.dev/placement-policy":"r","shoal.dev/shard":"r-0"}},"spec":{"schedulerName":"shoal-scheduler",` + podSpec + `}}`,
			`{"metadata":{"labels":{"shoal.dev/instance-set":"r","shoal.dev/ordinal":"0","shoal.dev/cluster":"c"},"finalizers":["example.com/hold"]},"spec":{"terminationGracePeriodSeconds":10,` + podSpec + `}}`,
			`{"spec":{"tolerations":[{"key":"node.kubernetes.io/not-ready","operator":"Exists"},{"key":"node.kubernetes.io/unreachable","operator":"Exists"}],"volumes":[{"name":"data","persistentVolumeClaim":{"claimName":"data-r-0"}}],` + podSpec + `}}`,
			`{"spec":{"nodeName":"n-0",` + podSpec + `}}`,
			`{"metadata":{"generateName":"ignored-"},"spec":{"hostname":"r-0","subdomain":"r","restartPolicy":"Never",` + podSpec + `}}`,
		},
		bad: []string{
			`{"spec":{"containers":[]}}`, `{"spec":{"restartPolicy":"Sometimes",` + podSpec + `}}`,
			`{"metadata":{"labels":{"shoal.dev/lost":"u1"}},"spec":{` + podSpec + `}}`,
			`{"spec":{"containers":[{"name":"Not A Name","image":"redis"}]}}`, `{"spec":{"priorityClassName":"no-such-class",` + podSpec + `}}`,
			`{"spec":{"containers":[{"name":"a","image":"a","resources":{"requests":{"cpu":"2"},"limits":{"cpu":"1"}}}]}}`,
			`{"spec":{"nodeSelector":{"a b":"c"},` + podSpec + `}}`,
		},
		changes: []string{
			`{"metadata":{"labels":{"shoal.dev/lost":"u1"}}}`, `{"metadata":{"labels":{"shoal.dev/lost":null}}}`, `{"metadata":{"labels":{"shoal.dev/ordinal":"7"}}}`,
			`{"metadata":{"labels":{"shoal.dev/placement-policy":"other"}}}`, `{"metadata":{"labels":{"shoal.dev/shard":null}}}`,
			`{"spec":{"nodeName":"n-1"}}`, `{"spec":{"containers":[` + `{"name":"redis","image":"redis:8","resources":{"requests":{"cpu":"100m","memory":"64Mi"}}}` + `]}}`,
			`{"spec":{"terminationGracePeriodSeconds":1}}`, `{"spec":{"tolerations":[{"operator":"Exists"}]}}`, `{"spec":{"activeDeadlineSeconds":60}}`, `{"spec":{"hostname":"other"}}`,
		},
		strategic: []string{
			`{"spec":{"containers":[{"name":"redis","image":"redis:9"}]}}`, `{"spec":{"containers":[{"name":"second","image":"redis:9"}]}}`,
			`{"metadata":{"finalizers":["example.com/hold"]}}`, `{"metadata":{"$deleteFromPrimitiveList/finalizers":["example.com/hold"]}}`,
			`{"status":{"phase":"Running"}}`,
		},
		status: []string{
			`{"status":{"phase":"Running","podIP":"10.0.0.1","podIPs":[{"ip":"10.0.0.1"}]}}`,
			`{"status":{"conditions":[{"type":"Ready","status":"True","lastTransitionTime":"2026-01-01T00:00:00Z"}]}}`,
			`{"status":{"phase":"Failed"}}`, `{"status":{"phase":"Pending"}}`, `{"status":{"conditions":[{"type":"Not A Condition!","status":"Perhaps"}]}}`, `{"spec":{"nodeName":"n-3"}}`, `{"status":{"podIP":"not an address"}}`,
		},
	}
}

func claims() kind {
	return kind{
		empty: &corev1.PersistentVolumeClaim{}, names: []string{"data-r-0", "data-r-1"}, weight: 3,
		good: []string{
			`{"spec":{"storageClassName":"slow",` + claimSpec + `}}`, `{"spec":{` + claimSpec + `}}`,
			`{"metadata":{"labels":{"shoal.dev/instance-set":"r","shoal.dev/ordinal":"0","shoal.dev/placement-policy":"r"},"annotations":{"shoal.dev/rebuild-generation":"0"}},"spec":{"storageClassName":"slow",` + claimSpec + `}}`,
			`{"spec":{"storageClassName":"local","volumeName":"v-0",` + claimSpec + `}}`,
		},
		bad: []string{
			`{"spec":{"accessModes":["ReadWriteOnce"]}}`, `{"spec":{"resources":{"requests":{"storage":"1Gi"}}}}`,
			`{"metadata":{"labels":{"shoal.dev/retired":"true"}},"spec":{` + claimSpec + `}}`, `{"spec":{"accessModes":["Sometimes"],"resources":{"requests":{"storage":"-1"}}}}`,
		},
		changes: []string{
			`{"metadata":{"labels":{"shoal.dev/retired":"true"}}}`, `{"metadata":{"labels":{"shoal.dev/retired":null}}}`, `{"metadata":{"labels":{"shoal.dev/lost":"u1"}}}`,
			`{"metadata":{"annotations":{"volume.kubernetes.io/selected-node":"n-0"}}}`, `{"spec":{"volumeName":"v-1"}}`, `{"spec":{"storageClassName":"other"}}`,
			`{"spec":{"resources":{"requests":{"storage":"2Gi"}}}}`, `{"spec":{"accessModes":["ReadWriteMany"]}}`, `{"spec":{"volumeMode":"Block"}}`,
			`{"metadata":{"finalizers":null}}`, `{"metadata":{"labels":{"shoal.dev/instance-set":null}}}`,
		},
		strategic: []string{`{"metadata":{"finalizers":["example.com/hold"]}}`, `{"spec":{"volumeName":"v-0"}}`},
		status: []string{
			`{"status":{"phase":"Bound","capacity":{"storage":"1Gi"},"accessModes":["ReadWriteOnce"]}}`, `{"status":{"phase":"Lost"}}`, `{"status":{"capacity":{"storage":"-3"}}}`, `{"spec":{"volumeName":"v-0"}}`,
		},
	}
}

func volumes() kind {
	base := `"capacity":{"storage":"1Gi"},"accessModes":["ReadWriteOnce"],"storageClassName":"slow"`
	local := base + `,"local":{"path":"/data/v"},` + affinity
	return kind{
		empty: &corev1.PersistentVolume{}, clustered: true, names: []string{"v-0", "v-1"}, weight: 3,
		good: []string{
			`{"spec":{` + local + `}}`, `{"spec":{"persistentVolumeReclaimPolicy":"Delete",` + local + `}}`,
			`{"spec":{"persistentVolumeReclaimPolicy":"Delete","claimRef":{"kind":"PersistentVolumeClaim","apiVersion":"v1","namespace":"ns","name":"data-r-0","uid":"other"},` + local + `}}`,
			`{"spec":{"hostPath":{"path":"/data"},` + base + `}}`,
		},
		bad: []string{
			`{"spec":{` + base + `}}`, `{"spec":{"local":{"path":"/data"},` + base + `}}`, `{"spec":{"hostPath":{"path":"/a"},` + local + `}}`,
			`{"spec":{"persistentVolumeReclaimPolicy":"Never",` + local + `}}`, `{"spec":{"local":{"path":"../data"},` + base + `,` + affinity + `}}`,
		},
		changes: []string{
			`{"spec":{"persistentVolumeReclaimPolicy":"Retain"}}`, `{"spec":{"persistentVolumeReclaimPolicy":"Delete"}}`, `{"spec":{"persistentVolumeReclaimPolicy":"Never"}}`,
			`{"metadata":{"annotations":{"shoal.dev/retained-for":"ns/r-0"}}}`, `{"spec":{"claimRef":null}}`, `{"spec":{"claimRef":{"namespace":"ns","name":"data-r-1","kind":"PersistentVolumeClaim"}}}`,
			`{"spec":{"local":{"path":"/elsewhere"}}}`, `{"spec":{"nodeAffinity":null}}`, `{"spec":{"capacity":{"storage":"2Gi"}}}`, `{"spec":{"storageClassName":"other"}}`, `{"metadata":{"finalizers":null}}`,
		},
		strategic: []string{`{"spec":{"accessModes":["ReadWriteOnce","ReadOnlyMany"]}}`},
		status:    []string{`{"status":{"phase":"Bound"}}`, `{"status":{"phase":"Released"}}`, `{"status":{"phase":"Bound","message":"hello"}}`, `{"spec":{"persistentVolumeReclaimPolicy":"Retain"}}`},
	}
}

func nodes() kind {
	return kind{
		empty: &corev1.Node{}, clustered: true, names: []string{"n-0", "n-1"}, weight: 3,
		good: []string{
			`{"metadata":{"labels":{"kubernetes.io/hostname":"n-0","topology.kubernetes.io/zone":"z"}},"status":{"capacity":{"cpu":"8","memory":"32Gi","pods":"110"},"allocatable":{"cpu":"8","memory":"32Gi","pods":"110"}}}`,
			`{"spec":{"unschedulable":true}}`, `{"spec":{"taints":[{"key":"node.kubernetes.io/out-of-service","value":"nodeshutdown","effect":"NoExecute"}]}}`, `{}`,
		},
		bad: []string{
			`{"spec":{"taints":[{"key":"a","effect":"Maybe"}]}}`, `{"spec":{"podCIDR":"10.0.0.0/24","podCIDRs":["10.1.0.0/24"]}}`, `{"metadata":{"labels":{"a b":"c"}}}`,
			`{"spec":{"taints":[{"key":"a","effect":"NoSchedule"},{"key":"a","effect":"NoSchedule"}]}}`,
		},
		changes: []string{
			`{"spec":{"unschedulable":true}}`, `{"spec":{"unschedulable":null}}`, `{"spec":{"taints":[{"key":"node.kubernetes.io/unreachable","effect":"NoExecute"}]}}`,
			`{"spec":{"taints":null}}`, `{"spec":{"providerID":"a"}}`, `{"spec":{"providerID":"b"}}`, `{"spec":{"podCIDR":"10.2.0.0/24","podCIDRs":["10.2.0.0/24"]}}`, `{"spec":{"taints":[{"key":"a","effect":"Maybe"}]}}`,
			`{"status":{"allocatable":{"cpu":"4"}}}`,
		},
		strategic: []string{`{"spec":{"taints":[{"key":"node.kubernetes.io/out-of-service","value":"nodeshutdown","effect":"NoExecute"}]}}`, `{"spec":{"$patch":"replace","unschedulable":true}}`},
		status: []string{
			`{"status":{"conditions":[{"type":"Ready","status":"True","lastTransitionTime":"2026-01-01T00:00:00Z"}]}}`, `{"status":{"allocatable":{"cpu":"4"},"capacity":{"cpu":"4"}}}`,
			`{"status":{"allocatable":{"cpu":"-4"}}}`, `{"spec":{"unschedulable":true}}`,
		},
	}
}

func services() kind {
	return kind{
		empty: &corev1.Service{}, names: []string{"r", "s"}, weight: 1,
		good: []string{
			`{"spec":{"clusterIP":"None","selector":{"shoal.dev/instance-set":"r"},"ports":[{"name":"redis","port":6379}]}}`,
			`{"spec":{"clusterIP":"None","publishNotReadyAddresses":true,"ports":[{"port":6379,"targetPort":"redis"}]}}`, `{"spec":{"clusterIP":"None","selector":{"a":"b"}}}`,
		},
		bad:       []string{`{"spec":{"clusterIP":"None","ports":[{"port":70000}]}}`, `{"spec":{"clusterIP":"None","ports":[{"port":1},{"port":2}]}}`, `{"spec":{"clusterIP":"None","type":"Sometimes"}}`},
		changes:   []string{`{"spec":{"selector":{"a":"c"}}}`, `{"spec":{"ports":[{"name":"other","port":1}]}}`, `{"spec":{"ports":[{"port":0}]}}`, `{"spec":{"clusterIP":"10.96.3.3"}}`, `{"spec":{"sessionAffinity":"ClientIP"}}`},
		strategic: []string{`{"spec":{"ports":[{"port":6380,"name":"more"}]}}`},
		status:    []string{`{"status":{"conditions":[{"type":"a","status":"True","reason":"B","message":"","lastTransitionTime":"2026-01-01T00:00:00Z"}]}}`},
	}
}

func workloads() kind {
	template := `"selector":{"matchLabels":{"app":"w"}},"serviceName":"w","template":{"metadata":{"labels":{"app":"w"}},"spec":{"containers":[{"name":"c","image":"c"}]}}`
	return kind{
		empty: &appsv1.StatefulSet{}, names: []string{"w"}, weight: 1,
		good: []string{`{"spec":{"replicas":2,` + template + `}}`, `{"spec":{` + template + `}}`},
		bad: []string{
			`{"spec":{"replicas":-1,` + template + `}}`, `{"spec":{"selector":{"matchLabels":{"app":"other"}},"template":{"metadata":{"labels":{"app":"w"}},"spec":{"containers":[{"name":"c","image":"c"}]}}}}`, `{"spec":{}}`,
		},
		changes:   []string{`{"spec":{"replicas":3}}`, `{"spec":{"replicas":-3}}`, `{"spec":{"serviceName":"x"}}`, `{"spec":{"podManagementPolicy":"Parallel"}}`, `{"spec":{"minReadySeconds":5}}`},
		strategic: []string{`{"spec":{"template":{"spec":{"containers":[{"name":"c","image":"d"}]}}}}`},
		status:    []string{`{"status":{"replicas":2,"readyReplicas":1}}`, `{"status":{"replicas":-2}}`, `{"status":{"replicas":1,"readyReplicas":2}}`},
	}
}

func classes() kind {
	return kind{
		empty: &storagev1.StorageClass{}, clustered: true, names: []string{"slow"}, weight: 1,
		good:    []string{`{"provisioner":"example.com/local","volumeBindingMode":"WaitForFirstConsumer"}`, `{"provisioner":"example.com/local"}`, `{"provisioner":"example.com/local","allowVolumeExpansion":true,"reclaimPolicy":"Retain"}`},
		bad:     []string{`{"provisioner":""}`, `{"provisioner":"example.com/local","volumeBindingMode":"Later"}`, `{"provisioner":"example.com/local","reclaimPolicy":"Never"}`},
		changes: []string{`{"provisioner":"example.com/other"}`, `{"parameters":{"a":"b"}}`, `{"allowVolumeExpansion":true}`, `{"reclaimPolicy":"Retain"}`},
	}
}
