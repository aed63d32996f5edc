package agent

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/go-logr/logr"

	"github.com/shoal-dev/shoal/agent/mtls"
	"github.com/shoal-dev/shoal/agent/probe"
	"github.com/shoal-dev/shoal/api/agent"
	"github.com/shoal-dev/shoal/redis"
)

// MaxConnections is how many connections each port of an agent has at the same time that have not shown who they are, or never do as they
// ask for metrics. Whoever reaches the pod can make some, and the memory of a sidecar is small. One that says nothing is ended after two
// seconds; at the port for metrics others wait.
const MaxConnections = 16

// Serve serves the actions to the manager, and to nobody else, until ctx ends.
func (a *Agent) Serve(ctx context.Context, listener net.Listener) error {
	mux := http.NewServeMux()
	mux.HandleFunc("POST "+agent.ActionPath, a.serveAction)
	logger := logr.FromContextOrDiscard(ctx)
	server := &http.Server{
		Handler:     mux,
		BaseContext: func(net.Listener) context.Context { return ctx },
		TLSConfig: mtls.Server(mtls.Recent(a.own), isManager, func(r *mtls.Refused) {
			a.metrics.strangers.WithLabelValues(r.Reason).Inc()
		}),
		ReadHeaderTimeout: 2 * time.Second, ReadTimeout: 3 * time.Second, WriteTimeout: 3*time.Second + 3*maxLook, IdleTimeout: 5 * time.Second,
		MaxHeaderBytes: 8 << 10, ConnState: known,
		ErrorLog: log.New(&handshakes{a.metrics, logger}, "", 0),
	}
	server.Protocols = &http.Protocols{}
	server.Protocols.SetHTTP1(true)
	stop := context.AfterFunc(ctx, func() { _ = server.Close() }) // an action that is under way may be done, or not
	defer stop()
	if err := server.ServeTLS(&guests{Listener: listener}, "", ""); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serving actions: %w", err)
	}
	return nil
}

// handshakes counts connections that ended before a certificate was looked at. Those with a bad certificate are counted already.
type handshakes struct {
	metrics metrics
	log     logr.Logger
}

func (h *handshakes) Write(line []byte) (int, error) {
	text := agent.Clip(string(line))
	if strings.Contains(text, "TLS handshake error") && !strings.Contains(text, "refusing the certificate") {
		h.metrics.strangers.WithLabelValues("handshake").Inc()
	}
	h.log.V(2).Info("A connection was refused", "problem", text)
	return len(line), nil
}

func (a *Agent) serveAction(w http.ResponseWriter, r *http.Request) {
	request, err := agent.DecodeRequest(r.Body)
	if err != nil {
		a.metrics.actions.WithLabelValues("none", "invalid").Inc()
		http.Error(w, agent.Clip(err.Error()), http.StatusBadRequest)
		return
	}
	answer := a.act(r.Context(), request)
	result := string(answer.Refused)
	if result == "" {
		result = "done"
	}
	a.metrics.actions.WithLabelValues(string(request.Action), result).Inc()
	level := 0
	if request.Action == agent.Look { // in a switchover there are hundreds in a second
		level = 2
	}
	logr.FromContextOrDiscard(r.Context()).V(level).Info("An action", "action", request.Action, "master", request.Master, "epoch", request.Epoch,
		"result", result, "changed", answer.Changed, "problem", answer.Problem)
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(answer) // if it does not arrive, the next report shows
}

// act does one action after the other.
func (a *Agent) act(ctx context.Context, request agent.Request) agent.Answer {
	answer := agent.Answer{Version: agent.Version}
	if err := a.turn(ctx); err != nil {
		answer.Refused, answer.Problem = agent.Failed, agent.Clip(err.Error())
		answer.Report = a.next()
		return answer
	}
	defer func() { <-a.acting }()
	if refusal, text := a.late(request); refusal != "" {
		answer.Refused, answer.Problem = refusal, text
	} else if engine, can := a.o.Engine.(actor); !can {
		answer.Refused, answer.Problem = agent.RefusedEngine, "the engine has no actions"
	} else {
		bounded, cancel := context.WithTimeout(ctx, maxLook)
		found, err := engine.Act(bounded, request)
		cancel()
		answer.Changed, answer.Parameters, answer.Line, answer.State = found.Changed, found.Parameters, found.Line, found.State
		if err != nil {
			answer.Refused, answer.Problem = refusalOf(err), agent.Clip(err.Error())
		} else {
			a.obeyed(request)
		}
		a.look(ctx)
	}
	answer.Report = a.next()
	return answer
}

// maxWait is for how long an action waits for those before it.
const maxWait = maxLook

// turn waits until no other action is done. Whoever asked may have given up by then: somebody else may have been asked instead,
// and this one must not be done any more.
func (a *Agent) turn(ctx context.Context) error {
	timer := time.NewTimer(maxWait)
	defer timer.Stop()
	select {
	case a.acting <- struct{}{}:
		if ctx.Err() == nil {
			return nil
		}
		<-a.acting
	case <-ctx.Done():
	case <-timer.C:
		return fmt.Errorf("other actions have taken %s: nothing was done", maxWait)
	}
	return fmt.Errorf("waiting for other actions: %w", ctx.Err())
}

func refusalOf(err error) agent.Refusal {
	refusal := (*probe.Refusal)(nil)
	switch {
	case errors.As(err, &refusal):
		return agent.RefusedState
	case errors.Is(err, redis.ErrLater):
		return agent.RefusedLock
	case errors.Is(err, probe.ErrLine):
		return agent.RefusedLine
	}
	return agent.Failed
}

// late says why a request that was under way for long must not be carried out any more. What it asks for is remembered as
// tried: whether it is done or fails, nothing older is done after it.
func (a *Agent) late(r agent.Request) (agent.Refusal, string) {
	if r.BootID != "" && r.BootID != a.boot {
		return agent.RefusedBoot, "the request is for another boot of the agent"
	}
	if r.Action == agent.ConfigGet {
		return "", ""
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if known := max(a.election.Epoch, a.tried.epoch); r.Epoch != 0 && r.Epoch < known {
		return agent.RefusedEpoch, fmt.Sprintf("the request is of epoch %d, and epoch %d is known", r.Epoch, known)
	}
	if r.Lock < a.tried.lock {
		return agent.RefusedLock, fmt.Sprintf("the request is of lock %d, and lock %d is known", r.Lock, a.tried.lock)
	}
	a.tried.epoch, a.tried.lock = max(a.tried.epoch, r.Epoch), r.Lock
	return "", ""
}

// obeyed remembers the election that an action was for.
func (a *Agent) obeyed(r agent.Request) {
	if r.Epoch == 0 {
		return
	}
	switch r.Action {
	case agent.Promote:
		a.elect(probe.Election{Epoch: r.Epoch, Master: a.o.Self[0]})
	case agent.Join, agent.Follow:
		a.elect(probe.Election{Epoch: r.Epoch, Master: r.Master})
	}
}
