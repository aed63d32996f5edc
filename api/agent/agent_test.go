package agent

import (
	"crypto/x509"
	"encoding/json"
	"fmt"
	"net/url"
	"strings"
	"testing"
	"unicode/utf8"

	"pgregory.net/rapid"
)

const boot = "0123456789abcdef0123456789abcdef"

func aReport() Report {
	return Report{
		Version: Version, Role: RoleReplica, Engine: "redis/8.0.2", ReplicationID: strings.Repeat("a", 40), Offset: 42,
		MasterAddr: "10.0.0.1:6379", LinkUp: true, Epoch: 7, BootID: boot, Start: Start{boot, 1 << 40}, Sequence: 3, Revision: "abc", Problem: "none",
	}
}

func TestAReportIsReadBack(t *testing.T) {
	want := aReport()
	text, err := json.Marshal(want)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := DecodeReport(strings.NewReader(string(text))); err != nil || got != want {
		t.Errorf("%+v, %v, want %+v", got, err, want)
	}
}

func TestReportsThatAreRefused(t *testing.T) {
	for want, change := range map[string]func(*Report){
		"version":                func(r *Report) { r.Version = 0 },
		"version: 2":             func(r *Report) { r.Version = Version + 1 },
		"role: \"leader\"":       func(r *Report) { r.Role = "leader" },
		"role: \"\"":             func(r *Report) { r.Role = "" },
		"maxMemory: -1":          func(r *Report) { r.MaxMemory = -1 },
		"state: \"done\" is":     func(r *Report) { r.Configuration = &ConfigurationState{State: "done"} },
		"wanted: \"abc\" is":     func(r *Report) { r.Configuration = &ConfigurationState{Wanted: "abc", State: StateMaster} },
		"configuration: problem": func(r *Report) { r.Configuration = &ConfigurationState{State: StateRefused, Problem: "two\nlines"} },
		"offset: -1":             func(r *Report) { r.Offset = -1 },
		"epoch: -1":              func(r *Report) { r.Epoch = -1 },
		"sequence":               func(r *Report) { r.Sequence = 0 },
		"bootID":                 func(r *Report) { r.BootID = strings.ToUpper(boot) },
		"bootID: \"0\"":          func(r *Report) { r.BootID = "0" },
		"linkUp":                 func(r *Report) { r.Role = RoleMaster },
		"masterAddr":             func(r *Report) { r.MasterAddr = "10.0.0.1" },
		"masterAddr: \"a:0\"":    func(r *Report) { r.MasterAddr = "a:0" },
		"masterAddr: \"a:1/\"":   func(r *Report) { r.MasterAddr = "a:1/" },
		"masterAddr: \"[::1:1\"": func(r *Report) { r.MasterAddr = "[::1:1" },
		"masterAddr: \":1\"":     func(r *Report) { r.MasterAddr = ":1" },
		"masterAddr: it has":     func(r *Report) { r.MasterAddr = strings.Repeat("a", 300) + ":1" },
		"engine: it contains":    func(r *Report) { r.Engine = "redis 8" },
		"engine: it has 65":      func(r *Report) { r.Engine = strings.Repeat("e", 65) },
		"replicationID: it has":  func(r *Report) { r.ReplicationID = strings.Repeat("e", 65) },
		"revision: it has":       func(r *Report) { r.Revision = strings.Repeat("e", 65) },
		"problem: it has 257":    func(r *Report) { r.Problem = strings.Repeat("e", MaxProblem+1) },
		"problem: it is not one": func(r *Report) { r.Problem = "two\nlines" },
	} {
		r := aReport()
		change(&r)
		if err := r.Validate(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: %v, want %q", r, err, want)
		}
	}
}

