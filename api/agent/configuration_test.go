package agent

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestConfigurationsAreReadBack(t *testing.T) {
	a := NewConfiguration([]Parameter{{"save", ""}, {"maxmemory", "2gb"}, {"databases", "32"}})
	b := NewConfiguration([]Parameter{{"databases", "32"}, {"maxmemory", "2gb"}, {"save", ""}})
	if a.Encode() != b.Encode() {
		t.Errorf("the order of parameters counts: %s, %s", a.Encode(), b.Encode())
	}
	// It stands in annotations: another revision for the same parameters would be a change of every instance.
	const text = `{"revision":"13ba661a033a06f8","parameters":[{"name":"databases","value":"32"},{"name":"maxmemory","value":"2gb"},{"name":"save"}]}`
	if a.Encode() != text {
		t.Errorf("%s, want %s", a.Encode(), text)
	}
	got, err := DecodeConfiguration(strings.NewReader(text))
	if err != nil || got.Encode() != text {
		t.Errorf("%+v, %v", got, err)
	}
	for name, want := range map[string]string{"databases": "32", "save": "", "hz": "none"} {
		value, found := got.Value(name)
		if !found {
			value = "none"
		}
		if value != want {
			t.Errorf("%s is %q, want %q", name, value, want)
		}
	}
	none := NewConfiguration(nil)
	if got, err := DecodeConfiguration(strings.NewReader(none.Encode())); err != nil || len(got.Parameters) != 0 {
		t.Errorf("without parameters: %s, %v", none.Encode(), err)
	}
}

func TestConfigurationsThatAreRefused(t *testing.T) {
	many := make([]Parameter, MaxConfigurationParameters+1)
	long := make([]Parameter, MaxConfigurationParameters)
	for i := range many {
		many[i] = Parameter{fmt.Sprintf("p%03d", i), "1"}
	}
	for i := range long {
		long[i] = Parameter{fmt.Sprintf("p%03d", i), strings.Repeat("<", MaxValue)} // six bytes each in JSON
	}
	for want, parameters := range map[string][]Parameter{
		"there are 129":              many,
		"it has":                     long,
		"\"\" is no name":            {{"", "1"}},
		"\"Hz\" is no name":          {{"Hz", "1"}},
		"\"hz\\nport\" is no name":   {{"hz\nport", "1"}},
		"hz is there twice":          {{"hz", "1"}, {"hz", "2"}},
		"hz contains the byte 0xa":   {{"hz", "1\nport 1"}},
		"hz contains the byte 0xc3":  {{"hz", "é"}},
		"hz has 257 bytes":           {{"hz", strings.Repeat("1", 257)}},
		"is no name: want lower cas": {{strings.Repeat("x", 65), "1"}},
	} {
		if err := NewConfiguration(parameters).Validate(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
	good := NewConfiguration([]Parameter{{"databases", "32"}, {"hz", "10"}}).Encode()
	for _, text := range []string{
		"", "null", "{}", "[]", good + "x", strings.Replace(good, `"32"`, `"33"`, 1), strings.Replace(good, `"name":"hz"`, `"name":"h"`, 1),
		strings.Replace(good, `"revision"`, `"Revision"`, 1), strings.Replace(good, `"hz","value"`, `"hz","class"`, 1),
		strings.Replace(good, `{"name":"databases","value":"32"},{"name":"hz","value":"10"}`, `{"name":"hz","value":"10"},{"name":"databases","value":"32"}`, 1),
		good + strings.Repeat(" ", MaxConfigurationBytes),
	} {
		if c, err := DecodeConfiguration(strings.NewReader(text)); err == nil {
			t.Errorf("%.200q is read as %+v", text, c)
		}
	}
}

// Different parameters have different revisions, and whatever can be validated is read back.
func TestRevisions(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		parameter := rapid.Custom(func(t *rapid.T) Parameter {
			return Parameter{rapid.StringMatching("[a-z-]{1,3}").Draw(t, "name"), rapid.StringMatching("[ -~]{0,4}").Draw(t, "value")}
		})
		list := rapid.SliceOfNDistinct(parameter, 0, 5, func(p Parameter) string { return p.Name })
		a, b := NewConfiguration(list.Draw(t, "a")), NewConfiguration(list.Draw(t, "b"))
		if same := slices.Equal(a.Parameters, b.Parameters); same != (a.Revision == b.Revision) {
			t.Fatalf("%+v and %+v", a, b)
		}
		if got, err := DecodeConfiguration(strings.NewReader(a.Encode())); err != nil || got.Encode() != a.Encode() {
			t.Fatalf("%s: %v", a.Encode(), err)
		}
	})
}

