package forward

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"testing"
	"time"
)

const patience = 10 * time.Second

// connect gives both ends of a TCP connection on loopback.
func connect(t *testing.T) (*net.TCPConn, *net.TCPConn) {
	t.Helper()
	listener := listen(t)
	near, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	return prepared(t, near), accepted(t, listener)
}

func listen(t *testing.T) *net.TCPListener {
	t.Helper()
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	return listener.(*net.TCPListener)
}

func accepted(t *testing.T, listener *net.TCPListener) *net.TCPConn {
	t.Helper()
	_ = listener.SetDeadline(time.Now().Add(patience))
	connection, err := listener.Accept()
	if err != nil {
		t.Fatal(err)
	}
	return prepared(t, connection)
}

func prepared(t *testing.T, connection net.Conn) *net.TCPConn {
	t.Helper()
	t.Cleanup(func() { _ = connection.Close() })
	_ = connection.SetDeadline(time.Now().Add(patience))
	return connection.(*net.TCPConn)
}

// A client that has said all and closes its side still waits for the answer: kubectl exec with a file as input does so.
func TestOneSideMayEndBeforeTheOther(t *testing.T) {
	client, outside := connect(t)
	target := listen(t)
	go pass(context.Background(), outside, target.Addr().String())
	server := accepted(t, target)
	if _, err := io.WriteString(client, "question"); err != nil {
		t.Fatal(err)
	}
	if err := client.CloseWrite(); err != nil {
		t.Fatal(err)
	}
	if got, err := io.ReadAll(server); err != nil || string(got) != "question" {
		t.Fatalf("the target read %q, %v", got, err)
	}
	if _, err := io.WriteString(server, "answer"); err != nil {
		t.Fatal(err)
	}
	if err := server.Close(); err != nil {
		t.Fatal(err)
	}
	if got, err := io.ReadAll(client); err != nil || string(got) != "answer" {
		t.Errorf("the client read %q, %v", got, err)
	}
}

func TestATargetThatIsGoneClosesTheConnection(t *testing.T) {
	client, outside := connect(t)
	target := listen(t)
	if err := target.Close(); err != nil {
		t.Fatal(err)
	}
	go pass(context.Background(), outside, target.Addr().String())
	if _, err := client.Read(make([]byte, 1)); err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("the client was left waiting: %v", err)
	}
}

func TestRunEndsWithItsContextAndClosesItsSockets(t *testing.T) {
	listener := listen(t)
	file, err := listener.File()
	if err != nil {
		t.Fatal(err)
	}
	if err := listener.Close(); err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- Run(ctx, []*os.File{file}) }()
	stop()
	select {
	case err := <-done:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(patience):
		t.Fatal("it still runs")
	}
	if _, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", listener.Addr().String()); err == nil {
		t.Error("somebody still listens")
	}
}

func TestWhatIsNoSocketIsRefused(t *testing.T) {
	file, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	if err := Run(t.Context(), []*os.File{file}); err == nil {
		t.Error("a file was taken for a socket")
	}
}
