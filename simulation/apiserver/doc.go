// Package apiserver is a Kubernetes API server in memory, for the simulation: the registries of the real one, with their
// strategies for creation, update and deletion, their defaults and validation, the schemas and CEL rules of our CRDs and
// our admission policies, on a store that is a map. So preconditions, generations, finalizers, graceful deletion,
// subresources and bindings are those of Kubernetes itself, and not a retelling.
//
// Left out is what stands before the registries: HTTP, authentication, authorization (a request says who sends it and is
// believed). Managed fields are made up when an object is applied for the first time. Controllers that belong to a cluster, such as the garbage collector, are models of the
// simulation.
//
// The server starts no goroutine and is meant to be called by one at a time. Time comes from package time, which a
// simulation replaces (testing/synctest); UIDs are counted, so that the same calls give the same objects.
package apiserver
