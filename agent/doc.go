// Package agent is the sidecar of an instance: it asks the engine what it is, reports that to the manager, and does what the
// manager asks for, out of a list (api/agent).
//
// It reports at once when the role or what goes with it has changed, and otherwise once per heartbeat; each report goes over
// a connection of its own. It decides nothing: it never promotes, and when nobody asks it for anything, and no other configuration is
// wanted (agent/configuration), it changes nothing. It has no access to the Kubernetes API and no shell. What it is told by strangers it
// refuses and counts.
//
//	engine ◄── look, each second ──  watch ── changed ──► report ── POST, mTLS ──► manager
//	  ▲                                │ what is known
//	  └── act ◄── POST /v1/action, mTLS ◄── manager
package agent