func TestReportsAreReadStrictly(t *testing.T) {
	good, _ := json.Marshal(aReport())
	with := func(text string) string { return strings.TrimSuffix(string(good), "}") + text }
	for _, text := range []string{
		"", "{", "[]", "null", `"text"`, "{}", with(`,"color":"red"}`), with(`,"Offset":1}`), with(`,"offset":7}`), with("} {}"), with("}x"),
		strings.Replace(string(good), `"offset":42`, `"offset":4.2`, 1), strings.Replace(string(good), `"offset":42`, `"offset":"42"`, 1),
		strings.Replace(string(good), `"offset":42`, `"offset":99999999999999999999`, 1), strings.Replace(string(good), `"sequence":3`, `"sequence":-3`, 1),
		string(good) + strings.Repeat(" ", MaxReportBytes),
	} {
		if r, err := DecodeReport(strings.NewReader(text)); err == nil {
			t.Errorf("%.200s is read as %+v", text, r)
		}
	}
}

// Whatever an error says of an engine, the report of it is valid and short.
func TestEveryProblemFits(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := Report{Version: Version, Role: RoleUnknown, BootID: boot, Start: Start{boot, 1<<63 - 1}, Sequence: ^uint64(0), Offset: 1<<63 - 1, Epoch: 1<<63 - 1}
		text := rapid.OneOf(rapid.String(), rapid.StringN(200, 2000, -1), rapid.Just(strings.Repeat("<", 1000)))
		r.Problem = Clip(text.Draw(t, "problem"))
		r.Configuration = &ConfigurationState{Wanted: boot[:16], State: StateApplying, Problem: Clip(text.Draw(t, "problem of the configuration"))}
		r.MaxMemory, r.Loading, r.Protected, r.Holds = 1<<63-1, true, true, HoldsNothing
		r.Engine, r.ReplicationID, r.Revision = strings.Repeat("e", 64), strings.Repeat("r", 64), strings.Repeat("v", 64)
		r.MasterAddr = strings.Repeat("m", 256) + ":65535"
		if err := r.Validate(); err != nil {
			t.Fatal(err)
		}
		if text, _ := json.Marshal(r); len(text) > MaxReportBytes || !utf8.Valid(text) {
			t.Fatalf("it has %d bytes", len(text))
		}
		if Clip(r.Problem) != r.Problem {
			t.Fatalf("%q is clipped again", r.Problem)
		}
	})
}

func TestOrderOfReports(t *testing.T) {
	boots := []string{strings.Repeat("a", 32), strings.Repeat("b", 32), strings.Repeat("c", 32)}
	var o Order
	for i, step := range []struct {
		boot     int
		sequence uint64
		epoch    int64
		old      bool
	}{
		{0, 5, 3, false}, // the first that a manager hears need not be the first of the boot
		{0, 5, 3, true},
		{0, 4, 9, true}, // within a boot the sequence decides, whatever the epoch
		{0, 6, 4, false},
		{1, 1, 0, false}, // a new boot does not know the epoch yet
		{0, 7, 4, true},  // the boot before it is over
		{1, 2, 4, false},
		{2, 1, 3, true}, // it may be from before
		{1, 3, 4, false},
		{2, 2, 3, true}, // still doubtful: another boot has reported since
		{2, 3, 3, false},
		{1, 9, 9, true},
		{2, 4, 2, false},  // the Sentinels began anew
		{1, 10, 9, false}, // it goes on reporting: it was never over
		{1, 10, 9, true},
		{2, 5, 2, true}, // and the other one was, of which this was under way
		{1, 11, 9, false},
	} {
		next, err := o.Next(Report{BootID: boots[step.boot], Sequence: step.sequence, Epoch: step.epoch})
		if (err != nil) != step.old {
			t.Errorf("step %d: %v, want old: %v", i, err, step.old)
		}
		o = next
	}
	for n := range 3 * maxOver {
		o, _ = o.Next(Report{BootID: fmt.Sprintf("%032d", n), Sequence: 1})
	}
	if len(o.over) > maxOver {
		t.Errorf("%d boots are remembered", len(o.over))
	}
}

const uid = "8d7f1c1e-2c5b-4a53-9d0e-0a1b2c3d4e5f"

