package simulation

import (
	"os"
	"os/signal"

	"github.com/go-logr/logr"
	utilruntime "k8s.io/apimachinery/pkg/util/runtime"
	"k8s.io/klog/v2"
	ctrllog "sigs.k8s.io/controller-runtime/pkg/log"
)

// Prepare makes a process fit for worlds: call it once, before the first bubble. It takes away what reaches out of a
// bubble: logs, the listener for signals that the scheduler starts, and apimachinery's handler of errors, which sleeps until
// a real time.
func Prepare() {
	klog.SetLogger(logr.Discard())
	ctrllog.SetLogger(logr.Discard())
	utilruntime.ErrorHandlers = nil
	c := make(chan os.Signal, 1)
	signal.Notify(c, os.Interrupt)
	signal.Stop(c)
}
