package probe

import (
	"context"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/shoal-dev/shoal/api/agent"
	"github.com/shoal-dev/shoal/redis"
)

// saying is a server that says the same to whatever it hears; "" closes the connection, and silent never answers.
func saying(t *testing.T, text string) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				for some := make([]byte, 4096); ; {
					if _, err := conn.Read(some); err != nil || text == "" {
						return
					}
					if text != silent {
						_, _ = io.WriteString(conn, text)
					}
				}
			}()
		}
	}()
	return listener.Addr().String()
}

const silent = "silent"

func closed(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	return listener.Addr().String()
}

const secret = "correct horse"

func access() (redis.Access, error) {
	return redis.Access{Password: secret, Dial: 100 * time.Millisecond, IO: 100 * time.Millisecond}, nil
}

// Whatever answers in place of Redis: it is a failure with a reason, never a role, and the password is not in it.
func TestWhatIsNoRedis(t *testing.T) {
	for name, c := range map[string]struct{ addr, reason string }{
		"nobody":               {closed(t), unreachable},
		"one that hangs up":    {saying(t, ""), unreachable},
		"one that is silent":   {saying(t, silent), timeout},
		"without password":     {saying(t, "-ERR AUTH <password> called without any password configured for the default user\r\n"), refused},
		"another password":     {saying(t, "-WRONGPASS invalid username-password pair or user is disabled.\r\n"), refused},
		"without rights":       {saying(t, "-NOPERM this user has no permissions to run the 'info' command\r\n"), refused},
		"an error":             {saying(t, "-ERR unknown command 'AUTH', with args beginning with: '"+secret+"'\r\n"), answer},
		"OK to everything":     {saying(t, "+OK\r\n"), answer},
		"HTTP":                 {saying(t, "HTTP/1.1 400 Bad Request\r\n\r\n"), answer},
		"TLS":                  {saying(t, "\x15\x03\x01\x00\x02\x02\x46"), timeout},
		"endless":              {saying(t, "$1000000000\r\n"), ""},
		"an array in an array": {saying(t, strings.Repeat("*1\r\n", 10000)), ""},
	} {
		t.Run(name, func(t *testing.T) {
			p := NewRedis(c.addr, access)
			defer p.Close()
			for range 2 { // also when it is asked again
				_, err := p.Look(t.Context())
				var failure *Failure
				if !errors.As(err, &failure) || c.reason != "" && failure.Reason != c.reason {
					t.Errorf("%v, want %s", err, c.reason)
				}
				if strings.Contains(err.Error(), secret) {
					t.Errorf("the password is in %q", err)
				}
			}
		})
	}
}

// A Redis that wants no password takes the one that the agent has, with the name of the user. It is refused all the same, and given no orders.
func TestARedisThatTakesAnyPassword(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				for some := make([]byte, 4096); ; {
					n, err := conn.Read(some)
					if err != nil {
						return
					}
					reply := ":7\r\n"
					switch heard := strings.ToUpper(string(some[:n])); {
					case strings.Contains(heard, "HELLO"):
						reply = "*2\r\n$6\r\nserver\r\n$5\r\nredis\r\n"
					case strings.HasPrefix(heard, "*2\r\n$4\r\nAUTH"):
						reply = "-ERR AUTH <password> called without any password configured for the default user\r\n"
					}
					_, _ = io.WriteString(conn, reply)
				}
			}()
		}
	}()
	p := NewRedis(listener.Addr().String(), access)
	defer p.Close()
	var failure *Failure
	if _, err := p.Look(t.Context()); !errors.As(err, &failure) || failure.Reason != refused || strings.Contains(err.Error(), secret) {
		t.Errorf("a look: %v", err)
	}
	if _, err := p.Act(t.Context(), agent.Request{Action: agent.Protect}); !errors.As(err, &failure) || failure.Reason != refused {
		t.Errorf("an order: %v", err)
	}
}

