// Package signer signs the certificates of agents: it answers PodCertificateRequests with the signer name shoal.dev/agent.
//
// It decides, from the request, the pod, its node, its ServiceAccount and its InstanceSet, whether the pod is an instance with
// an agent; what the certificate says is the pod's identity (api/agent), and nothing that somebody asked for. A refusal is for
// good, as the kubelet never asks again for the same pod: nobody is refused because of what only a cache says.
//
// The authority is in one Secret of the manager's namespace, and its certificates are in one ClusterTrustBundle. A new one is
// published for two days before it signs, and the old one stays until the last certificate by it has ended: at every moment
// both sides trust whatever the other one shows. Only the leader writes; nobody else has the key in memory. The key is in no
// log, event, status or error.
package signer
