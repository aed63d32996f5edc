package load

import (
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	corev1 "k8s.io/api/core/v1"
)

// answering is a server without a network, so that it also works on a clock that a test moves.
type answering func(*http.Request) (status int, text string, err error)

func (a answering) RoundTrip(r *http.Request) (*http.Response, error) {
	code, text, err := a(r)
	if err = errors.Join(err, r.Context().Err()); err != nil {
		return nil, err
	}
	return &http.Response{StatusCode: code, Status: http.StatusText(code), Body: io.NopCloser(strings.NewReader(text)), Request: r}, nil
}

// What may become of the query for one dimension.
var lost = map[string]func(*http.Request) (int, string, error){
	"late": func(r *http.Request) (int, string, error) { <-r.Context().Done(); return 0, "", r.Context().Err() },
	"500":  func(*http.Request) (int, string, error) { return http.StatusInternalServerError, "out of memory", nil },
	"NaN":  func(*http.Request) (int, string, error) { return http.StatusOK, vector("a", "NaN", "b", "NaN"), nil },
	"gone": func(*http.Request) (int, string, error) { return http.StatusOK, vector("b", "7"), nil }, // b alone has it
}

// monitored is a Refresher that asks Prometheus for nodes a and b, until a query is lost.
type monitored struct {
	*Refresher
	answers map[string]string
	lost    string // kind of the query
	how     func(*http.Request) (int, string, error)
	last    Report
}

func newMonitored(t *testing.T) *monitored {
	t.Helper()
	m := &monitored{answers: healthy()}
	client := &http.Client{Transport: answering(func(r *http.Request) (int, string, error) {
		kind := kindOf(r.URL.Query().Get("query"))
		if kind == m.lost {
			return m.how(r)
		}
		return http.StatusOK, m.answers[kind], nil
	})}
	o := defaultOptions
	o.URL = "http://prometheus"
	p, err := NewPrometheus(client, o)
	if err != nil {
		t.Fatal(err)
	}
	m.Refresher = NewRefresher(p, RefreshOptions{
		Timeout: 10 * time.Second, MaxAge: time.Minute,
		Nodes:  func() ([]*corev1.Node, error) { return clusterOf("a", "b"), nil },
		Report: func(r Report) { m.last = r },
	})
	return m
}

// expect says what must be known of a in each dimension: how much, and since when.
func (m *monitored) expect(t *testing.T, when string, amount [Dimensions]int64, at [Dimensions]time.Time) {
	t.Helper()
	r, _ := m.Latest().Of("a")
	for d := range Dimension(Dimensions) {
		if r[d].Amount != amount[d] || !r[d].At.Equal(at[d]) || r[d].At.Sub(r[d].Covers) != 195*time.Second {
			t.Errorf("%s: %s of a is %+v, want %d of %s", when, d, r[d], amount[d], at[d])
		}
	}
}

// A query for one dimension that is late or fails costs nothing but that dimension: the others are as fresh as ever, and it
// stays as it was until it is too old by its own age.
func TestAQueryThatIsLostLeavesTheOthersFresh(t *testing.T) {
	for name, how := range lost {
		for d := range Dimension(Dimensions) {
			t.Run(name+"/"+d.String(), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) { loseOne(t, d, how, name == "gone") })
			})
		}
	}
}

func loseOne(t *testing.T, d Dimension, how func(*http.Request) (int, string, error), ofOneNode bool) {
	m := newMonitored(t)
	refresh := func() time.Time {
		began := time.Now()
		m.Refresh(t.Context())
		if took := time.Since(began); took > 10*time.Second {
			t.Errorf("it took %s", took)
		}
		return began
	}
	before, now := [Dimensions]int64{1500, 1 << 30, 1e9, 8000}, [Dimensions]int64{2000, 16, 24, 32}
	first := refresh()
	m.expect(t, "before", before, [Dimensions]time.Time{first, first, first, first})

	m.lost, m.how = d.String(), how
	m.answers = with(map[string]string{"cpu": vector("a", "2", "b", "1"), "memory": vector("a", "16", "b", "1"), "ingress": vector("a", "3", "b", "1"), "egress": vector("a", "4", "b", "1")})
	<-time.After(20 * time.Second)
	second := refresh()
	amount, at := now, [Dimensions]time.Time{second, second, second, second}
	amount[d], at[d] = before[d], first
	m.expect(t, "lost", amount, at)
	if (m.last.Err == nil) != ofOneNode {
		t.Errorf("error %v", m.last.Err)
	}

	// A minute after it was measured last it is too old, and it alone.
	<-time.After(time.Until(first.Add(time.Minute + time.Second)))
	refresh()
	for other, fresh := range m.last.Fresh {
		want := 2
		if Dimension(other) == d {
			want = map[bool]int{true: 1}[ofOneNode]
		}
		if fresh != want {
			t.Errorf("a minute later %s is fresh of %d nodes, want %d", Dimension(other), fresh, want)
		}
	}

	m.lost = ""
	last := refresh()
	m.expect(t, "back", now, [Dimensions]time.Time{last, last, last, last})
}

// Without the age of the samples nothing is known anew, and nothing is forgotten.
func TestALateAgeLeavesWhatWasKnown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMonitored(t)
		m.Refresh(t.Context())
		first := time.Now()
		<-time.After(20 * time.Second)
		m.lost, m.how = "age", lost["late"]
		m.Refresh(t.Context())
		m.expect(t, "without the age", [Dimensions]int64{1500, 1 << 30, 1e9, 8000}, [Dimensions]time.Time{first, first, first, first})
	})
}
