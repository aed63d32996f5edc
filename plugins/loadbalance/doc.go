// Package loadbalance is the scheduler plugin that prefers nodes which would be evenly and not too heavily used after
// the pod has landed. It decides from what the pods on a node request and what the pod requests, node by node. It
// never refuses a node, and leaves pods that belong to no placement group to upstream's plugins.
package loadbalance
