package redis

import (
	"bufio"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"testing"
	"time"
)

// readAll reads an array of bulk strings.
func readAll(in *bufio.Reader) ([]string, error) {
	var n int
	if _, err := fmt.Fscanf(in, "*%d\r\n", &n); err != nil {
		return nil, err
	}
	var words []string
	for range n {
		var length int
		if _, err := fmt.Fscanf(in, "$%d\r\n", &length); err != nil {
			return nil, err
		}
		text := make([]byte, length+2)
		if _, err := io.ReadFull(in, text); err != nil {
			return nil, err
		}
		words = append(words, string(text[:length]))
	}
	return words, nil
}

// scripted is a server that answers commands, in upper case and joined by blanks, with what stands behind their beginning.
func scripted(t *testing.T, answers map[string]string) string {
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
			go func() {
				defer conn.Close()
				in := bufio.NewReader(conn)
				for {
					words, err := readAll(in)
					if err != nil {
						return
					}
					// As Redis does, of a command that it does not know.
					reply := fmt.Sprintf("-ERR unknown command '%s', with args beginning with: '%s'\r\n", words[0], strings.Join(words[1:], "' '"))
					for start, given := range answers {
						if strings.HasPrefix(strings.ToUpper(strings.Join(words, " ")), start) {
							reply = given
						}
					}
					if reply == "hangs up" {
						return
					}
					if _, err := io.WriteString(conn, reply); err != nil {
						return
					}
				}
			}()
		}
	}()
	return listener.Addr().String()
}

func bulk(text string) string { return fmt.Sprintf("$%d\r\n%s\r\n", len(text), text) }

func list(words ...string) string {
	out := fmt.Sprintf("*%d\r\n", len(words))
	for _, word := range words {
		out += bulk(word)
	}
	return out
}

// A server that wants no password takes any, also the one that was given. It is found out, without telling of the password.
func TestAServerThatTakesAnyPassword(t *testing.T) {
	open := map[string]string{
		"HELLO": "-NOPROTO no\r\n", "CLIENT": ":7\r\n", "AUTH DEFAULT CORRECT": "+OK\r\n", "AUTH OPERATOR CORRECT": "+OK\r\n",
		"AUTH CORRECT": "-ERR AUTH <password> called without any password configured for the default user. Are you sure your configuration is correct?\r\n",
	}
	guarded := maps.Clone(open)
	guarded["AUTH CORRECT"] = "+OK\r\n"
	for name, c := range map[string]struct {
		answers map[string]string
		access  Access
		want    string
	}{
		"it wants none":              {open, Access{Username: "default", Password: "correct-horse"}, "without any password configured"},
		"it wants that one":          {guarded, Access{Username: "default", Password: "correct-horse"}, ""},
		"none was given":             {open, Access{}, ""},
		"another user has to be one": {open, Access{Username: "operator", Password: "correct-horse"}, ""},
	} {
		conn, err := Connect(t.Context(), scripted(t, c.answers), c.access)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if err = conn.Guarded(t.Context()); (err == nil) != (c.want == "") || err != nil && (!strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "horse")) {
			t.Errorf("%s: %v", name, err)
		}
		_ = conn.Close()
	}
}

func TestAPasswordIsNowhere(t *testing.T) {
	const password = "correct horse"
	access := Access{Username: "operator", Password: password, Name: "test"}
	_, err := Connect(t.Context(), scripted(t, nil), access)
	if err == nil {
		t.Fatal("a server that knows no command was connected to")
	}
	text, _ := json.Marshal(access.Password)
	for _, shown := range []string{
		err.Error(), fmt.Sprintf("%v %+v %#v", err, err, err), string(text),
		fmt.Sprintf("%v %+v %#v %s %q %x", access, access, access, access.Password, access.Password, access.Password),
	} {
		if strings.Contains(shown, password) || strings.Contains(shown, fmt.Sprintf("%x", password)) {
			t.Errorf("the password is in %q", shown)
		}
	}
	for _, text := range []string{
		"with args: '" + password + "'", "with args: '" + password[:7],
		"ERR unknown command 'HELLO', with args beginning with: 'AUTH' 'operator' '" + password[:2],
	} {
		shown := access.scrub(errors.New(text)).Error()
		if !strings.Contains(shown, stars) || strings.Contains(shown, password[:4]) || strings.HasSuffix(shown, password[:2]) {
			t.Errorf("%q is shown as %q", text, shown)
		}
	}
	plain := errors.New("connection refused")
	if !errors.Is(access.scrub(plain), plain) {
		t.Error("an error without a password is changed")
	}
}

