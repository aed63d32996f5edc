package instanceset

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/shoal-dev/shoal/api/v1alpha1"
)

// shelf is a cache that holds some sets, or fails.
type shelf struct {
	client.Reader
	sets []v1alpha1.InstanceSet
	err  error
}

func (s shelf) List(_ context.Context, list client.ObjectList, _ ...client.ListOption) error {
	list.(*v1alpha1.InstanceSetList).Items = s.sets
	return s.err
}

var noon = time.Date(2030, 1, 2, 12, 0, 0, 0, time.UTC)

func ofSets(s shelf) prometheus.Collector {
	return Metrics(context.Background(), s, func() time.Time { return noon })
}

func set(replicas *int32, ready int32, conditions ...metav1.Condition) v1alpha1.InstanceSet {
	return v1alpha1.InstanceSet{
		Spec:   v1alpha1.InstanceSetSpec{Replicas: replicas},
		Status: v1alpha1.InstanceSetStatus{ReadyReplicas: ready, AvailableReplicas: ready, OfflineReplicas: 1, Conditions: conditions},
	}
}

func since(status metav1.ConditionStatus, reason string, ago time.Duration) metav1.Condition {
	return metav1.Condition{Type: v1alpha1.ConditionReady, Status: status, Reason: reason, LastTransitionTime: metav1.NewTime(noon.Add(-ago))}
}

func TestMetricsAreSumsOverAllSets(t *testing.T) {
	well := set(new(int32(3)), 3, since(metav1.ConditionTrue, "AllReady", time.Hour))
	short := set(new(int32(6)), 5, since(metav1.ConditionFalse, "NotAllReady", time.Minute))
	short.Status.Exceptions = []v1alpha1.InstanceException{{Ordinal: 4, Reason: "SHOAL2109"}, {Ordinal: 5, Reason: "SHOAL2109"}}
	long := set(nil, 0, since(metav1.ConditionFalse, "NotAllReady", 10*time.Minute))
	long.Status.Exceptions = []v1alpha1.InstanceException{{Ordinal: 0, Reason: "SHOAL2212"}}
	want := `# HELP shoal_instanceset_condition_oldest_seconds For how long the InstanceSet has had a condition in this status that has had it for longest.
# TYPE shoal_instanceset_condition_oldest_seconds gauge
shoal_instanceset_condition_oldest_seconds{status="False",type="Ready"} 600
shoal_instanceset_condition_oldest_seconds{status="True",type="Ready"} 3600
# HELP shoal_instanceset_condition_sets InstanceSets, by type, status and reason of a condition.
# TYPE shoal_instanceset_condition_sets gauge
shoal_instanceset_condition_sets{reason="AllReady",status="True",type="Ready"} 1
shoal_instanceset_condition_sets{reason="NotAllReady",status="False",type="Ready"} 2
# HELP shoal_instanceset_exception_instances Instances that are not as wanted, by the code of the reason. Of each InstanceSet the 50 worst count.
# TYPE shoal_instanceset_exception_instances gauge
shoal_instanceset_exception_instances{reason="SHOAL2109"} 2
shoal_instanceset_exception_instances{reason="SHOAL2212"} 1
`
	for name, n := range map[string]int{"sets InstanceSets.": 3, "wanted_instances Instances that all InstanceSets want (spec.replicas), offline ones included.": 10,
		"ready_instances Instances of all InstanceSets that are Ready.":                               8,
		"available_instances Instances of all InstanceSets that have been Ready for minReadySeconds.": 8,
		"offline_instances Wanted instances of all InstanceSets that are held offline.":               3} {
		metric, _, _ := strings.Cut(name, " ")
		want += fmt.Sprintf("# HELP shoal_instanceset_%s\n# TYPE shoal_instanceset_%s gauge\nshoal_instanceset_%s %d\n", name, metric, metric, n)
	}
	if err := testutil.CollectAndCompare(ofSets(shelf{sets: []v1alpha1.InstanceSet{well, short, long}}), strings.NewReader(want)); err != nil {
		t.Error(err)
	}
}

// Zeros would say that there are no sets. An alert that is silent on them must not take a broken cache for that.
func TestMetricsOfABrokenCacheAreAnError(t *testing.T) {
	registry := prometheus.NewPedanticRegistry()
	if err := registry.Register(ofSets(shelf{err: errors.New("no network")})); err != nil {
		t.Fatal(err)
	}
	if got, err := registry.Gather(); err == nil || !strings.Contains(err.Error(), "no network") {
		t.Errorf("gathered %v, %v", got, err)
	}
}

func BenchmarkMetrics(b *testing.B) {
	for _, sets := range []int{20, 200} {
		b.Run(fmt.Sprintf("sets=%d", sets), func(b *testing.B) {
			s := shelf{}
			for range sets {
				one := set(new(int32(50)), 50)
				for i := range 5 {
					one.Status.Conditions = append(one.Status.Conditions, metav1.Condition{Type: fmt.Sprint("T", i), Status: metav1.ConditionTrue, Reason: "R"})
				}
				for i := range 50 {
					one.Status.Exceptions = append(one.Status.Exceptions, v1alpha1.InstanceException{Ordinal: int32(i), Reason: "SHOAL2212"})
				}
				s.sets = append(s.sets, one)
			}
			c := ofSets(s)
			for b.Loop() {
				testutil.CollectAndCount(c)
			}
		})
	}
}
