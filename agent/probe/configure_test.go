package probe

import (
	"errors"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/shoal-dev/shoal/redis"
)

// Between a look and the order to end, a replica may become a master, and a server may start anew.
func TestShutdownAsksLast(t *testing.T) {
	no := errors.New("it is a master")
	for name, c := range map[string]struct {
		run, role string
		ends      bool
		err       error
	}{
		"a replica":               {"run1", "slave", true, nil},
		"a master meanwhile":      {"run1", "master", false, no},
		"another start":           {"run0", "slave", false, nil},
		"a master, after another": {"run0", "master", false, nil},
	} {
		t.Run(name, func(t *testing.T) {
			ended := atomic.Bool{}
			addr, _ := answering(t, func(command string) string {
				switch command = strings.ToLower(command); {
				case strings.HasPrefix(command, "info"):
					return bulk("run_id:run1\r\nmaster_replid:history\r\nmaster_host:10.0.0.1\r\nmaster_port:6379\r\nrole:" + c.role + "\r\nmaster_repl_offset:1\r\n")
				case strings.HasPrefix(command, "config get"):
					return array("min-replicas-to-write", "0", "min-replicas-max-lag", "10", "maxmemory", "0")
				case command == "client id":
					return ":1\r\n"
				case strings.HasPrefix(command, "client list"):
					return bulk("id=1 name=shoal\n")
				case strings.HasPrefix(command, "shutdown"):
					ended.Store(true)
				}
				return "+OK\r\n"
			})
			r := NewRedis(addr, access)
			defer r.Close()
			err := r.Shutdown(t.Context(), c.run, func(s redis.State) error {
				if s.Kind == redis.Master {
					return no
				}
				return nil
			})
			if !errors.Is(err, c.err) || c.err == nil && err != nil || ended.Load() != c.ends {
				t.Errorf("%v, and it was told: %t", err, ended.Load())
			}
		})
	}
}
