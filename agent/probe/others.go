package probe

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os/exec"
	"strings"
	"syscall"
	"time"

	"github.com/shoal-dev/shoal/api/agent"
)

// maxAnswer bounds what is read of an engine's answer, in bytes.
const maxAnswer = 256

// role reads the answer of an engine: one of the words master, replica and none; nothing at all is none.
func role(text []byte) (agent.Report, error) {
	switch word := agent.Role(strings.TrimSpace(string(text))); word {
	case agent.RoleMaster, agent.RoleReplica, agent.RoleNone:
		return agent.Report{Role: word}, nil
	case "":
		return agent.Report{Role: agent.RoleNone}, nil
	}
	return agent.Report{}, &Failure{answer, errors.New("the answer is none of master, replica, none")}
}

// TCP finds out whether somebody accepts connections at Address (host:port).
type TCP struct {
	Address string
	Timeout time.Duration
}

// Look connects. The role is none.
func (p TCP) Look(ctx context.Context) (agent.Report, error) {
	conn, err := (&net.Dialer{Timeout: p.Timeout}).DialContext(ctx, "tcp", p.Address)
	if err != nil {
		return agent.Report{}, fail(err)
	}
	_ = conn.Close()
	return agent.Report{Role: agent.RoleNone}, nil
}

// Close does nothing: no connection is kept.
func (p TCP) Close() error { return nil }

// HTTP asks a URL, whose answer with a status of 200 to 299 is the role.
type HTTP struct {
	url    string
	client *http.Client
}

// NewHTTP asks with GET. Redirects are not followed, proxies not used.
func NewHTTP(address string, timeout time.Duration) *HTTP {
	return &HTTP{address, &http.Client{
		Timeout:       timeout,
		Transport:     &http.Transport{MaxIdleConns: 1, MaxResponseHeaderBytes: 16 << 10},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

// Look asks. It takes no longer than the timeout.
func (p *HTTP) Look(ctx context.Context) (agent.Report, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, p.url, nil)
	if err != nil {
		return agent.Report{}, fail(err)
	}
	response, err := p.client.Do(request)
	if err != nil {
		if whole := (*url.Error)(nil); errors.As(err, &whole) {
			err = whole.Err // without the URL, which may have a secret in it
		}
		return agent.Report{}, fail(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(io.LimitReader(response.Body, maxAnswer))
	if err != nil {
		return agent.Report{}, fail(err)
	}
	switch {
	case response.StatusCode == http.StatusUnauthorized || response.StatusCode == http.StatusForbidden:
		return agent.Report{}, &Failure{refused, fmt.Errorf("the status is %d", response.StatusCode)}
	case response.StatusCode < 200 || response.StatusCode > 299:
		return agent.Report{}, &Failure{answer, fmt.Errorf("the status is %d", response.StatusCode)}
	}
	return role(text)
}

// Close ends the connection.
func (p *HTTP) Close() error {
	p.client.CloseIdleConnections()
	return nil
}

// Exec runs a program, which says the role on its standard output. No shell reads its arguments, and its environment is
// empty.
type Exec struct {
	Command []string
	Timeout time.Duration
}

// Look runs the program. After the timeout it is killed, with all that it has started in its process group.
func (p Exec) Look(ctx context.Context) (agent.Report, error) {
	ctx, cancel := context.WithTimeout(ctx, p.Timeout)
	defer cancel()
	out := &head{}
	c := exec.CommandContext(ctx, p.Command[0], p.Command[1:]...)
	c.Env, c.Stdout = []string{}, out
	c.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	c.Cancel = func() error { return syscall.Kill(-c.Process.Pid, syscall.SIGKILL) }
	c.WaitDelay = p.Timeout // for one that left the group and holds the output open
	switch err := c.Run(); {
	case ctx.Err() != nil:
		return agent.Report{}, &Failure{timeout, fmt.Errorf("running %s: %w", p.Command[0], ctx.Err())}
	case err != nil:
		return agent.Report{}, &Failure{answer, fmt.Errorf("running %s: %w", p.Command[0], err)}
	}
	return role(out.Bytes())
}

// Close does nothing: each look ends what it has started.
func (p Exec) Close() error { return nil }

// head keeps the beginning of what is written.
type head struct{ bytes.Buffer }

func (h *head) Write(text []byte) (int, error) {
	h.Buffer.Write(text[:min(len(text), maxAnswer-min(maxAnswer, h.Len()))])
	return len(text), nil
}
