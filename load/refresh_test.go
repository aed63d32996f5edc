package load

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// scripted is a source that answers as it is told.
type scripted struct {
	readings map[string]Reading
	err      error
	asked    []time.Time
}

func (s *scripted) Measures() []Dimension { return []Dimension{CPU} }
func (s *scripted) Measure(ctx context.Context) (map[string]Reading, error) {
	s.asked = append(s.asked, time.Now())
	if s.err != nil && errors.Is(s.err, context.DeadlineExceeded) {
		<-ctx.Done()
	}
	return s.readings, s.err
}

func reading(cpu int64, at time.Time) Reading {
	return Reading{CPU: {Amount: cpu, At: at, Covers: at}}
}

func clusterOf(names ...string) []*corev1.Node {
	var nodes []*corev1.Node
	for _, name := range names {
		nodes = append(nodes, &corev1.Node{
			ObjectMeta: metav1.ObjectMeta{Name: name, Labels: map[string]string{corev1.LabelHostname: "host-" + name}},
			Status:     corev1.NodeStatus{Addresses: []corev1.NodeAddress{{Type: corev1.NodeInternalIP, Address: "10.0.0." + name}, {Type: corev1.NodeInternalIP, Address: "fd00::" + name}}},
		})
	}
	return nodes
}

func TestDirectory(t *testing.T) {
	nodes := clusterOf("1", "2", "3")
	nodes[1].Status.Addresses = append(nodes[1].Status.Addresses, corev1.NodeAddress{Address: "192.168.0.1"})
	nodes[2].Status.Addresses = append(nodes[2].Status.Addresses, corev1.NodeAddress{Address: "192.168.0.1"})
	d := NewDirectory(nodes)
	for called, want := range map[string]string{
		"1": "1", "1:9100": "1", "10.0.0.2": "2", "10.0.0.2:9100": "2", "[fd00::3]:9100": "3", "fd00::3": "3", "host-1": "1", "host-1:9100": "1",
		"192.168.0.1": "", "10.0.0.9:9100": "", "": "", ":9100": "",
	} {
		if got, ok := d.Find(called); got != want || ok != (want != "") {
			t.Errorf("%q is %q, want %q", called, got, want)
		}
	}
}

type world struct {
	source  *scripted
	nodes   []*corev1.Node
	reports []Report
	*Refresher
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{source: &scripted{}, nodes: clusterOf("1", "2")}
	w.Refresher = NewRefresher(w.source, RefreshOptions{
		Interval: 30 * time.Second, Timeout: 10 * time.Second, MaxAge: time.Minute,
		Nodes:  func() ([]*corev1.Node, error) { return w.nodes, nil },
		Report: func(r Report) { w.reports = append(w.reports, r) },
	})
	return w
}

func TestRefreshKeepsWhatIsMissing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		if _, ok := w.Latest().Of("1"); ok {
			t.Error("something is known before the first refresh")
		}
		w.source.readings = map[string]Reading{"1": reading(100, time.Now()), "10.0.0.2:9100": reading(200, time.Now()), "a printer": reading(9, time.Now())}
		w.Refresh(t.Context())
		if r, ok := w.Latest().Of("2"); !ok || r[CPU].Amount != 200 {
			t.Errorf("2: %v", r)
		}
		// A scrape of node 2 fails, then everything; node 1 leaves the cluster.
		w.source.readings = map[string]Reading{"1": reading(150, time.Now())}
		w.Refresh(t.Context())
		if r, _ := w.Latest().Of("2"); r[CPU].Amount != 200 {
			t.Errorf("2 is forgotten: %v", r)
		}
		before := w.Latest()
		w.source.readings, w.source.err, w.nodes = nil, errors.New("killed"), clusterOf("2", "3")
		w.Refresh(t.Context())
		if _, ok := w.Latest().Of("1"); ok {
			t.Error("a node that is gone is remembered")
		}
		if r, ok := before.Of("1"); !ok || r[CPU].Amount != 150 {
			t.Error("a snapshot has changed")
		}
		if last := w.reports[2]; last.Fresh[CPU] != 1 || last.Nodes != 2 || last.Err == nil {
			t.Errorf("%+v", last)
		}
		<-time.After(time.Minute + time.Second)
		w.Refresh(t.Context())
		if last := w.reports[3]; last.Fresh[CPU] != 0 || last.Oldest[CPU] != 61*time.Second {
			t.Errorf("a minute later: %+v", last)
		}
	})
}

func TestTwoNamesOfOneNode(t *testing.T) {
	w, now := newWorld(t), time.Now()
	w.source.readings = map[string]Reading{"1": reading(100, now), "10.0.0.1": reading(300, now.Add(-time.Second))}
	w.Refresh(t.Context())
	if r, _ := w.Latest().Of("1"); r[CPU].Amount != 300 || !r[CPU].At.Equal(now.Add(-time.Second)) {
		t.Errorf("%+v", r)
	}
}

func TestRunRefreshesAtJitteredIntervals(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		ctx, cancel := context.WithCancel(t.Context())
		go w.Run(ctx)
		<-time.After(10 * time.Minute)
		cancel()
		synctest.Wait()
		distances := map[time.Duration]bool{}
		for i, at := range w.source.asked[1:] {
			d := at.Sub(w.source.asked[i])
			distances[d] = true
			if d < 30*time.Second || d > 36*time.Second {
				t.Errorf("after %s", d)
			}
		}
		if len(distances) < 5 || len(w.source.asked) < 16 {
			t.Errorf("%d refreshes, at distances %v: they fall together with those of others", len(w.source.asked), distances)
		}
	})
}

func TestARefreshEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, began := newWorld(t), time.Now()
		w.source.err = context.DeadlineExceeded
		w.Refresh(t.Context())
		if took := time.Since(began); took != 10*time.Second {
			t.Errorf("it took %s", took)
		}
		w.asks.Nodes = func() ([]*corev1.Node, error) { return nil, errors.New("no cache") }
		w.Refresh(t.Context())
		if err := w.reports[1].Err; err == nil || !strings.Contains(err.Error(), "no cache") {
			t.Errorf("%v", err)
		}
	})
}
