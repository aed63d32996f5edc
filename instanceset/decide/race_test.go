//go:build race

package decide

// racing says that the race detector is built in.
const racing = true
