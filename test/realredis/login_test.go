//go:build redis

package realredis

import (
	"crypto/x509"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/shoal-dev/shoal/agent/mtls/mtlstest"
	"github.com/shoal-dev/shoal/api/agent"
)

// An agent with a user, a password and a certificate sees a Redis that takes nothing less, and its Sentinel, which has others; and with
// anything less says why it sees nothing.
func TestAgentWithPasswordsAndTLS(t *testing.T) {
	needRedis(t)
	t.Parallel()
	const password, other = "correct-horse-battery", "staple-of-the-battery"
	ca, folder, ip := mtlstest.New(t), scratch(t), fmt.Sprintf("127.%d.7.1", network(t))
	bundle, roots := ca.Write(t, folder, ca.Sign(t, "shoal://server", func(c *x509.Certificate) {
		c.DNSNames, c.IPAddresses = []string{"orders"}, []net.IP{net.ParseIP(ip)}
	}))
	write := func(name, text string) string {
		file := filepath.Join(folder, name)
		if err := os.WriteFile(file, []byte(text+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		return file
	}
	port, sentinelPort := freePort(t, ip), freePort(t, ip)
	tls := func(port string) string {
		return fmt.Sprintf("port 0\ntls-port %s\nbind %s\ntls-cert-file %s\ntls-key-file %s\ntls-ca-cert-file %s\ntls-auth-clients yes\ntls-replication yes\ndir %s\n",
			port, ip, bundle, bundle, roots, folder)
	}
	start(t, exec.Command("redis-server", write("redis.conf", tls(port)+"save \"\"\nuser default off\nuser agent on >"+password+" ~* &* +@all")))
	start(t, exec.Command("redis-sentinel", write("sentinel.conf", tls(sentinelPort)+fmt.Sprintf(
		"requirepass %s\nsentinel monitor %s %s %s 1\nsentinel auth-user %s agent\nsentinel auth-pass %s %s", other, monitor, ip, port, monitor, monitor, password))))
	for _, at := range []string{port, sentinelPort} { // an agent that finds nobody there yet says so, as of one that refuses it
		if err := until(60*time.Second, func() bool {
			c, err := net.Dial("tcp", net.JoinHostPort(ip, at))
			return err == nil && c.Close() == nil
		}); err != nil {
			t.Fatal(err)
		}
	}
	redisFlags := []string{
		"--username=agent", "--password-file=" + write("password", password), "--tls", "--tls-ca-file=" + roots, "--tls-server-name=orders",
		"--tls-cert-file=" + bundle, "--tls-key-file=" + bundle,
	}
	sentinelFlags := func(password string) []string {
		return []string{
			"--sentinels=" + net.JoinHostPort(ip, sentinelPort), "--sentinel-shard=" + monitor, "--announced-address=" + ip,
			"--sentinel-password-file=" + password, "--sentinel-tls", "--sentinel-tls-ca-file=" + roots,
			"--sentinel-tls-cert-file=" + bundle, "--sentinel-tls-key-file=" + bundle,
		}
	}
	sees := func(flags ...string) *sidecar { return newSidecar(t, net.JoinHostPort(ip, port), flags...) }
	failures := func(a *sidecar) bool {
		for line := range strings.Lines(a.get("/metrics")) {
			if strings.HasPrefix(line, "shoal_agent_election_failures_total") {
				return !strings.HasSuffix(strings.TrimSpace(line), " 0")
			}
		}
		return false
	}
	good := sees(append(redisFlags, sentinelFlags(write("other", other))...)...)
	good.until("a master", isMaster)
	wrong := sees(append(redisFlags, sentinelFlags(write("wrong", password))...)...)
	wrong.until("a master, though the Sentinel's password is another", isMaster)
	if err := until(20*time.Second, func() bool { return failures(wrong) }); err != nil {
		t.Error("a Sentinel with another password is asked without trouble")
	}
	if failures(good) {
		t.Errorf("the Sentinel is not asked:\n%s", good.log)
	}
	unknown := func(r agent.Report) bool { return r.Role == agent.RoleUnknown }
	sees(redisFlags[2:]...).until("nothing without a password", failing("refused"))
	sees(redisFlags[:2]...).until("nothing without TLS", unknown)
	sees(redisFlags[:5]...).until("nothing without a certificate of ours", unknown)
	sees(append(redisFlags, "--tls-server-name=others")...).until("nothing under another name", failing("tls"))
}
