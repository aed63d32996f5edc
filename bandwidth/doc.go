// Package bandwidth is the controller that advertises the network bandwidth of nodes as the extended resources
// shoal.dev/net-ingress-mbps and shoal.dev/net-egress-mbps, so that the scheduler can hand it out. It decides from the
// annotations of a Node and from rules by label, and writes nothing but these two resources in the Node's status. When a
// kubelet drops or overwrites them, they are restored. It never looks at what is in use.
package bandwidth
