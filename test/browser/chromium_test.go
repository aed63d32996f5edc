//go:build browser

package browser

import (
	"bufio"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"
)

// patience is how long a browser may take to start, or to answer.
const patience = time.Minute

// flags of a browser that shows what it is told to, and nothing else: it calls no home, updates nothing, greets nobody.
var flags = []string{
	"--headless", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
	"--disable-component-update", "--disable-sync", "--disable-dev-shm-usage", "--disable-breakpad", "--remote-debugging-pipe",
}

// program finds a program of Debian's packages, or skips the test; with REQUIRE_BROWSER set, it fails.
func program(t *testing.T, names ...string) string {
	t.Helper()
	for _, name := range names {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	missing := t.Skipf
	if os.Getenv("REQUIRE_BROWSER") != "" {
		missing = t.Fatalf
	}
	missing("%s is not installed, so that nobody looks at the page: `make browser-deps` installs it, as root", names[0])
	return ""
}

// tab is a page in a browser. It is told what to do over a pipe, in the DevTools protocol, and one goroutine uses it.
type tab struct {
	t        *testing.T
	orders   *os.File
	messages chan message
	session  string
	last     int
	// complaints are what the page wrote to the console, or threw; requests are the addresses that it asked for.
	complaints, requests []string
}

type message struct {
	ID     int             `json:"id,omitempty"`
	Method string          `json:"method,omitempty"`
	Params json.RawMessage `json:"params,omitempty"`
	Result json.RawMessage `json:"result,omitempty"`
	Error  *struct {
		Message string `json:"message"`
	} `json:"error,omitempty"`
	SessionID string `json:"sessionId,omitempty"`
}

// open starts a browser, which ends with the test, with an empty page.
func open(t *testing.T) *tab {
	t.Helper()
	home := t.TempDir()
	arguments := append([]string{"--user-data-dir=" + home}, flags...)
	if os.Getuid() == 0 { // its sandbox does not start for root; it gets nothing to read but our page
		arguments = append(arguments, "--no-sandbox")
	}
	cmd := exec.Command(program(t, "chromium", "chromium-browser", "google-chrome"), append(arguments, "about:blank")...)
	cmd.Env = append(os.Environ(), "HOME="+home, "XDG_CONFIG_HOME="+home, "XDG_CACHE_HOME="+home)
	hears, orders := pipe(t)
	answers, says := pipe(t)
	cmd.ExtraFiles = []*os.File{hears, says} // descriptors 3 and 4
	start(t, cmd)
	b := &tab{t: t, orders: orders, messages: make(chan message, 100)}
	t.Cleanup(func() { b.end(cmd) })
	_, _ = hears.Close(), says.Close() // or the end of the browser would not be seen
	go b.listen(answers)

	var target struct {
		TargetID  string `json:"targetId"`
		SessionID string `json:"sessionId"`
	}
	b.call("Target.createTarget", map[string]any{"url": "about:blank"}, &target)
	b.call("Target.attachToTarget", map[string]any{"targetId": target.TargetID, "flatten": true}, &target)
	b.session = target.SessionID
	for _, domain := range []string{"Page", "Runtime", "Log", "Network"} {
		b.call(domain+".enable", nil, nil)
	}
	return b
}

func pipe(t *testing.T) (read, write *os.File) {
	t.Helper()
	read, write, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	return read, write
}

// start starts a program in a process group of its own. The kernel kills it when this process dies, however it dies: a test
// that is killed runs no cleanup.
func start(t *testing.T, cmd *exec.Cmd) {
	t.Helper()
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
}

// endGroup kills what is left of a program and of all that it started.
func endGroup(cmd *exec.Cmd) { _ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }

// end asks the browser to go, and ends what does not.
func (b *tab) end(cmd *exec.Cmd) {
	b.session = ""
	_ = b.send("Browser.close", nil)
	gone := make(chan struct{})
	go func() {
		defer close(gone)
		_ = cmd.Wait() // that it was killed is no failure
	}()
	go func() {
		for range b.messages { // nobody is interested any more
		}
	}()
	select {
	case <-gone:
	case <-time.After(patience):
		endGroup(cmd)
		<-gone
	}
	endGroup(cmd) // what the browser left behind, also when it crashed
	_ = b.orders.Close()
}

func (b *tab) listen(from *os.File) {
	defer close(b.messages)
	defer from.Close()
	for reader := bufio.NewReader(from); ; {
		text, err := reader.ReadString(0)
		if err != nil {
			return
		}
		var m message
		if json.Unmarshal([]byte(strings.TrimSuffix(text, "\x00")), &m) == nil {
			b.messages <- m
		}
	}
}

func (b *tab) send(method string, params any) error {
	if params == nil {
		params = struct{}{}
	}
	inner, err := json.Marshal(params)
	if err != nil {
		return err
	}
	b.last++
	text, err := json.Marshal(message{ID: b.last, Method: method, Params: inner, SessionID: b.session})
	if err != nil {
		return err
	}
	_, err = b.orders.Write(append(text, 0))
	return err
}

// call gives an order, and waits for the answer.
func (b *tab) call(method string, params, result any) {
	b.t.Helper()
	if err := b.send(method, params); err != nil {
		b.t.Fatalf("%s: %v", method, err)
	}
	m := b.until(method, func(m message) bool { return m.ID == b.last })
	if m.Error != nil {
		b.t.Fatalf("%s: %s", method, m.Error.Message)
	}
	if result != nil {
		if err := json.Unmarshal(m.Result, result); err != nil {
			b.t.Fatalf("%s: %v", method, err)
		}
	}
}

func (b *tab) until(what string, wanted func(message) bool) message {
	b.t.Helper()
	deadline := time.After(patience)
	for {
		select {
		case m, ok := <-b.messages:
			if !ok {
				b.t.Fatalf("the browser ended while %s was waited for", what)
			}
			b.note(m)
			if wanted(m) {
				return m
			}
		case <-deadline:
			b.t.Fatalf("no answer to %s within %s", what, patience)
		}
	}
}

// note remembers what a person would see in the developer tools.
func (b *tab) note(m message) {
	switch m.Method {
	case "Runtime.consoleAPICalled", "Runtime.exceptionThrown", "Log.entryAdded":
		b.complaints = append(b.complaints, string(m.Params))
	case "Network.requestWillBeSent":
		var p struct {
			Request struct {
				URL string `json:"url"`
			} `json:"request"`
		}
		_ = json.Unmarshal(m.Params, &p)
		b.requests = append(b.requests, p.Request.URL)
	}
}

// show opens a file in a window of that size, for somebody who likes the scheme ("light" or "dark").
func (b *tab) show(file, scheme string, width, height int) {
	b.t.Helper()
	b.complaints, b.requests = nil, nil
	b.call("Emulation.setEmulatedMedia", map[string]any{"features": []map[string]string{{"name": "prefers-color-scheme", "value": scheme}}}, nil)
	b.call("Emulation.setDeviceMetricsOverride", map[string]any{"width": width, "height": height, "deviceScaleFactor": 1, "mobile": false}, nil)
	var went struct {
		ErrorText string `json:"errorText"`
	}
	// The event may come before the answer.
	if err := b.send("Page.navigate", map[string]any{"url": "file://" + file}); err != nil {
		b.t.Fatal(err)
	}
	answered, loaded := false, false
	b.until("the page", func(m message) bool {
		if m.ID == b.last {
			answered = true
			_ = json.Unmarshal(m.Result, &went)
		}
		loaded = loaded || m.Method == "Page.loadEventFired"
		return went.ErrorText != "" || answered && loaded
	})
	if went.ErrorText != "" {
		b.t.Fatalf("opening %s: %s", file, went.ErrorText)
	}
}

// ask runs a script in the page, and reads its value.
func (b *tab) ask(script string, value any) {
	b.t.Helper()
	var got struct {
		Result struct {
			Value json.RawMessage `json:"value"`
		} `json:"result"`
		ExceptionDetails json.RawMessage `json:"exceptionDetails"`
	}
	b.call("Runtime.evaluate", map[string]any{"expression": script, "returnByValue": true}, &got)
	if got.ExceptionDetails != nil {
		b.t.Fatalf("the test's script failed: %s", got.ExceptionDetails)
	}
	if err := json.Unmarshal(got.Result.Value, value); err != nil {
		b.t.Fatalf("%v: %s", err, got.Result.Value)
	}
}

// screenshot is the whole page as PNG, also what is below the window.
func (b *tab) screenshot() []byte {
	b.t.Helper()
	return b.data("Page.captureScreenshot", map[string]any{"format": "png", "captureBeyondViewport": true})
}

// printed is the page as PDF, on sheets of that size in inches, by the browser's own settings: without backgrounds, unless the
// page insists.
func (b *tab) printed(width, height float64) []byte {
	b.t.Helper()
	return b.data("Page.printToPDF", map[string]any{"paperWidth": width, "paperHeight": height, "printBackground": false})
}

func (b *tab) data(method string, params any) []byte {
	b.t.Helper()
	var got struct {
		Data string `json:"data"`
	}
	b.call(method, params, &got)
	bytes, err := base64.StdEncoding.DecodeString(got.Data)
	if err != nil {
		b.t.Fatal(fmt.Errorf("%s: %w", method, err))
	}
	return bytes
}
