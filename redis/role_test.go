package redis

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"os/exec"
	"strings"
	"testing"
	"time"
)

func TestAskRole(t *testing.T) {
	for name, c := range map[string]struct {
		answer string
		want   Role
		fails  string
	}{
		"master":         {"*3\r\n$6\r\nmaster\r\n:3129659\r\n*0\r\n", Role{Kind: Master, Offset: 3129659}, ""},
		"empty master":   {"*3\r\n$6\r\nmaster\r\n:0\r\n*0\r\n", Role{Kind: Master}, ""},
		"replica":        {"*5\r\n$5\r\nslave\r\n$9\r\n127.0.0.1\r\n:9000\r\n$9\r\nconnected\r\n:42\r\n", Role{Kind: Replica, Offset: 42, Link: "connected"}, ""},
		"sentinel":       {"*2\r\n$8\r\nsentinel\r\n*0\r\n", Role{Kind: Sentinel}, ""},
		"needs password": {"-NOAUTH Authentication required.\r\n", Role{}, "NOAUTH"},
		"is loading":     {"-LOADING Redis is loading the dataset in memory\r\n", Role{}, "LOADING"},
		"speaks another": {"HTTP/1.1 400 Bad Request\r\n\r\n", Role{}, "asking"},
		"is incomplete":  {"*1\r\n$6\r\nmaster\r\n", Role{}, "incomplete"},
		"is unknown":     {"*1\r\n$5\r\nproxy\r\n", Role{}, "no known role"},
		"is empty":       {"*0\r\n", Role{}, "empty"},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := AskRole(t.Context(), serve(t, c.answer))
			if c.fails == "" {
				if err != nil || got != c.want {
					t.Fatalf("got %+v, %v", got, err)
				}
				return
			}
			if err == nil || !strings.Contains(err.Error(), c.fails) {
				t.Fatalf("got %+v, %v", got, err)
			}
		})
	}
}

func TestNobodyAnswers(t *testing.T) {
	closed := serve(t, "")
	start := time.Now()
	if role, err := AskRole(t.Context(), closed); err == nil {
		t.Fatalf("got %+v from somebody who accepts and says nothing", role)
	}
	if took := time.Since(start); took > 5*time.Second {
		t.Errorf("gave up after %s", took)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := listener.Addr().String()
	listener.Close()
	if role, err := AskRole(t.Context(), addr); err == nil {
		t.Fatalf("got %+v from nobody", role)
	}
}

// serve answers ROLE with the given bytes, and every other command as an old Redis would.
func serve(t *testing.T, role string) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go answer(conn, role)
		}
	}()
	return listener.Addr().String()
}

func answer(conn net.Conn, role string) {
	defer conn.Close()
	in := bufio.NewReader(conn)
	for {
		command, err := readCommand(in)
		if err != nil {
			return
		}
		reply := "-ERR unknown command\r\n"
		if strings.EqualFold(command, "role") {
			reply = role
		}
		if _, err := io.WriteString(conn, reply); err != nil {
			return
		}
	}
}

// readCommand reads an array of bulk strings and returns the first one.
func readCommand(in *bufio.Reader) (string, error) {
	var n int
	if _, err := fmt.Fscanf(in, "*%d\r\n", &n); err != nil {
		return "", err
	}
	first := ""
	for i := range n {
		var length int
		if _, err := fmt.Fscanf(in, "$%d\r\n", &length); err != nil {
			return "", err
		}
		text := make([]byte, length+2)
		if _, err := io.ReadFull(in, text); err != nil {
			return "", err
		}
		if i == 0 {
			first = string(text[:length])
		}
	}
	return first, nil
}

// TestRealRedis asks a Redis that was just started: a master that never replicated.
func TestRealRedis(t *testing.T) {
	binary, err := exec.LookPath("redis-server")
	if err != nil {
		t.Skip("there is no redis-server on the PATH: `make real-node-deps` installs it")
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_, port, _ := net.SplitHostPort(listener.Addr().String())
	listener.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	server := exec.CommandContext(ctx, binary, "--port", port, "--bind", "127.0.0.1", "--save", "", "--dir", t.TempDir())
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { cancel(); _ = server.Wait() }()
	for {
		role, err := AskRole(ctx, "127.0.0.1:"+port)
		if err == nil {
			if role.Kind != Master || role.Offset != 0 {
				t.Fatalf("got %+v", role)
			}
			return
		}
		select {
		case <-ctx.Done():
			t.Fatal(err)
		case <-time.After(50 * time.Millisecond):
		}
	}
}