func TestIdentity(t *testing.T) {
	want := Identity{Namespace: "shop", Pod: "orders.v1-0", UID: uid}
	uri, err := want.URI()
	if err != nil || uri.String() != "shoal://shop/pod/orders.v1-0/"+uid {
		t.Fatalf("%v, %v", uri, err)
	}
	if got, err := IdentityOf(&x509.Certificate{URIs: []*url.URL{uri}}); err != nil || got != want {
		t.Errorf("%+v, %v", got, err)
	}
	for _, text := range []string{
		"", "shop", ManagerURI, "shoal://shop/pod/orders-0", "shoal://shop/pod/orders-0/", "shoal://shop/pod//" + uid, "shoal:///pod/orders-0/" + uid,
		"spiffe://shop/pod/orders-0/" + uid, "SHOAL://shop/pod/orders-0/" + uid, "shoal://shop/pod/orders-0/" + strings.ToUpper(uid),
		"shoal://shop/pod/orders-0/" + uid + "/x", "shoal://shop/pod/orders-0/" + uid + "?x", "shoal://shop/pod/orders-0/" + uid + "\n",
		"shoal://a.b/pod/orders-0/" + uid, "shoal://shop:1/pod/orders-0/" + uid, "shoal://u@shop/pod/orders-0/" + uid,
		"shoal://shop/pod/or%64ers-0/" + uid, "shoal://shop/pod/../" + uid, "shoal://shop/pod/a..b/" + uid, "shoal://shop/job/orders-0/" + uid,
		"shoal://" + strings.Repeat("n", 64) + "/pod/orders-0/" + uid, "shoal://shop/pod/" + strings.Repeat("p", 254) + "/" + uid,
	} {
		if got, err := ParseIdentity(text); err == nil {
			t.Errorf("%q is %+v", text, got)
		}
	}
	if _, err := (Identity{Namespace: "shop", Pod: "a/b", UID: uid}).URI(); err == nil {
		t.Error("a name with a slash has a URI")
	}
}

func TestACertificateHasOneIdentity(t *testing.T) {
	pod, _ := url.Parse("shoal://shop/pod/orders-0/" + uid)
	manager, _ := url.Parse(ManagerURI)
	for _, uris := range [][]*url.URL{nil, {pod, manager}, {manager, pod}, {pod, pod}} {
		c := &x509.Certificate{URIs: uris}
		if id, err := IdentityOf(c); err == nil || IsManager(c) {
			t.Errorf("%v is %+v, manager: %v", uris, id, IsManager(c))
		}
	}
	if !IsManager(&x509.Certificate{URIs: []*url.URL{manager}}) || IsManager(&x509.Certificate{URIs: []*url.URL{pod}}) {
		t.Error("the manager is not known by its URI")
	}
}

func TestRequests(t *testing.T) {
	for _, r := range []Request{
		{Action: Protect}, {Action: Demote}, {Action: Leave}, {Action: Join, Master: "orders-1.orders:6379"}, {Action: Follow, Master: "[fd00::1]:6379"},
		{Action: Promote, Epoch: 3}, {Action: Pause, Milliseconds: MaxPause}, {Action: Unpause}, {Action: ConfigGet, Parameters: []Parameter{{Name: "maxmemory"}}},
		{Action: ConfigSet, Parameters: []Parameter{{"maxmemory", "1gb"}, {"save", ""}}}, {Action: Look, Line: 3, Lock: 2},
	} {
		r.Version = Version
		if r.Action != ConfigGet {
			r.BootID = boot
		}
		text, _ := json.Marshal(r)
		got, err := DecodeRequest(strings.NewReader(string(text)))
		if again, _ := json.Marshal(got); err != nil || string(again) != string(text) {
			t.Errorf("%s: %s, %v", text, again, err)
		}
	}
	for want, r := range map[string]Request{
		"action: \"shutdown\"": {Action: "shutdown"}, "action: \"\"": {}, "epoch": {Action: Promote, Epoch: -1}, "bootID": {Action: Promote, BootID: "x"},
		"master: join": {Action: Join}, "master: join and follow need": {Action: Promote, Master: "a:1"}, "master: \"a\"": {Action: Follow, Master: "a"},
		"milliseconds: 0": {Action: Pause}, "milliseconds: 60001": {Action: Pause, Milliseconds: MaxPause + 1}, "milliseconds: promote": {Action: Promote, Milliseconds: 1},
		"parameters: config-get and": {Action: ConfigGet}, "and no other": {Action: Promote, Parameters: []Parameter{{Name: "maxmemory"}}},
		"\"requirepass\" is not one": {Action: ConfigGet, Parameters: []Parameter{{Name: "requirepass"}}},
		"\"*\" is not one":           {Action: ConfigGet, Parameters: []Parameter{{Name: "*"}}},
		"\"dir\" is not one":         {Action: ConfigSet, Parameters: []Parameter{{"dir", "/etc"}}},
		"there twice":                {Action: ConfigGet, Parameters: []Parameter{{Name: "hz"}, {Name: "hz"}}},
		"hz is to be read":           {Action: ConfigGet, Parameters: []Parameter{{"hz", "1"}}},
		"hz contains the byte 0xa":   {Action: ConfigSet, Parameters: []Parameter{{"hz", "1\n"}}},
		"hz has 257 bytes":           {Action: ConfigSet, Parameters: []Parameter{{"hz", strings.Repeat("1", 257)}}},
		"there are 33":               {Action: ConfigGet, Parameters: make([]Parameter, 33)},
	} {
		r.Version = Version
		if r.BootID == "" {
			r.BootID = boot
		}
		if err := r.Validate(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: %v, want %q", r, err, want)
		}
	}
	if err := (Request{Action: Protect, BootID: boot}).Validate(); err == nil {
		t.Error("a request without a version is valid")
	}
}

