package agent

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/shoal-dev/shoal/agent/mtls"
	"github.com/shoal-dev/shoal/agent/mtls/mtlstest"
	"github.com/shoal-dev/shoal/agent/probe"
	"github.com/shoal-dev/shoal/api/agent"
	"github.com/shoal-dev/shoal/redis"
)

func isPod(c *x509.Certificate) error {
	_, err := agent.IdentityOf(c)
	return err
}

// post sends a body to the agent's endpoint for actions.
func (w *world) post(t *testing.T, own mtls.Own, path, body string) (int, string, error) {
	t.Helper()
	config := mtls.Client(own, isPod)
	if len(own.Certificate.Certificate) == 0 {
		config.Certificates = nil
	}
	client := http.Client{Timeout: patience, Transport: &http.Transport{TLSClientConfig: config, DisableKeepAlives: true}}
	response, err := client.Post("https://"+w.actions+path, "application/json", strings.NewReader(body))
	if err != nil {
		return 0, "", err
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	return response.StatusCode, string(text), err
}

func (w *world) ask(t *testing.T, r agent.Request) agent.Answer {
	t.Helper()
	r.Version = agent.Version
	if r.BootID == "" && r.Action != agent.ConfigGet {
		r.BootID = w.agent.boot
	}
	body, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	status, text, err := w.post(t, w.ca.Own(t, agent.ManagerURI), agent.ActionPath, string(body))
	if err != nil || status != http.StatusOK {
		t.Fatalf("%d %s %v", status, text, err)
	}
	answer, err := agent.DecodeAnswer(bytes.NewReader([]byte(text)))
	if err != nil {
		t.Fatal(err)
	}
	return answer
}

// done are the actions that have reached the engine.
func (w *world) done() int {
	w.engine.mu.Lock()
	defer w.engine.mu.Unlock()
	return len(w.engine.acted)
}

func TestTheManagerAloneActs(t *testing.T) {
	w := start(t, nil)
	body := `{"version":1,"action":"promote","bootID":"` + w.next(t).BootID + `"}`
	trusting := func(c tls.Certificate) mtls.Own { return mtls.Own{Certificate: c, Roots: w.ca.Roots()} }
	for reason, own := range map[string]mtls.Own{
		"none":     trusting(tls.Certificate{}),
		"identity": w.ca.Own(t, podURI), // the agent's own certificate is not the manager's either
		"forged":   trusting(mtlstest.New(t).Sign(t, agent.ManagerURI, nil)),
		"expired":  trusting(w.ca.Sign(t, agent.ManagerURI, func(c *x509.Certificate) { c.NotAfter = time.Now().Add(-time.Second) })),
		"invalid":  trusting(w.ca.Sign(t, agent.ManagerURI, func(c *x509.Certificate) { c.ExtKeyUsage = c.ExtKeyUsage[1:] })),
	} {
		if status, text, err := w.post(t, own, agent.ActionPath, body); err == nil {
			t.Errorf("%s: status %d, %s", reason, status, text)
		}
		w.counted(t, "shoal_agent_refused_connections_total", reason)
	}
	conn, err := net.Dial("tcp", w.actions)
	if err != nil {
		t.Fatal(err)
	}
	_, _ = io.WriteString(conn, "POST /v1/action HTTP/1.1\r\nHost: x\r\nContent-Length: "+strconv.Itoa(len(body))+"\r\n\r\n"+body)
	_ = conn.Close()
	w.counted(t, "shoal_agent_refused_connections_total", "handshake")
	if n := w.done(); n != 0 {
		t.Errorf("%d actions were done for strangers", n)
	}
	if a := w.ask(t, agent.Request{Action: agent.Promote}); a.Refused != "" || !a.Changed || w.done() != 1 {
		t.Errorf("the manager's own: %+v", a)
	}
	if n := w.count(t, "shoal_agent_refused_connections_total", "handshake"); n != 1 {
		t.Errorf("%v connections are counted as handshakes, too", n)
	}
}

func TestRequestsThatAreNotUnderstood(t *testing.T) {
	w := start(t, nil)
	own := w.ca.Own(t, agent.ManagerURI)
	for _, body := range []string{
		"", "{", "promote", `{"version":1,"action":"shutdown"}`, `{"version":2,"action":"promote"}`, `{"version":1,"action":"promote","shell":"sh"}`,
		`{"version":1,"action":"config-get","parameters":[{"name":"requirepass"}]}`, `{"version":1,"action":"config-set","parameters":[{"name":"dir","value":"/"}]}`,
		`{"version":1,"action":"follow","master":"a b:1"}`, strings.Repeat("[", 1000), `{"version":1,"action":"promote"}` + strings.Repeat(" ", agent.MaxRequestBytes),
	} {
		if status, text, err := w.post(t, own, agent.ActionPath, body); err != nil || status != http.StatusBadRequest || strings.Count(text, "\n") != 1 {
			t.Errorf("%.60s: status %d, %q, %v", body, status, text, err)
		}
	}
	for _, path := range []string{"/", "/metrics", agent.ReportPath, agent.ActionPath + "/x"} {
		if status, _, err := w.post(t, own, path, `{"version":1,"action":"promote"}`); err != nil || status != http.StatusNotFound {
			t.Errorf("%s: status %d, %v", path, status, err)
		}
	}
	if w.done() != 0 || w.count(t, "shoal_agent_actions_total", "none", "invalid") != 11 {
		t.Errorf("%d actions were done, %v counted", w.done(), w.count(t, "shoal_agent_actions_total", "none", "invalid"))
	}
}

// A request that was under way for long is not for this boot, or of an election before the last.
func TestLateRequests(t *testing.T) {
	w := start(t, func(_ *world, o *Options) { o.Self = []string{"self:1"} })
	boot := w.next(t).BootID
	if a := w.ask(t, agent.Request{Action: agent.Promote, BootID: strings.Repeat("0", 32)}); a.Refused != agent.RefusedBoot {
		t.Errorf("%+v", a)
	}
	a := w.ask(t, agent.Request{Action: agent.Promote, BootID: boot, Epoch: 7})
	if a.Refused != "" || a.Report.Epoch != 7 || a.Report.BootID != boot || a.Report.Sequence < 2 {
		t.Errorf("%+v", a)
	}
	w.until(t, "the epoch", func(r agent.Report) bool { return r.Epoch == 7 })
	if a := w.ask(t, agent.Request{Action: agent.Follow, Master: "a:1", Epoch: 6}); a.Refused != agent.RefusedEpoch {
		t.Errorf("%+v", a)
	}
	if n := w.done(); n != 1 {
		t.Errorf("%d actions were done, want 1", n)
	}
	w.engine.is(agent.Report{Role: agent.RoleReplica, MasterAddr: "a:1"}, nil)
	if a := w.ask(t, agent.Request{Action: agent.Follow, Master: "a:1", Epoch: 8}); a.Refused != "" || a.Report.Epoch != 8 {
		t.Errorf("%+v", a)
	}
	if w.count(t, "shoal_agent_actions_total", "follow", "epoch") != 1 || w.count(t, "shoal_agent_actions_total", "promote", "boot") != 1 {
		t.Error("refused requests are not counted")
	}
}

// What was tried is remembered, whatever it was and however it ended: an order of before, held up on its way, is not carried out
// after it. Without that, a promotion of somebody who has lost the lock would make a second master.
func TestWhatCameBeforeIsNotDoneAfter(t *testing.T) {
	for name, c := range map[string]struct {
		first   agent.Request
		fails   bool
		then    agent.Request
		refused agent.Refusal
	}{
		"a lock of before":        {agent.Request{Action: agent.Demote, Lock: 8}, false, agent.Request{Action: agent.Promote, Lock: 7}, agent.RefusedLock},
		"no lock":                 {agent.Request{Action: agent.Demote, Lock: 8}, false, agent.Request{Action: agent.Promote}, agent.RefusedLock},
		"a lock, after a failure": {agent.Request{Action: agent.Protect, Lock: 8}, true, agent.Request{Action: agent.Promote, Lock: 7}, agent.RefusedLock},
		"a fence of before":       {agent.Request{Action: agent.Pause, Milliseconds: 1, Lock: 8}, false, agent.Request{Action: agent.ConfigSet, Lock: 7, Parameters: []agent.Parameter{{Name: "hz", Value: "9"}}}, agent.RefusedLock},
		"an election of before":   {agent.Request{Action: agent.Demote, Epoch: 8}, false, agent.Request{Action: agent.Promote, Epoch: 7}, agent.RefusedEpoch},
		"one, after a failure":    {agent.Request{Action: agent.Leave, Epoch: 8}, true, agent.Request{Action: agent.Promote, Epoch: 7}, agent.RefusedEpoch},
		"the same lock":           {agent.Request{Action: agent.Demote, Lock: 8, Epoch: 8}, false, agent.Request{Action: agent.Promote, Lock: 8, Epoch: 8}, ""},
		"of no election":          {agent.Request{Action: agent.Demote, Epoch: 8}, false, agent.Request{Action: agent.Promote}, ""},
		"a look":                  {agent.Request{Action: agent.Demote, Lock: 8, Epoch: 8}, false, agent.Request{Action: agent.ConfigGet, Parameters: []agent.Parameter{{Name: "hz"}}}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			w := start(t, nil)
			w.next(t)
			fails := func(err error) {
				w.engine.mu.Lock()
				defer w.engine.mu.Unlock()
				w.engine.actErr = err
			}
			if c.fails {
				fails(&probe.Failure{Reason: "timeout", Err: errors.New("it may have been done")})
			}
			if a := w.ask(t, c.first); (a.Refused == agent.Failed) != c.fails {
				t.Fatalf("%+v", a)
			}
			fails(nil)
			if a := w.ask(t, c.then); a.Refused != c.refused || a.Refused == "" != (w.done() == 2) {
				t.Errorf("%+v, and %d were done", a, w.done())
			}
		})
	}
}