func TestTLSToWhoSpeaksNone(t *testing.T) {
	server := httptest.NewUnstartedServer(http.NotFoundHandler())
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.StartTLS()
	defer server.Close()
	for name, addr := range map[string]string{"plain": saying(t, "-ERR unknown command\r\n"), "a certificate of nobody": server.Listener.Addr().String()} {
		p := NewRedis(addr, func() (redis.Access, error) {
			a, err := access()
			a.Dial, a.IO = 5*time.Second, 5*time.Second
			a.TLS = server.Client().Transport.(*http.Transport).TLSClientConfig.Clone()
			a.TLS.RootCAs, a.TLS.ServerName = nil, "redis"
			return a, err
		})
		var failure *Failure
		if _, err := p.Look(t.Context()); !errors.As(err, &failure) || failure.Reason != security {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestAPasswordThatCannotBeRead(t *testing.T) {
	p := NewRedis(closed(t), func() (redis.Access, error) { return redis.Access{}, errors.New("there is no file") })
	var failure *Failure
	if _, err := p.Look(t.Context()); !errors.As(err, &failure) || failure.Reason != refused {
		t.Error(err)
	}
	if _, err := p.Act(t.Context(), agent.Request{Action: agent.Protect}); !errors.As(err, &failure) {
		t.Error(err)
	}
}

func TestReportsOfStates(t *testing.T) {
	for _, c := range []struct {
		is   redis.State
		want agent.Report
	}{
		{redis.State{Kind: redis.Master, Version: "7.0.15", History: "h", Offset: 5, Keys: 3}, agent.Report{Role: agent.RoleMaster, Engine: "redis/7.0.15", ReplicationID: "h", Offset: 5, Holds: agent.HoldsData}},
		{redis.State{Kind: redis.Replica, Version: "8", History: "h", Offset: -1, Master: "a:1", Loading: true}, agent.Report{Role: agent.RoleReplica, Engine: "redis/8", ReplicationID: "h", MasterAddr: "a:1", Loading: true}},
		{redis.State{Kind: redis.Replica, Version: "8", Master: "a:1", LinkUp: true}, agent.Report{Role: agent.RoleReplica, Engine: "redis/8", MasterAddr: "a:1", LinkUp: true, Holds: agent.HoldsNothing}},
		{redis.State{Kind: redis.Replica, Version: "8", Master: "a:1", Syncing: true}, agent.Report{Role: agent.RoleReplica, Engine: "redis/8", MasterAddr: "a:1"}},
		{redis.State{Kind: redis.Master, Version: "6", Keys: -1}, agent.Report{Role: agent.RoleMaster, Engine: "redis/6"}},
		{redis.State{Kind: redis.Replica, Version: "8", Master: redis.Nobody}, agent.Report{Role: agent.RoleReplica, Engine: "redis/8", MasterAddr: redis.Nobody, Protected: true, Holds: agent.HoldsNothing}},
	} {
		if got := reportOf(c.is); got != c.want {
			t.Errorf("%+v is %+v, want %+v", c.is, got, c.want)
		}
	}
}

// An order that a state does not allow would lose data, or make a second master.
func TestWhatIsAllowed(t *testing.T) {
	states := map[string]redis.State{
		"master":    {Kind: redis.Master},
		"replica":   {Kind: redis.Replica, Master: "a:1"},
		"protected": {Kind: redis.Replica, Master: redis.Nobody},
		"syncing":   {Kind: redis.Replica, Master: "a:1", Syncing: true},
		"loading":   {Kind: redis.Replica, Master: "a:1", Loading: true},
	}
	const do, already, no = "do", "already", "no"
	for _, c := range []struct {
		action  agent.Action
		master  string
		answers map[string]string
	}{
		{agent.Protect, "", map[string]string{"master": do, "replica": do, "protected": already}},
		{agent.Demote, "", map[string]string{"master": do, "replica": no, "protected": already}},
		{agent.Leave, "", map[string]string{"master": no, "replica": do, "protected": already}},
		{agent.Join, "a:1", map[string]string{"master": no, "replica": already, "protected": do}},
		{agent.Join, "b:1", map[string]string{"master": no, "replica": no, "protected": do}},
		{agent.Follow, "a:1", map[string]string{"master": no, "replica": already, "protected": do}},
		{agent.Follow, "b:1", map[string]string{"master": no, "replica": do, "protected": do}},
		{agent.Promote, "", map[string]string{"master": already, "replica": do, "protected": do, "syncing": no, "loading": no}},
		{agent.Pause, "", map[string]string{"master": do, "replica": no, "protected": no}},
		{agent.Unpause, "", map[string]string{"master": do, "replica": do, "protected": do}},
	} {
		for state, want := range c.answers {
			needed, why := judge(states[state], agent.Request{Action: c.action, Master: c.master})
			got := already
			if why != "" {
				got = no
			} else if needed {
				got = do
			}
			if got != want {
				t.Errorf("%s %s of a %s: %s (%s), want %s", c.action, c.master, state, got, why, want)
			}
		}
	}
}

func TestOtherEngines(t *testing.T) {
	long := strings.Repeat("master", 1000)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/master":
			_, _ = io.WriteString(w, "master\n")
		case "/empty":
			w.WriteHeader(http.StatusNoContent)
		case "/leader":
			_, _ = io.WriteString(w, "leader")
		case "/unknown":
			_, _ = io.WriteString(w, "unknown")
		case "/long":
			_, _ = io.WriteString(w, long)
		case "/away":
			http.Redirect(w, r, "/master", http.StatusFound)
		case "/secret":
			w.WriteHeader(http.StatusUnauthorized)
		case "/slow":
			<-r.Context().Done()
		}
	}))
	defer server.Close()
	get := func(path string) looker { return NewHTTP(server.URL+path, 2*time.Second) }
	run := func(command ...string) looker { return Exec{command, 2 * time.Second} }
	for name, c := range map[string]struct {
		engine looker
		role   agent.Role
		reason string
	}{
		"http master":         {get("/master"), agent.RoleMaster, ""},
		"http empty":          {get("/empty"), agent.RoleNone, ""},
		"http another word":   {get("/leader"), "", answer},
		"http unknown":        {get("/unknown"), "", answer},
		"http long":           {get("/long"), "", answer},
		"http redirect":       {get("/away"), "", answer},
		"http unauthorized":   {get("/secret"), "", refused},
		"http slow":           {get("/slow"), "", timeout},
		"http nobody":         {NewHTTP("http://"+closed(t)+"/?token="+secret, time.Second), "", unreachable},
		"tcp":                 {TCP{server.Listener.Addr().String(), time.Second}, agent.RoleNone, ""},
		"tcp nobody":          {TCP{closed(t), time.Second}, "", unreachable},
		"exec replica":        {run("/bin/echo", "replica"), agent.RoleReplica, ""},
		"exec nothing":        {run("/bin/true"), agent.RoleNone, ""},
		"exec no shell":       {run("/bin/echo", "master; true"), "", answer},
		"exec no variables":   {run("/usr/bin/env"), agent.RoleNone, ""},
		"exec endless":        {run("/usr/bin/yes", "master"), "", timeout},
		"exec fails":          {run("/bin/false"), "", answer},
		"exec absent":         {run("/absent"), "", answer},
		"exec that is orphan": {run("/bin/sh", "-c", "sleep 3 & echo master"), "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			defer c.engine.Close()
			begun := time.Now()
			report, err := c.engine.Look(t.Context())
			if took := time.Since(begun); took > 10*time.Second {
				t.Errorf("it took %s", took)
			}
			if name == "exec that is orphan" {
				return // its answer does not matter, that it ends does
			}
			var failure *Failure
			if c.reason == "" && (err != nil || report.Role != c.role) {
				t.Errorf("%+v, %v, want %s", report, err, c.role)
			}
			if c.reason != "" && (!errors.As(err, &failure) || failure.Reason != c.reason || strings.Contains(err.Error(), secret)) {
				t.Errorf("%v, want %s", err, c.reason)
			}
		})
	}
}

type looker interface {
	Look(context.Context) (agent.Report, error)
	Close() error
}

// What a program has started ends with it, when it is given up.
func TestAProgramIsKilledWithItsChildren(t *testing.T) {
	mark := filepath.Join(t.TempDir(), "mark")
	// It is given up when the child has written, however long that takes on a busy machine.
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	go func() {
		for ctx.Err() == nil {
			if _, err := os.Stat(mark); err == nil {
				cancel()
			}
			time.Sleep(5 * time.Millisecond) //nolint:forbidigo // the child is another process
		}
	}()
	p := Exec{[]string{"/bin/sh", "-c", "(while :; do touch " + mark + "; sleep 0.02; done) & wait"}, time.Minute}
	if _, err := p.Look(ctx); err == nil {
		t.Fatal("it has answered")
	}
	if err := os.Remove(mark); err != nil {
		t.Fatal(err)
	}
	select {
	case <-t.Context().Done():
	case <-time.After(200 * time.Millisecond):
	}
	if _, err := os.Stat(mark); err == nil {
		t.Error("a child still writes")
	}
}