// A password that is none is none when it is read back, and not three stars.
func TestNoPasswordStaysNone(t *testing.T) {
	text, err := json.Marshal(Access{Username: "operator"})
	if err != nil {
		t.Fatal(err)
	}
	var back Access
	if err := json.Unmarshal(text, &back); err != nil || back.Password != "" {
		t.Errorf("%s is read back as %q, %v", text, string(back.Password), err)
	}
}

// What a server has against a password is told, and not that some later word went unheard.
func TestAWrongPasswordIsTheCause(t *testing.T) {
	addr := scripted(t, map[string]string{"CLIENT ID": "-NOAUTH Authentication required.\r\n", "AUTH": "-WRONGPASS invalid username-password pair or user is disabled.\r\n"})
	for range 20 {
		if _, err := Connect(t.Context(), addr, Access{Username: "operator", Password: "correct horse", Name: "test"}); err == nil || !strings.Contains(err.Error(), "WRONGPASS") {
			t.Fatalf("got %v", err)
		}
	}
}

// slowly hands over connections on which the handshake of TLS takes a while.
type slowly struct {
	net.Listener
	until time.Duration
}

func (s slowly) Accept() (net.Conn, error) {
	conn, err := s.Listener.Accept()
	if err == nil {
		<-time.After(s.until)
	}
	return conn, err
}

// Connecting has a bound of its own: a command that must be quick does not make a slow handshake fail.
func TestConnectingMayTakeLongerThanACommand(t *testing.T) {
	backend := scripted(t, map[string]string{"CLIENT ID": ":1\r\n"})
	https := httptest.NewTLSServer(nil) // for its certificate
	defer https.Close()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	secure := tls.NewListener(slowly{listener, 300 * time.Millisecond}, https.TLS)
	go func() {
		for {
			client, err := secure.Accept()
			if err != nil {
				return
			}
			server, err := net.Dial("tcp", backend)
			if err != nil {
				return
			}
			go func() { _, _ = io.Copy(server, client); server.Close() }()
			go func() { _, _ = io.Copy(client, server); client.Close() }()
		}
	}()
	roots := https.Client().Transport.(*http.Transport).TLSClientConfig.RootCAs
	access := Access{Dial: 20 * time.Second, IO: 150 * time.Millisecond, TLS: &tls.Config{RootCAs: roots, ServerName: "example.com"}}
	conn, err := Connect(t.Context(), listener.Addr().String(), access)
	if err != nil {
		t.Fatal(err)
	}
	_ = conn.Close()
}

const master = "# Server\r\nredis_version:7.0.15\r\nrun_id:abc\r\n# Persistence\r\nloading:0\r\n# Replication\r\nrole:master\r\n" +
	"connected_slaves:2\r\nslave0:ip=10.0.0.2,port=6379,state=online,offset=41,lag=1\r\nslave1:ip=10.0.0.3,port=6379,state=wait_bgsave,offset=0,lag=0\r\n" +
	"master_failover_state:no-failover\r\nmaster_replid:aaa\r\nmaster_replid2:0000000000\r\nmaster_repl_offset:42\r\nsecond_repl_offset:-1\r\n" +
	"# Keyspace\r\ndb0:keys=3,expires=1,avg_ttl=0\r\ndb12:keys=4,expires=0,avg_ttl=0\r\n"