// Whoever has given up waiting may have asked somebody else by now: nothing is done for them any more.
func TestNothingIsDoneForWhoHasGivenUp(t *testing.T) {
	w := start(t, nil)
	w.next(t)
	gone, stop := context.WithCancel(t.Context())
	stop()
	request := agent.Request{Version: agent.Version, Action: agent.Promote, BootID: w.agent.boot}
	for range 50 { // whether it is free, or the caller is gone, is seen first by chance
		if a := w.agent.act(gone, request); a.Refused != agent.Failed {
			t.Fatalf("%+v", a)
		}
	}
	w.agent.acting <- struct{}{} // somebody acts
	waiting, stop := context.WithCancel(t.Context())
	answers := make(chan agent.Answer)
	go func() { answers <- w.agent.act(waiting, request) }()
	stop()
	if a := <-answers; a.Refused != agent.Failed {
		t.Errorf("%+v", a)
	}
	<-w.agent.acting
	if a := w.ask(t, agent.Request{Action: agent.Promote}); a.Refused != "" || w.done() != 1 {
		t.Errorf("%+v, and %d were done", a, w.done())
	}
}

// Who connects and says nothing takes a place for two seconds at most; there are no more places than that, and the manager does not wait for one.
func TestConnectionsAreFew(t *testing.T) {
	w := start(t, nil)
	w.next(t)
	var silent []net.Conn
	for range 3 * MaxConnections {
		conn, err := net.Dial("tcp", w.actions)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		silent = append(silent, conn)
	}
	first := silent[0] // it has to go before it has been silent for long
	_ = first.SetReadDeadline(time.Now().Add(patience))
	if _, err := first.Read(make([]byte, 1)); err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("there are %d places: %v", len(silent), err)
	}
	for range 3 { // and one that has asked holds no place
		if a := w.ask(t, agent.Request{Action: agent.Promote}); a.Refused != "" {
			t.Errorf("%+v", a)
		}
	}
	for _, conn := range silent {
		_ = conn.SetReadDeadline(time.Now().Add(patience))
		if _, err := conn.Read(make([]byte, 1)); err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
			t.Fatalf("one that says nothing is still there: %v", err)
		}
	}
}

