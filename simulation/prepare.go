package simulation

import (
	"os"
	"os/signal"

	"github.com/go-logr/logr"
	utilruntime "k8s.io/apimachinery/pkg/util/runtime"
	"k8s.io/klog/v2"
	ctrllog "sigs.k8s.io/controller-runtime/pkg/log"
)

// exit is what a process panics with when it wants to end: kube-scheduler does when its cache contradicts what it sees.
type exit struct{}

// Prepare makes a process fit for worlds: call it once, before the first bubble. It takes away what reaches out of a
// bubble: logs, the listener for signals that the scheduler starts, and apimachinery's handler of errors, which sleeps until
// a real time.
func Prepare() {
	klog.SetLogger(logr.Discard())
	ctrllog.SetLogger(logr.Discard())
	klog.OsExit = func(int) { panic(exit{}) }
	utilruntime.ErrorHandlers = nil
	c := make(chan os.Signal, 1)
	signal.Notify(c, os.Interrupt)
	signal.Stop(c)
}

// living does something of a process. If the process ends itself, it is a crash like any other.
func (w *World) living(process *access, do func()) {
	defer func() {
		switch end := recover().(type) {
		case nil:
		case exit:
			w.tell("fault", "%s ends itself: its cache contradicts what it sees", process.process)
			w.crash(process)
		default:
			panic(end)
		}
	}()
	do()
}