const replica = "run_id:def\r\nredis_version:7.0.15\r\nloading:1\r\naof_rewrite_in_progress:1\r\nrole:slave\r\nmaster_host:10.0.0.1\r\nmaster_port:6379\r\nmaster_link_status:down\r\n" +
	"master_link_down_since_seconds:7\r\nmaster_sync_in_progress:1\r\nslave_repl_offset:40\r\nslave_priority:100\r\nconnected_slaves:0\r\n" +
	"master_replid:bbb\r\nmaster_replid2:aaa\r\nmaster_repl_offset:39\r\nsecond_repl_offset:12\r\n"

func TestState(t *testing.T) {
	for name, c := range map[string]struct {
		info, settings string
		want           State
		fails          string
	}{
		"master": {master, list("min-replicas-to-write", "1", "min-replicas-max-lag", "10", "maxmemory", "1024"), State{
			RunID: "abc", Version: "7.0.15", Kind: Master, History: "aaa", FormerEnd: -1, Offset: 42, Keys: 7, Priority: -1, MinReplicas: 1, MaxLag: 10 * time.Second, MaxMemory: 1024,
			FailingOver: "no-failover", Followers: []Follower{{"10.0.0.2:6379", true, 41, time.Second}, {"10.0.0.3:6379", false, 0, 0}},
		}, ""},
		"replica": {replica, list("min-replicas-to-write", "0", "min-replicas-max-lag", "10"), State{
			RunID: "def", Version: "7.0.15", Kind: Replica, Master: "10.0.0.1:6379", LinkDown: 7 * time.Second, Syncing: true,
			History: "bbb", Former: "aaa", FormerEnd: 12, Offset: 40, Keys: -1, Priority: 100, Loading: true, Rewriting: true, MaxLag: 10 * time.Second,
		}, ""},
		"empty": {replica + "# Keyspace\r\n", list("min-replicas-to-write", "0", "min-replicas-max-lag", "10"), State{
			RunID: "def", Version: "7.0.15", Kind: Replica, Master: "10.0.0.1:6379", LinkDown: 7 * time.Second, Syncing: true,
			History: "bbb", Former: "aaa", FormerEnd: 12, Offset: 40, Priority: 100, Loading: true, Rewriting: true, MaxLag: 10 * time.Second,
		}, ""},
		"settings may not be read": {master, "-NOPERM this user has no permissions to run the 'config|get' command\r\n", State{}, "NOPERM"},
		"settings are missing":     {master, "*0\r\n", State{}, "incomplete"},
		"no role":                  {strings.Replace(master, "role:master", "role:proxy", 1), list("min-replicas-to-write", "0", "min-replicas-max-lag", "0"), State{}, "no role"},
		"no offset":                {strings.Replace(master, "master_repl_offset:42", "master_repl_offset:x", 1), list("min-replicas-to-write", "0", "min-replicas-max-lag", "0"), State{}, "incomplete"},
	} {
		t.Run(name, func(t *testing.T) {
			conn, err := Connect(t.Context(), scripted(t, map[string]string{"CLIENT ID": ":1\r\n", "INFO": bulk(c.info), "CONFIG GET": c.settings}), Access{})
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			got, err := conn.State(t.Context())
			if c.fails != "" {
				if err == nil || !strings.Contains(err.Error(), c.fails) {
					t.Errorf("got %+v, %v", got, err)
				}
				return
			}
			if err != nil || !reflect.DeepEqual(got, c.want) {
				t.Errorf("got  %+v, %v\nwant %+v", got, err, c.want)
			}
		})
	}
}

