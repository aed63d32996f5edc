// Package entrypoint tests the script by which a Redis of a shard starts as master or as replica.
package entrypoint

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

const script = "../../images/redis/shoal-redis"

// scenario is what an instance of a shard of three finds when it starts, and what it must do.
type scenario struct {
	ordinal    int
	generation int
	marker     string // content of shoal-role; none if empty
	data       bool   // the volume holds a data set
	other      bool   // and a file of somebody else
	siblings   map[int]string
	want       string // the choice
	because    string // in the words of the script
}

// What siblings answer.
const (
	refused = "Could not connect to Redis at it: Connection refused"
	noName  = "Could not connect to Redis at it: Name or service not known"
	timeout = "" // the time is over
	loading = "LOADING Redis is loading the dataset in memory"
	noAuth  = "NOAUTH Authentication required."
	dnsDown = "Could not connect to Redis at it: Temporary failure in name resolution"
)

func master(ordinal int, history string, term, keys, offset int) string {
	return answer(fmt.Sprintf("ns/r-%d/r-0:%s:%d", ordinal, history, term), keys, "master\n"+strconv.Itoa(offset)+"\n")
}

func replica(ordinal int, history string, term int) string {
	return answer(fmt.Sprintf("ns/r-%d/r-0:%s:%d", ordinal, history, term), 5, "slave\nsomewhere\n6379\nconnected\n100\n")
}

// held is a replica that was told to follow nobody.
func held(ordinal int, history string, term int) string {
	return answer(fmt.Sprintf("ns/r-%d/r-0:%s:%d", ordinal, history, term), 5, "slave\n127.0.0.1\n1\nconnect\n100\n")
}

func answer(id string, keys int, role string) string {
	return fmt.Sprintf("%d\nproc-title-template\n{title} {listen-addr} {server-mode} shoal:%s\n%s", keys, id, role)
}

