package receive

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/shoal-dev/shoal/agent/mtls"
	"github.com/shoal-dev/shoal/api/agent"
	"github.com/shoal-dev/shoal/roles"
)

// How long a connection may take: for its handshake, for its report, and for the answer.
const (
	readTimeout  = 5 * time.Second
	writeTimeout = 10 * time.Second
)

// Options are what the endpoint needs.
type Options struct {
	// Address to listen on.
	Address string
	// Own is the manager's certificate; it is read for each connection.
	Own func() (mtls.Own, error)
	// Accept takes a report (roles.Ledger).
	Accept func(context.Context, agent.Identity, agent.Report) error
	// Tell makes an event of a refusal; it is called rarely.
	Tell func(cause, text string)
	// Lead is called when the endpoint listens, and each second for as long as it does: it leads agents here, and does nothing if they
	// are led here already.
	Lead func(context.Context) error
	// Now is the clock of Tell.
	Now func() time.Time
}

// Server is the endpoint.
type Server struct {
	o       Options
	metrics metrics

	mu   sync.Mutex
	told map[string]time.Time
}

// tellEvery is after how long the same cause is told again.
const tellEvery = time.Hour

// Start listens until ctx ends. It is for the leader alone: the manager starts nothing else before it leads.
func (s *Server) Start(ctx context.Context) error {
	var config net.ListenConfig
	l, err := config.Listen(ctx, "tcp", s.o.Address)
	if err != nil {
		return fmt.Errorf("listening for reports of agents: %w", err)
	}
	leads := make(chan struct{})
	go func() { defer close(leads); s.lead(ctx) }()
	err = s.serve(ctx, l)
	<-leads
	return err
}

// leadEvery is how often it is looked whether agents are led here.
const leadEvery = time.Second

// lead leads agents here until ctx ends: somebody may take the label away, or give it to another pod. Without it agents do not find
// this process, and go on trying.
func (s *Server) lead(ctx context.Context) {
	ticker := time.NewTicker(leadEvery)
	defer ticker.Stop()
	for {
		if s.tryToLead(ctx) != nil {
			s.metrics.leadFailures.Inc()
		}
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}

// leadWithin is for how long the API server may take to answer one try.
const leadWithin = 10 * time.Second

func (s *Server) tryToLead(ctx context.Context) error {
	ctx, stop := context.WithTimeout(ctx, leadWithin)
	defer stop()
	return s.o.Lead(ctx)
}

func (s *Server) serve(ctx context.Context, l net.Listener) error {
	bounded := bound(l, maxConnections, maxPerAddress, func() { s.refuse("busy", "an address has too many connections that do not show who they are") })
	server := &http.Server{
		Handler: s.handler(), ReadHeaderTimeout: readTimeout, ReadTimeout: readTimeout, WriteTimeout: writeTimeout, MaxHeaderBytes: 8 << 10,
		ErrorLog: log.New(io.Discard, "", 0), // whoever scans ports would fill the log; they are counted
	}
	server.SetKeepAlivesEnabled(false)
	defer context.AfterFunc(ctx, func() { _ = server.Close() })()
	admit := func(c *x509.Certificate) error { _, err := agent.IdentityOf(c); return err }
	refused := func(r *mtls.Refused) { s.refuse(r.Reason, agent.Clip(r.Error())) }
	busy := func(id agent.Identity) {
		s.refuse("busy", agent.Clip(fmt.Sprintf("%s has too many connections at once", id)))
	}
	if err := server.Serve(prove(ctx, bounded, mtls.ServerOfMany(s.o.Own, admit, refused), busy)); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serving reports of agents: %w", err)
	}
	return nil
}

func (s *Server) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("POST "+agent.ReportPath, s.report)
	mux.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) {
		s.refuse("path", "somebody asks for what there is not")
		http.Error(w, "POST "+agent.ReportPath+" is all that there is", http.StatusNotFound)
	})
	return mux
}

// report answers one report. Nothing of a report is in an answer, an event or a log before its certificate was verified.
func (s *Server) report(w http.ResponseWriter, r *http.Request) {
	id, err := agent.IdentityOf(r.TLS.PeerCertificates[0]) // verified when the connection was made
	if err != nil {
		s.refuse("identity", err.Error())
		http.Error(w, err.Error(), http.StatusForbidden)
		return
	}
	body, err := agent.DecodeReport(http.MaxBytesReader(w, r.Body, agent.MaxReportBytes+1))
	if err != nil {
		s.refuse("report", agent.Clip(fmt.Sprintf("%s sends what is no report: %v", id, err)))
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	switch err := s.o.Accept(r.Context(), id, body); {
	case err == nil:
		s.metrics.accepted.Inc()
		w.WriteHeader(http.StatusNoContent)
	case errors.Is(err, roles.ErrStranger):
		s.refuse("stranger", agent.Clip(err.Error()))
		http.Error(w, err.Error(), http.StatusForbidden)
	case errors.Is(err, roles.ErrOld): // two of one agent that overtook each other: nothing to tell a person
		s.metrics.refusals.WithLabelValues("old").Inc()
		http.Error(w, err.Error(), http.StatusConflict)
	default:
		s.metrics.refusals.WithLabelValues("unavailable").Inc()
		http.Error(w, "it cannot be told now who this is", http.StatusServiceUnavailable)
	}
}

// refuse counts a refusal, and tells of the first of its cause within an hour. The causes are a few, whatever is sent.
func (s *Server) refuse(cause, text string) {
	s.metrics.refusals.WithLabelValues(cause).Inc()
	s.mu.Lock()
	now := s.o.Now()
	at, told := s.told[cause]
	due := !told || now.Sub(at) >= tellEvery
	if due {
		s.told[cause] = now
	}
	s.mu.Unlock()
	if due {
		s.o.Tell(cause, text)
	}
}
