// Package orders is the manager's side of actions: it asks the agent of one pod for one thing, over mutual TLS.
//
// It accepts the certificate of exactly that pod and shows the manager's. Each order carries the count of the manager's lock, so
// that an agent refuses it once it has heard of somebody who got the lock later, and none is sent by a process that cannot be sure
// that it still has the lock. An order is sent once: whether one that was not answered was done is not known, and whoever gave it
// looks. It decides nothing: what to order is decided elsewhere, from reports or from a Line.
//
//	decide ── Request ──► Client ── POST /v1/action, mTLS ──► agent ──► engine
//	ledger ◄── Report ──    │   ◄── Answer ────────────────
package orders
