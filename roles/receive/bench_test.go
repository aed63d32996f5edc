package receive

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/shoal-dev/shoal/agent/mtls"
	"github.com/shoal-dev/shoal/api/agent"
)

// BenchmarkReports is one report on a connection of its own, both sides of it. The endpoint's share: -cpuprofile cpu.out, and then
// `go tool pprof -top -cum -focus 'http.\(\*conn\).serve' cpu.out`.
func BenchmarkReports(b *testing.B) {
	admit := func(*x509.Certificate) error { return nil }
	var s mtls.Sessions
	for name, config := range map[string]func(mtls.Own) *tls.Config{
		"resumed": func(own mtls.Own) *tls.Config { return s.Client(own, admit) },
		"anew":    func(own mtls.Own) *tls.Config { return mtls.Client(own, admit) },
	} {
		b.Run(name, func(b *testing.B) {
			e := start(b)
			own := e.ca.Own(b, pod)
			r := agent.Report{Version: agent.Version, Role: agent.RoleMaster, BootID: strings.Repeat("a", 32)}
			for b.Loop() {
				r.Sequence++
				text, err := json.Marshal(r)
				if err != nil {
					b.Fatal(err)
				}
				client := &http.Client{Transport: &http.Transport{TLSClientConfig: config(own), DisableKeepAlives: true}}
				response, err := client.Post("https://"+e.address+agent.ReportPath, "application/json", bytes.NewReader(text))
				if err != nil {
					b.Fatal(err)
				}
				_ = response.Body.Close()
			}
		})
	}
}