func TestClasses(t *testing.T) {
	if names := ConfigurationNames(); !slices.IsSorted(names) || len(slices.Compact(names)) != len(names) {
		t.Error("the table is searched as if it were sorted")
	}
	for name, want := range map[string]ParameterClass{
		"maxmemory": Dynamic, "save": Dynamic, "min-replicas-to-write": Dynamic, "tcp-backlog": Static, "io-threads": Static,
		"databases": Immutable, "appendonly": Immutable,
	} {
		if got, known := ClassOf(name); !known || got != want {
			t.Errorf("%s is %s, %t", name, got, known)
		}
	}
	for _, name := range []string{
		"requirepass", "masterauth", "masteruser", "user", "aclfile", "tls-port", "tls-cert-file", "dir", "dbfilename", "appendfilename",
		"appenddirname", "logfile", "pidfile", "loadmodule", "include", "port", "bind", "unixsocket", "replicaof", "slaveof", "rename-command",
		"enable-debug-command", "enable-module-command", "enable-protected-configs", "protected-mode", "replica-read-only", "cluster-enabled",
		"daemonize", "proc-title-template", "replica-announce-ip", "maxmemory ", "Maxmemory", "", "*",
	} {
		if class, known := ClassOf(name); known {
			t.Errorf("%q is %s", name, class)
		}
	}
}

func TestSameValues(t *testing.T) {
	for _, c := range []struct {
		name, wanted, found string
		same                bool
	}{
		{"maxmemory", "2gb", "2147483648", true},
		{"maxmemory", "2GB", "2147483648", true},
		{"maxmemory", "2g", "2000000000", true},
		{"maxmemory", "2g", "2147483648", false},
		{"maxmemory", "1024b", "1024", true},
		{"maxmemory", "1k", "1000", true},
		{"maxmemory", "99999999999gb", "99999999999gb", true},
		{"maxmemory", "99999999999gb", "0", false},
		{"maxmemory", "", "0", false},
		{"maxmemory-clients", "5%", "5%", true},
		{"maxmemory-clients", "5%", "5", false},
		{"list-max-listpack-size", "-2", "-2", true},
		{"list-max-listpack-size", "-2", "2", false},
		{"activerehashing", "YES", "yes", true},
		{"activerehashing", "yes", "no", false},
		{"maxmemory-policy", "AllKeys-LRU", "allkeys-lru", true},
		{"save", "", "", true},
		{"save", "3600 1  300 100", "3600 1 300 100", true},
		{"save", "3600 1", "3600 1 300 100", false},
		{"save", "", "3600 1", false},
		{"client-output-buffer-limit", "replica 256mb 64mb 60", "normal 0 0 0 slave 268435456 67108864 60 pubsub 33554432 8388608 60", true},
		{"client-output-buffer-limit", "pubsub 0 0 0 normal 0 0 0", "normal 0 0 0 slave 268435456 67108864 60 pubsub 0 0 0", true},
		{"client-output-buffer-limit", "replica 1gb 64mb 60", "normal 0 0 0 slave 268435456 67108864 60 pubsub 33554432 8388608 60", false},
		{"client-output-buffer-limit", "normal 0 0", "normal 0 0 0 slave 268435456 67108864 60 pubsub 33554432 8388608 60", false},
		{"client-output-buffer-limit", "", "normal 0 0 0 slave 268435456 67108864 60 pubsub 33554432 8388608 60", false},
		{"client-output-buffer-limit", "replica 1 1 1", "normal 1 1 1", false},
		{"notify-keyspace-events", "KEA", "AKE", true},
		{"notify-keyspace-events", "Kg$lshzxetd", "AK", true},
		{"notify-keyspace-events", "KA", "KEA", false},
		{"requirepass", "a", "A", false},
	} {
		if got := SameValue(c.name, c.wanted, c.found); got != c.same {
			t.Errorf("%s: %q and %q: %t", c.name, c.wanted, c.found, got)
		}
	}
}
