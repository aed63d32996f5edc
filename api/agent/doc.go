// Package agent is what agent and manager say to each other: reports, actions, configurations, and the identities in their certificates.
//
// It has values alone: it connects to nothing and knows no clock. Whoever reports is not in the report: that is in the
// certificate of the connection, which nobody can choose for themselves. What is read is bounded and strict, because a
// report that was understood by half is worse than one that was refused.
package agent

// Paths of the two endpoints, both with POST and JSON over mutual TLS. The manager answers a report with 204; with 400 one
// that is not valid, 403 one of a stranger, 409 one that is older than what it knows, and 503 while it does not lead.
const (
	ReportPath = "/v1/report" // of the manager
	ActionPath = "/v1/action" // of the agent
)

// Signer is the signer of the agents' certificates (a PodCertificateRequest names it).
const Signer = "shoal.dev/agent"

// Version is that of the format. A manager reads this one and older ones, an agent too; who finds a newer one refuses.
const Version = 1
