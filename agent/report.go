package agent

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"time"

	"github.com/go-logr/logr"

	"github.com/shoal-dev/shoal/agent/mtls"
	"github.com/shoal-dev/shoal/agent/probe"
	"github.com/shoal-dev/shoal/api/agent"
)

const (
	// pushTimeout bounds one report, from connecting to the answer.
	pushTimeout = 5 * time.Second
	// retryFirst is before the second try to report; the time doubles with each, up to retryLast, or the heartbeat if that is shorter.
	retryFirst = time.Second
	retryLast  = time.Minute
	// askEvery is how often it is asked who was elected, or once a heartbeat if that is shorter.
	askEvery = time.Minute
)

// report reports what has changed at once, everything once per heartbeat, and what did not arrive again, later and later:
// when a manager comes back, not all agents come at once.
func (a *Agent) report(ctx context.Context) {
	log := logr.FromContextOrDiscard(ctx)
	timer := time.NewTimer(spread(a.o.Heartbeat))
	defer timer.Stop()
	retry, failing := retryFirst, false
	for {
		select {
		case <-ctx.Done():
			return
		case <-a.changed:
			retry = retryFirst
		case <-timer.C:
		}
		wait := a.o.Heartbeat
		switch err := a.push(ctx); {
		case ctx.Err() != nil:
			return
		case err != nil:
			if !failing {
				log.Error(err, "Reports do not arrive")
			}
			wait = min(retry, retryLast, a.o.Heartbeat)
			retry, failing = 2*wait, true
		default:
			if failing {
				log.Info("Reports arrive again")
			}
			retry, failing = retryFirst, false
		}
		timer.Reset(spread(wait))
	}
}

// spread lengthens a time by up to a quarter, at random.
func spread(d time.Duration) time.Duration { return d + rand.N(d/4+1) }

// push sends one report. Nothing is sent before anything is known.
func (a *Agent) push(ctx context.Context) error {
	if !a.anything() {
		return nil
	}
	result, err := a.send(ctx, a.next())
	if err != nil {
		a.sessions.Forget()
	}
	a.metrics.reports.WithLabelValues(result).Inc()
	return err
}

func (a *Agent) send(ctx context.Context, r agent.Report) (result string, err error) {
	body, err := json.Marshal(r)
	if err != nil {
		return "failed", fmt.Errorf("writing a report: %w", err)
	}
	own, err := a.own()
	if err != nil {
		return "failed", err
	}
	ctx, cancel := context.WithTimeout(ctx, pushTimeout)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, "https://"+a.o.Manager+agent.ReportPath, bytes.NewReader(body))
	if err != nil {
		return "failed", fmt.Errorf("making a report: %w", err)
	}
	request.Header.Set("Content-Type", "application/json")
	// One connection for one report, which resumes the session of the one before. No proxy and no redirect: what is behind them is not the manager.
	client := &http.Client{
		Transport:     &http.Transport{TLSClientConfig: a.sessions.Client(own, isManager), DisableKeepAlives: true, MaxResponseHeaderBytes: 16 << 10},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	response, err := client.Do(request)
	if err != nil {
		if refused := (*mtls.Refused)(nil); errors.As(err, &refused) {
			return "stranger", fmt.Errorf("reporting to %s: %w", a.o.Manager, err)
		}
		return "failed", fmt.Errorf("reporting to %s: %w", a.o.Manager, err)
	}
	defer response.Body.Close()
	if response.StatusCode == http.StatusNoContent {
		return "accepted", nil
	}
	text, _ := io.ReadAll(io.LimitReader(response.Body, agent.MaxProblem)) // it is only words
	err = fmt.Errorf("reporting to %s: status %d: %s", a.o.Manager, response.StatusCode, agent.Clip(string(text)))
	if response.StatusCode >= 500 {
		return "failed", err
	}
	return "refused", err
}

// own reads the certificate, and tells when it ends.
func (a *Agent) own() (mtls.Own, error) {
	own, err := a.o.Own()
	if err == nil && own.Certificate.Leaf != nil {
		a.metrics.expiry.Set(float64(own.Certificate.Leaf.NotAfter.Unix()))
	}
	return own, err
}

// follow asks who was elected: when the role has changed, soon again while the answer does not fit the role, and each
// minute. It has nothing to do with noticing a role: a report without an epoch is under way already. All members of the HA
// system are asked when there is something to learn; otherwise one tells that there is not, or ten thousand agents would be
// most of what they hear.
func (a *Agent) follow(ctx context.Context) {
	log := logr.FromContextOrDiscard(ctx)
	timer := time.NewTimer(0)
	defer timer.Stop()
	wait, heard, every := retryFirst, probe.Election{}, a.asks()
	for {
		news := heard == probe.Election{} || wait < every
		select {
		case <-ctx.Done():
			return
		case <-a.moved:
			wait, news = retryFirst, true
		case <-timer.C:
		}
		if !news {
			one, err := a.o.Elections(ctx, true)
			news = err != nil || one != heard
		}
		err := error(nil)
		if news {
			heard, err = a.o.Elections(ctx, false)
		}
		if ctx.Err() != nil {
			return
		}
		if err != nil {
			a.metrics.elections.Inc()
			log.V(2).Info("The HA system does not answer", "problem", agent.Clip(err.Error()))
			heard = probe.Election{}
		} else {
			a.hear(heard, time.Now())
		}
		a.mu.Lock()
		fits := err == nil && a.epoch() != 0
		a.mu.Unlock()
		if wait = min(2*wait, every); fits {
			wait = every
		}
		timer.Reset(spread(wait))
	}
}

func (a *Agent) asks() time.Duration { return min(askEvery, a.o.Heartbeat) }