func TestActionsThatFail(t *testing.T) {
	w := start(t, nil)
	w.engine.actErr = &probe.Refusal{Text: "it is a master"}
	if a := w.ask(t, agent.Request{Action: agent.Leave}); a.Refused != agent.RefusedState || a.Problem != "it is a master" || a.Changed {
		t.Errorf("%+v", a)
	}
	w.engine.mu.Lock()
	w.engine.actErr = &probe.Failure{Reason: "timeout", Err: errors.New("two\nlines " + strings.Repeat("x", 1000))}
	w.engine.mu.Unlock()
	if a := w.ask(t, agent.Request{Action: agent.Leave, Epoch: 3}); a.Refused != agent.Failed || len(a.Problem) > agent.MaxProblem || a.Report.Epoch != 0 {
		t.Errorf("%+v", a)
	}
	w.engine.mu.Lock()
	w.engine.actErr = fmt.Errorf("evicting others: %w", redis.ErrLater)
	w.engine.mu.Unlock()
	if a := w.ask(t, agent.Request{Action: agent.Leave, Epoch: 3}); a.Refused != agent.RefusedLock || w.count(t, "shoal_agent_actions_total", "leave", "lock") != 1 {
		t.Errorf("%+v", a)
	}
	other := start(t, func(w *world, o *Options) { o.Engine = mute{w.engine} })
	if a := other.ask(t, agent.Request{Action: agent.Leave}); a.Refused != agent.RefusedEngine {
		t.Errorf("%+v", a)
	}
}