var scenarios = map[string]scenario{
	"the first start of the first instance":       {siblings: map[int]string{1: noName, 2: refused}, want: "first"},
	"the first start of another instance":         {ordinal: 1, want: "wait", because: "waiting for r-0"},
	"another instance finds an empty first one":   {ordinal: 1, siblings: map[int]string{0: master(0, "h", 1, 0, 0)}, want: "follow"},
	"a replacement of the first instance":         {generation: 1, want: "wait", because: "replaces one that held data"},
	"a replacement finds a master":                {generation: 1, siblings: map[int]string{2: master(2, "h", 2, 5, 9)}, want: "follow"},
	"the first instance has a file of somebody":   {other: true, want: "wait", because: "no sibling is master, and this instance was not"},
	"the first instance cannot ask a sibling":     {siblings: map[int]string{1: timeout}, want: "wait", because: "r-1 (unknown)"},
	"the first instance has no DNS":               {siblings: map[int]string{1: dnsDown}, want: "wait", because: "r-1 (unknown)"},
	"a sibling loads its data":                    {siblings: map[int]string{2: loading}, want: "wait", because: "r-2 (unknown)"},
	"a sibling wants a password":                  {siblings: map[int]string{2: noAuth}, want: "wait", because: "r-2 (unknown)"},
	"a sibling is a replica of nobody known":      {siblings: map[int]string{1: replica(1, "h", 1)}, want: "wait", because: "r-1 (replica)"},
	"a first start that failed is tried again":    {marker: "first h 1", want: "first"},
	"a first start that worked":                   {marker: "first h 1", data: true, want: "master"},
	"the last master":                             {marker: "master h 1", data: true, siblings: map[int]string{1: refused, 2: timeout}, want: "master"},
	"the last master, a replacement once":         {generation: 2, marker: "master h 3", data: true, want: "master"},
	"the last master without its data":            {marker: "master h 1", want: "wait", because: "its data is gone"},
	"the last master after a failover":            {marker: "master h 1", data: true, siblings: map[int]string{1: master(1, "h", 2, 5, 9)}, want: "follow"},
	"the last master, and another of its term":    {marker: "master h 2", data: true, siblings: map[int]string{1: master(1, "h", 2, 5, 9)}, want: "wait", because: "same term"},
	"the last master, and a sibling knows better": {marker: "master h 1", data: true, siblings: map[int]string{2: replica(2, "h", 2)}, want: "wait", because: "has seen term 2"},
	"a replica, and a master that is out of date": {ordinal: 2, marker: "replica h 2", data: true, siblings: map[int]string{0: master(0, "h", 1, 5, 9)}, want: "wait", because: "out of date"},
	"a replica and its master":                    {ordinal: 2, marker: "replica h 2", data: true, siblings: map[int]string{1: master(1, "h", 2, 5, 9)}, want: "follow"},
	"a replica and its master, restarted":         {ordinal: 2, marker: "replica h 2", data: true, siblings: map[int]string{1: master(1, "h", 2, 5, 0)}, want: "follow"},
	"a replica and no master":                     {ordinal: 2, marker: "replica h 2", data: true, want: "wait", because: "no sibling is master"},
	"the first instance was a replica":            {marker: "replica h 2", data: true, want: "wait", because: "no sibling is master"},
	"a replica and a master of other data":        {ordinal: 1, marker: "replica h 1", data: true, siblings: map[int]string{0: master(0, "other", 1, 5, 9)}, want: "wait", because: "other data"},
	"a replica and an empty master":               {ordinal: 1, marker: "replica h 1", data: true, siblings: map[int]string{0: master(0, "h", 1, 0, 0)}, want: "wait", because: "empty"},
	"a replica and two masters":                   {ordinal: 2, marker: "replica h 1", data: true, siblings: map[int]string{0: master(0, "h", 1, 5, 9), 1: master(1, "h", 1, 5, 9)}, want: "wait", because: "several masters"},
	"a replica, the old and the new master":       {ordinal: 2, marker: "replica h 1", data: true, siblings: map[int]string{0: master(0, "h", 1, 5, 9), 1: master(1, "h", 2, 5, 9)}, want: "follow", because: "r-1 is master of term 2"},
	"nothing, and masters of different data":      {ordinal: 2, siblings: map[int]string{0: master(0, "h", 1, 5, 9), 1: master(1, "other", 2, 5, 9)}, want: "wait", because: "several masters"},
	"an address of another shard":                 {ordinal: 1, siblings: map[int]string{0: answer("ns/x-0/x-0:h:1", 5, "master\n9\n")}, want: "wait", because: "waiting for r-0"},
	"an address of another namespace":             {ordinal: 1, siblings: map[int]string{0: answer("other/r-0/r-0:h:1", 5, "master\n9\n")}, want: "wait"},
	"an address of another instance":              {ordinal: 1, siblings: map[int]string{0: master(2, "h", 1, 5, 9)}, want: "wait"},
	"a master without an identity":                {ordinal: 1, siblings: map[int]string{0: "5\nproc-title-template\n{title} {listen-addr}\nmaster\n9\n"}, want: "wait"},
	"a replica that never was in sync":            {ordinal: 1, marker: "joining h 1", data: true, siblings: map[int]string{0: master(0, "h", 1, 0, 0)}, want: "follow"},
	"the last master, in a switchover":            {ordinal: 1, marker: "master h 2", data: true, siblings: map[int]string{0: held(0, "h", 1)}, want: "wait", because: "r-0 follows nobody"},
	"a replica, and a master not yet told of":     {ordinal: 2, marker: "replica h 1", data: true, siblings: map[int]string{0: held(0, "h", 1), 1: master(1, "h", 1, 5, 9)}, want: "wait", because: "r-0 follows nobody"},
	"a replacement, in a switchover":              {ordinal: 2, generation: 1, siblings: map[int]string{0: held(0, "h", 1), 1: master(1, "h", 1, 5, 9)}, want: "wait", because: "r-0 follows nobody"},
	"data of nobody":                              {ordinal: 1, data: true, siblings: map[int]string{0: master(0, "h", 1, 5, 9)}, want: "wait", because: "nobody knows whose"},
	"data of nobody, and no master":               {data: true, want: "wait"},
	"a marker that cannot be read":                {marker: "master", data: true, want: "wait", because: "broken"},
	"a marker of another form":                    {marker: "master h 1 x", data: true, want: "wait", because: "broken"},
}

func TestRules(t *testing.T) {
	for name, s := range scenarios {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if wrong := s.judge(t, script); wrong != "" {
				t.Error(wrong)
			}
		})
	}
}

