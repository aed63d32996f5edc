// Package receive is the manager's endpoint for agents: POST /v1/report over mutual TLS.
//
// Who reports is in the certificate of the connection. The package verifies that, reads the report with bounds, and hands both to
// whoever decides (package roles). It answers with 204, or with a status that says why not (api/agent). It keeps nothing, and
// reads nothing of Kubernetes.
//
// Only the leader listens, and the Service shoal-manager selects only the leader: a report to anybody else would be lost, as
// what is reported is in the leader's memory. A pod says that it leads by the label shoal.dev/leads, which this package writes
// when it listens; it takes the label from the pod that led before.
package receive