// What changes anything is for one boot of the agent: another one knows of no lock and no election before it.
func TestRequestsAreForOneBoot(t *testing.T) {
	for _, a := range Actions() {
		r := Request{Version: Version, Action: a}
		switch a {
		case Join, Follow:
			r.Master = "a:1"
		case Pause:
			r.Milliseconds = 1
		case ConfigGet, ConfigSet:
			r.Parameters = []Parameter{{Name: "hz"}}
		}
		err := r.Validate()
		if refused := err != nil && strings.Contains(err.Error(), "bootID"); refused != (a != ConfigGet && a != Look) {
			t.Errorf("%s for any boot: %v", a, err)
		}
	}
	if err := (Request{Version: Version, Action: Look, Line: 1}).Validate(); err == nil {
		t.Error("lines of any boot can be looked over")
	}
}

func TestAnswersThatAreRefused(t *testing.T) {
	good := func() Answer {
		return Answer{Version: Version, Line: 1, Report: aReport(), State: &State{RunID: "r", Role: RoleMaster, History: "h", Offset: 3, FormerEnd: -1, Priority: -1}}
	}
	for want, change := range map[string]func(*Answer){
		"":                        func(*Answer) {},
		"refused: \"never\"":      func(a *Answer) { a.Refused = "never" },
		"state: role: \"none\"":   func(a *Answer) { a.State.Role = RoleNone },
		"runID and history":       func(a *Answer) { a.State.RunID = "" },
		"state: history: it has":  func(a *Answer) { a.State.History = strings.Repeat("h", 65) },
		"state: master: \"a\"":    func(a *Answer) { a.State.Master = "a" },
		"cannot be negative":      func(a *Answer) { a.State.MinReplicas = -1 },
		"there are 65 followers":  func(a *Answer) { a.State.Followers = make([]Follower, 65) },
		"state: follower: it con": func(a *Answer) { a.State.Followers = []Follower{{Address: "a b"}} },
		"problem":                 func(a *Answer) { a.Problem = "two\nlines" },
		"sequence":                func(a *Answer) { a.Report.Sequence = 0 },
	} {
		a := good()
		change(&a)
		text, err := json.Marshal(a)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := DecodeAnswer(strings.NewReader(string(text))); (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", text, err)
		}
	}
}

// What is a secret, names a file or loads code can never be read or set, nor stand in a configuration.
func TestParametersAreHarmless(t *testing.T) {
	for _, name := range ConfigurationNames() {
		for _, part := range []string{"pass", "auth", "username", "acl", "dir", "file", "module", "socket", "bind", "protected", "enable-", "tls", "replicaof", "slaveof", "announce", "port", "syslog", "command"} {
			if strings.Contains(name, part) {
				t.Errorf("%s has %s in its name", name, part)
			}
		}
	}
}
