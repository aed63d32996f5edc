// Package kubectlshoal has the commands of kubectl-shoal: flags, where the snapshot comes from, forms of output and exit
// codes. What is answered stands in package answer, and is a function of the snapshot alone.
//
// No command changes a cluster.
package kubectlshoal
