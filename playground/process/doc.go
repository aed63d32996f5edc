// Package process keeps a handful of programs running as children of this process, and knows afterwards what became of
// them.
//
// It starts each program with its output in a log file, notices when it ends, keeps the last lines that it wrote, and
// starts it again with a growing pause if its Spec asks for that. Every child is recorded by pid and start time, so that
// a later process can tell a child from a stranger that was given the same pid. Children never outlive their supervisor:
// the kernel kills them when it ends, however it ends.
//
// It knows nothing of Kubernetes, and runs on Linux only (/proc and parent death signals).
package process