// Each rule is there for a reason: without it, a scenario comes out differently.
func TestPlantedBugs(t *testing.T) {
	text, err := os.ReadFile(script)
	if err != nil {
		t.Fatal(err)
	}
	for _, bug := range []struct{ old, new, scenario string }{
		{`[ "$REBUILD_GENERATION" -gt 0 ]`, `false`, "a replacement of the first instance"},
		{`[ "$ordinal" -ne "$first" ]`, `false`, "the first start of another instance"},
		{`[ -n "$present" ]`, `false`, "the first instance cannot ask a sibling"},
		{`[ "$m_touched" = yes ]`, `false`, "the first instance was a replica"},
		{`[ "$m_touched" = yes ]`, `false`, "data of nobody, and no master"},
		{`[ "$m_state" = master ] && [ "$m_data" = no ]`, `false`, "the last master without its data"},
		{`[ "$m_state" = master ] && [ "$newest" -gt "$m_term" ]`, `false`, "the last master, and a sibling knows better"},
		{`[ "$m_history" != "$b_history" ]`, `false`, "a replica and a master of other data"},
		{`[ "$b_offset" -eq 0 ] && [ "$b_keys" -eq 0 ]`, `false`, "a replica and an empty master"},
		{`[ "$b_offset" -eq 0 ] && [ "$b_keys" -eq 0 ]`, `[ "$b_offset" -eq 0 ]`, "a replica and its master, restarted"},
		{`[ "$b_term" -lt "$m_term" ]`, `false`, "a replica, and a master that is out of date"},
		{`[ "$m_state" = master ] && [ "$b_term" -eq "$m_term" ]`, `false`, "the last master, and another of its term"},
		{`[ "$rivals" = yes ]`, `false`, "a replica and two masters"},
		{`[ "$a_term" -gt "$b_term" ]`, `false`, "a replica, the old and the new master"},
		{`[ "$m_state" = none ] || [ "$m_state" = broken ]`, `false`, "data of nobody"},
		{`[ "$a_who" != "$POD_NAMESPACE/${3:-$a_pod}/$SHARD" ]`, `false`, "an address of another instance"},
		{`|| [ -n "$m_more" ]`, ``, "a marker of another form"},
		{`[ "$m_data" = no ]; then m_state=none`, `false; then m_state=none`, "a first start that failed is tried again"},
		{`[ "$m_data" = no ] || [ "$m_state" = joining ]`, `[ "$m_data" = no ]`, "a replica that never was in sync"},
		{`[ -n "$held" ]`, `false`, "the last master, in a switchover"},
		{`[ -n "$held" ]`, `false`, "a replica, and a master not yet told of"},
		{`a_answer=unknown a_keys=`, `a_answer=absent a_keys=`, "the first instance has no DNS"},
	} {
		t.Run(bug.scenario, func(t *testing.T) {
			t.Parallel()
			if strings.Count(string(text), bug.old) != 1 {
				t.Fatalf("%s stands %d times in the script", bug.old, strings.Count(string(text), bug.old))
			}
			broken := filepath.Join(t.TempDir(), "shoal-redis")
			if err := os.WriteFile(broken, []byte(strings.Replace(string(text), bug.old, bug.new, 1)), 0o755); err != nil {
				t.Fatal(err)
			}
			if scenarios[bug.scenario].judge(t, broken) == "" {
				t.Errorf("without %s nothing is different", bug.old)
			}
		})
	}
}

