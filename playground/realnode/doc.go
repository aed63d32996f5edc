// Package realnode makes a node with a real kubelet out of namespaces of this machine: network, mounts, process ids, IPC
// and host name of its own, a group of cgroups, and a file as its disk.
//
//	playground's network namespace           one per node
//	┌───────────────────────┐ veth ┌──────────────────────────────────────────────┐
//	│ bridge 10.137.0.1 ────┼──────┼─ eth0 10.137.0.10+i     pods 10.200.i.0/24    │
//	│ API server, CoreDNS   │      │ init ── agent ── containerd, kubelet, kube-proxy │
//	└───────────────────────┘      │ disk: a file, mounted at DiskPath             │
//	                               └──────────────────────────────────────────────┘
//
// Init is process 1 of a node: with it everything on the node ends, and every mount and device goes with the last process.
// Boot is the second process, which sets the node up and keeps its programs running. The functions on links are for the
// supervisor, outside. Nothing here knows of faults: cutting a link, killing init and stopping the kubelet are what
// faults are made of.
package realnode
