package orders

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
	"net/http/httptrace"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	corev1 "k8s.io/api/core/v1"

	"github.com/shoal-dev/shoal/agent/mtls"
	"github.com/shoal-dev/shoal/api/agent"
	"github.com/shoal-dev/shoal/podspec"
)

// Target is the agent of one pod.
type Target struct {
	agent.Identity
	// Address is host:port of its endpoint for actions.
	Address string
}

// Of is the agent of a pod. It is an error as long as the pod has no address.
func Of(pod *corev1.Pod) (Target, error) {
	id := agent.Identity{Namespace: pod.Namespace, Pod: pod.Name, UID: string(pod.UID)}
	if _, err := agent.ParseIdentity(id.String()); err != nil {
		return Target{}, err
	}
	if net.ParseIP(pod.Status.PodIP) == nil {
		return Target{}, fmt.Errorf("the pod %s/%s has no address yet", pod.Namespace, pod.Name)
	}
	return Target{id, net.JoinHostPort(pod.Status.PodIP, strconv.Itoa(podspec.AgentActionsPort))}, nil
}

// Options are what orders need.
type Options struct {
	// Own is the manager's certificate; it is read for each connection.
	Own func() (mtls.Own, error)
	// Lock is the count of the lock that this process has (Lease.Count). While it is an error nothing is sent.
	Lock func() (uint64, error)
	// Heard is told of the report in each answer, of the pod whose certificate was seen; nil if nobody wants it.
	Heard func(context.Context, agent.Identity, agent.Report)
	// Timeout bounds each order, from connecting to the end of the answer; 0 means 5 seconds.
	Timeout  time.Duration
	Registry prometheus.Registerer
}

const defaultTimeout = 5 * time.Second

// Client gives orders. It may be used by several at once.
type Client struct {
	o     Options
	given *prometheus.CounterVec
}

// New makes a client.
func New(o Options) (*Client, error) {
	given, err := newCounter(o.Registry)
	if err != nil {
		return nil, fmt.Errorf("registering metrics of orders: %w", err)
	}
	if o.Timeout == 0 {
		o.Timeout = defaultTimeout
	}
	return &Client{o, given}, nil
}

// Do gives one order, over a connection of its own. Version and Lock of the request are set here. Its error is an *Error.
func (c *Client) Do(ctx context.Context, to Target, r agent.Request) (agent.Answer, error) {
	road := c.road(to, false)
	defer road.CloseIdleConnections()
	return c.send(ctx, road, to, r)
}

// road is how the agent is reached: directly, whatever proxy the process has, and as nobody but the pod that is meant. It is
// called over a connection, or with keep over one after the other as long as each is used at least every few seconds.
func (c *Client) road(to Target, keep bool) *http.Client {
	return &http.Client{
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Transport: &http.Transport{
			DialTLSContext:    func(ctx context.Context, _, _ string) (net.Conn, error) { return c.dial(ctx, to) },
			DisableKeepAlives: !keep, MaxConnsPerHost: 1, IdleConnTimeout: 3 * time.Second, // agents end what is idle for 5
			MaxResponseHeaderBytes: 16 << 10,
		},
	}
}

func (c *Client) dial(ctx context.Context, to Target) (net.Conn, error) {
	own, err := c.o.Own()
	if err != nil {
		return nil, fmt.Errorf("reading the manager's certificate: %w", err)
	}
	return (&tls.Dialer{Config: mtls.Client(own, isPod(to.Identity))}).DialContext(ctx, "tcp", to.Address)
}

// isPod admits that pod alone: the address may be another pod's by now, which has a good certificate too.
func isPod(want agent.Identity) func(*x509.Certificate) error {
	return func(c *x509.Certificate) error {
		got, err := agent.IdentityOf(c)
		if err == nil && got != want {
			err = fmt.Errorf("it is that of %s, not of %s", got, want)
		}
		return err
	}
}

func (c *Client) send(ctx context.Context, road *http.Client, to Target, r agent.Request) (agent.Answer, error) {
	answer, outcome, err := c.try(ctx, road, to, &r)
	if err != nil {
		err = &Error{Action: r.Action, Pod: to.Identity, Outcome: outcome, Refusal: answer.Refused, Err: err}
	}
	c.given.WithLabelValues(string(r.Action), result(err)).Inc()
	return answer, err
}

// try sends an order once.
func (c *Client) try(ctx context.Context, road *http.Client, to Target, r *agent.Request) (agent.Answer, Outcome, error) {
	ctx, cancel := context.WithTimeout(ctx, c.o.Timeout)
	defer cancel()
	var sent atomic.Bool
	request, err := c.request(httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{GotConn: func(httptrace.GotConnInfo) { sent.Store(true) }}), to, r)
	if err != nil {
		return agent.Answer{}, NotSent, err
	}
	response, err := road.Do(request)
	switch {
	case err != nil && !sent.Load():
		return agent.Answer{}, NotSent, err
	case err != nil: // it had a connection: the order may have gone out, whatever came back
		return agent.Answer{}, Unknown, err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		text, _ := io.ReadAll(io.LimitReader(response.Body, agent.MaxProblem)) // it is only words
		err = fmt.Errorf("status %d: %s", response.StatusCode, agent.Clip(string(text)))
		if response.StatusCode >= 400 && response.StatusCode < 500 {
			return agent.Answer{}, Refused, err
		}
		return agent.Answer{}, Unknown, err
	}
	answer, err := agent.DecodeAnswer(response.Body)
	if err != nil {
		return agent.Answer{}, Unknown, err
	}
	if c.o.Heard != nil {
		c.o.Heard(ctx, to.Identity, answer.Report)
	}
	outcome, err := refused(answer)
	if err == nil && r.Action == agent.Look && (answer.State == nil || answer.Line == 0) {
		return answer, Unknown, errors.New("the answer has no state")
	}
	return answer, outcome, err
}

// request puts version and lock into the order. The lock is asked for as late as that: it may be lost at any moment.
func (c *Client) request(ctx context.Context, to Target, r *agent.Request) (*http.Request, error) {
	lock, err := c.o.Lock()
	if err != nil {
		return nil, err
	}
	r.Version, r.Lock = agent.Version, lock
	if err := r.Validate(); err != nil {
		return nil, err
	}
	body, err := json.Marshal(r)
	if err != nil {
		return nil, fmt.Errorf("writing the order: %w", err)
	}
	// A body that cannot be read twice is never sent twice.
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, "https://"+to.Address+agent.ActionPath, io.NopCloser(bytes.NewReader(body)))
	if err != nil {
		return nil, err
	}
	request.ContentLength = int64(len(body))
	request.Header.Set("Content-Type", "application/json")
	return request, nil
}