// judge asks the script what it would do, with siblings that a stub of redis-cli plays.
func (s scenario) judge(t *testing.T, script string) string {
	t.Helper()
	dir := t.TempDir()
	data, tools := filepath.Join(dir, "data"), filepath.Join(dir, "tools")
	files := map[string]string{filepath.Join(tools, "redis-cli"): stub(dir)}
	if s.marker != "" {
		files[filepath.Join(data, "shoal-role")] = s.marker + "\n"
	}
	if s.data {
		files[filepath.Join(data, "appendonlydir", "appendonly.aof.manifest")] = "x"
	}
	if s.other {
		files[filepath.Join(data, "notes")] = "x"
	}
	for i := range 3 {
		said, ok := s.siblings[i]
		if !ok {
			said = refused
		}
		files[filepath.Join(dir, "answer-"+strconv.Itoa(7000+i))] = said
	}
	for _, folder := range []string{filepath.Join(data, "lost+found"), filepath.Join(data, "appendonlydir"), tools} {
		if folder == filepath.Join(data, "appendonlydir") && !s.data {
			continue
		}
		if err := os.MkdirAll(folder, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for name, text := range files {
		if err := os.WriteFile(name, []byte(text), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	command := exec.CommandContext(t.Context(), shell(t)[0], append(shell(t)[1:], script, "explain")...)
	command.Env = append(environment(s.ordinal, s.generation, data, []string{"host:7000", "host:7001", "host:7002"}), "PATH="+tools+":"+os.Getenv("PATH"))
	out, err := command.CombinedOutput()
	if err != nil {
		return fmt.Sprintf("%v: %s", err, out)
	}
	choice, why, _ := strings.Cut(strings.TrimSpace(string(out)), ": ")
	if choice != s.want || !strings.Contains(why, s.because) {
		return fmt.Sprintf("it does %q because %q, want %q because %q", choice, why, s.want, s.because)
	}
	return ""
}

// stub plays redis-cli: it takes -h and -p, and says what the file for the port says.
func stub(dir string) string {
	return "#!/bin/sh\ncat >/dev/null\ncat '" + dir + "/answer-'\"$4\"\n"
}

func environment(ordinal, generation int, data string, addresses []string) []string {
	var peers []string
	for i, address := range addresses {
		peers = append(peers, fmt.Sprintf("r-%d=%s", i, address))
	}
	return []string{
		fmt.Sprintf("POD_NAME=r-%d", ordinal), "POD_NAMESPACE=ns", "SHARD=r-0", "SHARD_SIZE=3", fmt.Sprintf("REBUILD_GENERATION=%d", generation),
		"DATA_DIR=" + data, "PEERS=" + strings.Join(peers, " "),
	}
}

// shell is the one in the image, where this machine has it.
func shell(t *testing.T) []string {
	t.Helper()
	if path, err := exec.LookPath("busybox"); err == nil {
		return []string{path, "sh"}
	}
	return []string{"sh"}
}

func TestSettings(t *testing.T) {
	for name, c := range map[string]struct{ set, want string }{
		"no shard":               {"SHARD=", "want the label shoal.dev/shard"},
		"another shard size":     {"SHARD_SIZE=2", "SHARD is 'r-0' and SHARD_SIZE 2 makes it r-2"},
		"no shard size":          {"SHARD_SIZE=0", "SHARD_SIZE is '0'"},
		"no generation":          {"REBUILD_GENERATION=", "REBUILD_GENERATION is ''"},
		"an odd generation":      {"REBUILD_GENERATION=-1", "REBUILD_GENERATION is '-1'"},
		"no namespace":           {"POD_NAMESPACE=", "POD_NAMESPACE is not set"},
		"a name without ordinal": {"POD_NAME=redis", "does not end in an ordinal"},
	} {
		command := exec.CommandContext(t.Context(), shell(t)[0], append(shell(t)[1:], script, "explain")...)
		command.Env = append(append(environment(5, 0, t.TempDir(), nil), "PATH="+os.Getenv("PATH"), "SHARD=r-0", "PEERS=r-5=h:1"), c.set)
		if out, err := command.CombinedOutput(); err == nil || !strings.Contains(string(out), c.want) {
			t.Errorf("%s: %v: %s", name, err, out)
		}
	}
}

// The names of siblings in a cluster, with the domain that the pod's resolver has.
func TestPeers(t *testing.T) {
	resolv := filepath.Join(t.TempDir(), "resolv.conf")
	for search, domain := range map[string]string{
		"search ns.svc.k8s.example svc.k8s.example k8s.example corp.example\nnameserver 10.0.0.10\n": "k8s.example",
		"nameserver 10.0.0.10\n": "cluster.local",
	} {
		if err := os.WriteFile(resolv, []byte(search), 0o644); err != nil {
			t.Fatal(err)
		}
		command := exec.CommandContext(t.Context(), shell(t)[0], append(shell(t)[1:], script, "peers")...)
		command.Env = append(environment(4, 0, t.TempDir(), nil), "PATH="+os.Getenv("PATH"), "SHARD=r-1", "PEERS=", "RESOLV_CONF="+resolv)
		out, err := command.CombinedOutput()
		var want strings.Builder
		for i := 3; i < 6; i++ {
			fmt.Fprintf(&want, "r-%d r-%d.r.ns.svc.%s. 6379\n", i, i, domain)
		}
		if err != nil || string(out) != want.String() {
			t.Errorf("%v: got\n%swant\n%s", err, out, want.String())
		}
	}
}
