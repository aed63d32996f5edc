package loadbalance

import (
	"os"
	"testing"

	"k8s.io/kubernetes/pkg/scheduler/metrics"
)

func TestMain(m *testing.M) {
	metrics.Register() // the scheduler's framework reports to them
	os.Exit(m.Run())
}
