// Package playground runs a Kubernetes cluster on loopback, for people to try Shoal and for tests to break it.
//
//	one process of ours            its children, each with its log
//	┌────────────┐   etcd ── kube-apiserver ── kube-controller-manager
//	│ supervisor ├── kube-scheduler   kwok (plays the kubelets)   provisioner (local volumes)
//	└────────────┘   shoal-scheduler-0, -1 ...   shoal-manager-0, -1 ...
//
// The control plane is real: etcd, API server with RBAC and admission, controller manager. Nodes are simulated: kwok
// renews their leases and says that their pods run. Shoal is installed from its manifests and runs under the
// ServiceAccounts and the RBAC that it ships, never as admin.
//
// As root there can be real nodes beside them, see realnode: then all children are in a network namespace without a way
// out, `forward` passes the ports of loopback on into it, a DNS and one process 1 for each node are children too, and
// Shoal runs as its Deployments, unless processes are asked for. Faults of real nodes are done to the machine by whoever
// keeps the cluster, which others ask on its control socket.
//
// Everything that a cluster is stands in one directory. Up returns when the cluster is ready, Down leaves nothing
// behind, Open attaches to a cluster that another process keeps. A cluster never outlives its supervisor, and nothing of
// it is meant to survive: it trades durability for speed.
package playground
