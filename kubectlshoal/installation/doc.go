// Package installation says whether a cluster is ready for Shoal, and whether what is installed there is what ships and works:
// kinds, rights, protected labels, configuration, who leads, storage, bandwidth. It compares the cluster with the manifests that
// are compiled in.
//
// It reads the API server and asks it what its caller may do (SelfSubjectAccessReview); it writes nothing. What it may not read
// it names as not checked, and goes on: nothing that it did not see counts as fine.
package installation
