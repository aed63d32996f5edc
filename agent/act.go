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
)

// Serve serves the actions to the manager, and to nobody else, until ctx ends.
func (a *Agent) Serve(ctx context.Context, listener net.Listener) error {
	mux := http.NewServeMux()
	mux.HandleFunc("POST "+agent.ActionPath, a.serveAction)
	logger := logr.FromContextOrDiscard(ctx)
	server := &http.Server{
		Handler:     mux,
		BaseContext: func(net.Listener) context.Context { return ctx },
		TLSConfig: mtls.Server(a.own, isManager, func(r *mtls.Refused) {
			a.metrics.strangers.WithLabelValues(r.Reason).Inc()
		}),
		ReadHeaderTimeout: 2 * time.Second, ReadTimeout: 3 * time.Second, WriteTimeout: 3*time.Second + 3*maxLook, IdleTimeout: 5 * time.Second,
		MaxHeaderBytes: 8 << 10,
		ErrorLog:       log.New(&handshakes{a.metrics, logger}, "", 0),
	}
	server.Protocols = &http.Protocols{}
	server.Protocols.SetHTTP1(true)
	stop := context.AfterFunc(ctx, func() { _ = server.Close() }) // an action that is under way may be done, or not
	defer stop()
	if err := server.ServeTLS(listener, "", ""); !errors.Is(err, http.ErrServerClosed) {
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
	logr.FromContextOrDiscard(r.Context()).Info("An action", "action", request.Action, "master", request.Master, "epoch", request.Epoch,
		"result", result, "changed", answer.Changed, "problem", answer.Problem)
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(answer) // if it does not arrive, the next report shows
}

// act does one action after the other.
func (a *Agent) act(ctx context.Context, request agent.Request) agent.Answer {
	a.acting.Lock()
	defer a.acting.Unlock()
	answer := agent.Answer{Version: agent.Version}
	if refusal, text := a.late(request); refusal != "" {
		answer.Refused, answer.Problem = refusal, text
	} else if engine, can := a.o.Engine.(actor); !can {
		answer.Refused, answer.Problem = agent.RefusedEngine, "the engine has no actions"
	} else {
		bounded, cancel := context.WithTimeout(ctx, maxLook)
		var err error
		answer.Changed, answer.Parameters, err = engine.Act(bounded, request)
		cancel()
		if err != nil {
			answer.Refused, answer.Problem = agent.Failed, agent.Clip(err.Error())
			if refusal := (*probe.Refusal)(nil); errors.As(err, &refusal) {
				answer.Refused = agent.RefusedState
			}
		} else {
			a.obeyed(request)
		}
		a.look(ctx)
	}
	answer.Report = a.next()
	return answer
}

// late says why a request that was under way for long must not be carried out any more.
func (a *Agent) late(r agent.Request) (agent.Refusal, string) {
	if r.BootID != "" && r.BootID != a.boot {
		return agent.RefusedBoot, "the request is for another boot of the agent"
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if r.Epoch != 0 && r.Epoch < a.election.Epoch {
		return agent.RefusedEpoch, fmt.Sprintf("the request is of epoch %d, and epoch %d is known", r.Epoch, a.election.Epoch)
	}
	return "", ""
}

// obeyed remembers the election that an action was for.
func (a *Agent) obeyed(r agent.Request) {
	if r.Epoch == 0 {
		return
	}
	switch r.Action {
	case agent.Promote:
		a.elect(probe.Election{Epoch: r.Epoch, Master: a.o.Self})
	case agent.Join, agent.Follow:
		a.elect(probe.Election{Epoch: r.Epoch, Master: r.Master})
	}
}
