// Package shoal is the root of the repository. It holds no code: each room below it is a package of its own, and the
// tests beside this file keep the rooms apart (see docs/architecture.md).
package shoal