func TestView(t *testing.T) {
	answer := []string{"name", "shard", "ip", "10.0.0.1", "port", "6379", "flags", "s_down,o_down,master,failover_in_progress", "down-after-milliseconds", "5000",
		"config-epoch", "7", "num-other-sentinels", "2", "quorum", "2", "failover-timeout", "60000"}
	conn, err := Connect(t.Context(), scripted(t, map[string]string{
		"CLIENT ID": ":1\r\n", "SENTINEL MYID": bulk("me"), "SENTINEL MASTER": list(answer...), "SENTINEL SENTINELS": "*0\r\n",
		"SENTINEL IS-MASTER-DOWN-BY-ADDR 10.0.0.1 6379 8 ME":    "*3\r\n:0\r\n" + bulk("me") + ":8\r\n",
		"SENTINEL IS-MASTER-DOWN-BY-ADDR 10.0.0.1 6379 8 OTHER": "*3\r\n:0\r\n" + bulk("me") + ":8\r\n",
	}), Access{})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	want := View{"me", "10.0.0.1:6379", 7, 2, 2, true, true, 5 * time.Second, time.Minute}
	if got, err := conn.View(t.Context(), "shard"); err != nil || got != want {
		t.Errorf("got %+v, %v", got, err)
	}
	for candidate, want := range map[string]bool{"me": true, "other": false} {
		if got, err := conn.Vote(t.Context(), "10.0.0.1:6379", 8, candidate); err != nil || got != want {
			t.Errorf("%s: got %v, %v", candidate, got, err)
		}
	}
	if err := conn.Announce(t.Context(), "shard", "10.0.0.1:6379", 8); err == nil || !strings.Contains(err.Error(), "no other Sentinel") {
		t.Errorf("a Sentinel without peers was told: %v", err)
	}
}

func TestNamesakes(t *testing.T) {
	text := "id=3 addr=1:1 name=shoal@6 age=0\nid=4 addr=1:2 name=shoal-other@9 age=0\nid=5 name=shoal@7\nid=6 name= age=0\nid=8 name=shoal\nid=9 name=shoal@7\n"
	for generation, want := range map[uint64]bool{6: true, 7: false, 10: false} {
		ids, later := Access{Name: "shoal", Generation: generation}.namesakes(text, "5")
		if !reflect.DeepEqual(ids, []string{"3", "8", "9"}) || later != want {
			t.Errorf("of generation %d: %v, %t", generation, ids, later)
		}
	}
}

// Whoever must not be in anybody's way finds out about all of its name, of whatever generation.
func TestAlone(t *testing.T) {
	for others, want := range map[string]error{
		"": nil, "id=3 name=other@9\n": nil, "id=3 name=shoal@0\n": ErrOthers, "id=3 name=shoal\n": ErrOthers, "id=3 name=shoal@7\n": ErrOthers,
	} {
		conn, err := Connect(t.Context(), scripted(t, map[string]string{"CLIENT ID": ":1\r\n", "CLIENT SETNAME": "+OK\r\n", "CLIENT LIST": bulk("id=1 name=shoal@0\n" + others)}), Access{Name: "shoal"})
		if err != nil {
			t.Fatal(err)
		}
		if err := conn.Alone(t.Context()); !errors.Is(err, want) || (err == nil) != (want == nil) {
			t.Errorf("beside %q: %v", others, err)
		}
		_ = conn.Close()
	}
}

// A server that hangs up is taken for one that ends; one that answers goes on, and of one that is silent nobody knows.
func TestShutdown(t *testing.T) {
	for answer, want := range map[string]struct{ refuses, fails bool }{
		"hangs up": {}, "-ERR Errors trying to SHUTDOWN. Check logs.\r\n": {true, true}, "": {false, true},
	} {
		conn, err := Connect(t.Context(), scripted(t, map[string]string{"CLIENT ID": ":1\r\n", "SHUTDOWN SAVE": answer}), Access{IO: 100 * time.Millisecond})
		if err != nil {
			t.Fatal(err)
		}
		if err := conn.Shutdown(t.Context()); (err != nil) != want.fails || Answered(err) != want.refuses {
			t.Errorf("%q: %v", answer, err)
		}
		_ = conn.Close()
	}
}

// A broken connection stays broken: an order must not be given on another one than what was seen came from.
func TestABrokenConnectionIsNotRepaired(t *testing.T) {
	silent := "" // accepts, and never says anything
	conn, err := Connect(t.Context(), scripted(t, map[string]string{"CLIENT ID": ":1\r\n", "REPLICAOF": silent}), Access{IO: 100 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	begin := time.Now()
	if err := conn.Promote(t.Context()); err == nil || time.Since(begin) > 5*time.Second {
		t.Fatalf("%v after %s", err, time.Since(begin))
	}
	if _, err := conn.do(t.Context(), "CLIENT", "ID"); err == nil {
		t.Error("a connection that timed out answers")
	}
}
