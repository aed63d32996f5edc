//go:build redis

package roles

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/client/fake"

	"github.com/shoal-dev/shoal/api/v1alpha1"
)

// authority writes ca.crt, and certificates for servers on 127.0.0.1 and for clients, into a folder.
func authority(t *testing.T, folder string) map[string][]byte {
	t.Helper()
	make := func(serial int64, parent *x509.Certificate, by *ecdsa.PrivateKey) (*x509.Certificate, *ecdsa.PrivateKey) {
		key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		template := &x509.Certificate{
			SerialNumber: big.NewInt(serial), Subject: pkix.Name{CommonName: fmt.Sprint("test ", serial)}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
			IsCA: parent == nil, BasicConstraintsValid: true, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, DNSNames: []string{"sentinels"},
		}
		if parent == nil {
			parent, by = template, key
		}
		der, err := x509.CreateCertificate(rand.Reader, template, parent, key.Public(), by)
		if err != nil {
			t.Fatal(err)
		}
		c, err := x509.ParseCertificate(der)
		if err != nil {
			t.Fatal(err)
		}
		return c, key
	}
	root, rootKey := make(1, nil, nil)
	leaf, leafKey := make(2, root, rootKey)
	der, err := x509.MarshalPKCS8PrivateKey(leafKey)
	if err != nil {
		t.Fatal(err)
	}
	files := map[string][]byte{
		"ca.crt":  pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: root.Raw}),
		"tls.crt": pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: leaf.Raw}),
		"tls.key": pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}),
	}
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(folder, name), text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return files
}

func freePort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	_, port, _ := net.SplitHostPort(l.Addr().String())
	return port
}

// startSentinel starts a Sentinel that takes TLS alone, with a certificate of the client, and asks for a password.
func startSentinel(t *testing.T, folder string, n int) string {
	t.Helper()
	port, file := freePort(t), filepath.Join(folder, fmt.Sprintf("sentinel%d.conf", n))
	text := fmt.Sprintf("port 0\ntls-port %s\nbind 127.0.0.1\ntls-cert-file %s\ntls-key-file %s\ntls-ca-cert-file %s\ntls-auth-clients yes\n"+
		"dir %s\nuser default off\nuser shoal on >%s +@all\nsentinel monitor r-0 127.0.0.1 6 2\n",
		port, filepath.Join(folder, "tls.crt"), filepath.Join(folder, "tls.key"), filepath.Join(folder, "ca.crt"), folder, hunter)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	var said bytes.Buffer
	c := exec.Command("redis-sentinel", file)
	c.Stdout, c.Stderr, c.SysProcAttr = &said, &said, &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = c.Process.Kill()
		_ = c.Wait()
		if t.Failed() {
			t.Logf("Sentinel %d said:\n%s", n, said.String())
		}
	})
	return "127.0.0.1:" + port
}

// The manager asks real Sentinels with a password, with TLS and a certificate of its own, all from Secrets; and with anything
// less hears nobody.
func TestRealSentinelsWithPasswordAndTLS(t *testing.T) {
	if _, err := exec.LookPath("redis-sentinel"); err != nil {
		if os.Getenv("REQUIRE_REDIS") == "1" {
			t.Fatal(err)
		}
		t.Skip("there is no redis-sentinel on the PATH: `sudo make redis-deps` installs it")
	}
	folder := t.TempDir()
	files := authority(t, folder)
	var addresses []string
	for n := range 3 {
		addresses = append(addresses, startSentinel(t, folder, n))
	}
	live := fake.NewClientBuilder().WithObjects(
		aSecret("auth", map[string][]byte{"password": []byte(hunter + "\n")}), aSecret("wrong", map[string][]byte{"password": []byte("not-that-one")}), aSecret("tls", files),
	).Build()
	good := v1alpha1.RedisAccess{Username: "shoal", Password: &v1alpha1.SecretKey{Name: "auth"}, TLS: &v1alpha1.RedisTLS{SecretName: "tls", ClientCertificate: true}}
	ask := func(change func(*v1alpha1.RedisAccess)) Naming {
		p := newProviders(time.Now, connect, live, func(*v1alpha1.InstanceSet, string) {})
		access := good.DeepCopy()
		change(access)
		set := aSet()
		set.Spec.RoleProvider = &v1alpha1.RoleProvider{Type: v1alpha1.RoleProviderSentinel, Sentinel: &v1alpha1.SentinelProvider{Addresses: addresses, Monitor: "{shard}", Access: access}}
		defer p.forget(shardZero.owner())
		return p.of(set).Naming(t.Context(), shardZero)
	}
	var got Naming
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline) && !got.Agreed; {
		time.Sleep(100 * time.Millisecond) //nolint:forbidigo // other processes: nothing of theirs tells
		got = ask(func(*v1alpha1.RedisAccess) {})
	}
	if !got.Heard || !got.Agreed || got.Addr != "127.0.0.1:6" {
		t.Fatalf("%+v", got)
	}
	for name, change := range map[string]func(*v1alpha1.RedisAccess){
		"another password":         func(a *v1alpha1.RedisAccess) { a.Password.Name = "wrong" },
		"another user":             func(a *v1alpha1.RedisAccess) { a.Username = "" },
		"no password":              func(a *v1alpha1.RedisAccess) { a.Username, a.Password = "", nil },
		"no TLS":                   func(a *v1alpha1.RedisAccess) { a.TLS = nil },
		"no certificate of ours":   func(a *v1alpha1.RedisAccess) { a.TLS.ClientCertificate = false },
		"the name of another host": func(a *v1alpha1.RedisAccess) { a.TLS.ServerName = "others" },
	} {
		if got := ask(change); got.Heard {
			t.Errorf("%s: %+v", name, got)
		}
	}
	if got := ask(func(a *v1alpha1.RedisAccess) { a.TLS.ServerName = "sentinels" }); !got.Heard {
		t.Errorf("by the name in their certificates: %+v", got)
	}
}
