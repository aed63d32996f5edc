package agent

import (
	"math"
	"slices"
	"strconv"
	"strings"
)

// ParameterClass says what a change of a parameter of Redis takes.
type ParameterClass string

// The classes.
const (
	// Dynamic is changed while the engine runs, and read back.
	Dynamic ParameterClass = "dynamic"
	// Static takes a start of the engine.
	Static ParameterClass = "static"
	// Immutable is given when an instance is made, and never changed: the data that is stored could not be read any more, or not all of it.
	Immutable ParameterClass = "immutable"
)

// kind is how a value is compared with what the engine says.
type kind int

const (
	word    kind = iota // in any case
	number              // with or without a unit of memory
	save                // pairs of seconds and changes
	buffers             // limits of classes of clients
	events              // letters, of which A stands for several
)

// parameter is one that may stand in a configuration.
type parameter struct {
	name  string
	class ParameterClass
	kind  kind
	// asked: ConfigGet and ConfigSet take it too.
	asked bool
}

// parameters are all that there are, sorted by name: of redis.conf of Redis 7.0 to 8.0, what is no secret, names no file, opens no
// door, is not Shoal's own (port, replicaof), and does not let replicas take writes. A version that does not know one refuses it.
//
// appendonly is immutable because a Redis that starts with it reads the append-only file alone: where that was not complete, the data
// set is empty, and a master's replicas soon after. databases is because a dump of a number that is not there any more ends the start.
var parameters = []parameter{
	{"active-defrag-cycle-max", Dynamic, number, true},
	{"active-defrag-cycle-min", Dynamic, number, true},
	{"active-defrag-ignore-bytes", Dynamic, number, true},
	{"active-defrag-max-scan-fields", Dynamic, number, false},
	{"active-defrag-threshold-lower", Dynamic, number, true},
	{"active-defrag-threshold-upper", Dynamic, number, true},
	{"active-expire-effort", Dynamic, number, true},
	{"activedefrag", Dynamic, word, true},
	{"activerehashing", Dynamic, word, true},
	{"always-show-logo", Static, word, false},
	{"aof-load-truncated", Dynamic, word, false},
	{"aof-rewrite-incremental-fsync", Dynamic, word, false},
	{"aof-use-rdb-preamble", Dynamic, word, false},
	{"appendfsync", Dynamic, word, true},
	{"appendonly", Immutable, word, true},
	{"auto-aof-rewrite-min-size", Dynamic, number, true},
	{"auto-aof-rewrite-percentage", Dynamic, number, true},
	{"busy-reply-threshold", Dynamic, number, true},
	{"client-output-buffer-limit", Dynamic, buffers, true},
	{"client-query-buffer-limit", Dynamic, number, true},
	{"crash-log-enabled", Dynamic, word, false},
	{"crash-memcheck-enabled", Dynamic, word, false},
	{"databases", Immutable, number, false},
	{"disable-thp", Static, word, false},
	{"dynamic-hz", Dynamic, word, true},
	{"hash-max-listpack-entries", Dynamic, number, true},
	{"hash-max-listpack-value", Dynamic, number, true},
	{"hll-sparse-max-bytes", Dynamic, number, false},
	{"hz", Dynamic, number, true},
	{"io-threads", Static, number, false},
	{"io-threads-do-reads", Static, word, false},
	{"jemalloc-bg-thread", Dynamic, word, false},
	{"latency-monitor-threshold", Dynamic, number, true},
	{"latency-tracking", Dynamic, word, false},
	{"lazyfree-lazy-eviction", Dynamic, word, true},
	{"lazyfree-lazy-expire", Dynamic, word, true},
	{"lazyfree-lazy-server-del", Dynamic, word, true},
	{"lazyfree-lazy-user-del", Dynamic, word, true},
	{"lazyfree-lazy-user-flush", Dynamic, word, true},
	{"lfu-decay-time", Dynamic, number, true},
	{"lfu-log-factor", Dynamic, number, true},
	{"list-compress-depth", Dynamic, number, true},
	{"list-max-listpack-size", Dynamic, number, true},
	{"loglevel", Dynamic, word, false},
	{"max-new-connections-per-cycle", Dynamic, number, false},
	{"maxclients", Dynamic, number, true},
	{"maxmemory", Dynamic, number, true},
	{"maxmemory-clients", Dynamic, number, true},
	{"maxmemory-eviction-tenacity", Dynamic, number, true},
	{"maxmemory-policy", Dynamic, word, true},
	{"maxmemory-samples", Dynamic, number, true},
	{"min-replicas-max-lag", Dynamic, number, true},
	{"min-replicas-to-write", Dynamic, number, true},
	{"no-appendfsync-on-rewrite", Dynamic, word, true},
	{"notify-keyspace-events", Dynamic, events, true},
	{"proto-max-bulk-len", Dynamic, number, true},
	{"rdb-save-incremental-fsync", Dynamic, word, false},
	{"rdbchecksum", Static, word, false},
	{"rdbcompression", Dynamic, word, false},
	{"repl-backlog-size", Dynamic, number, true},
	{"repl-backlog-ttl", Dynamic, number, true},
	{"repl-disable-tcp-nodelay", Dynamic, word, true},
	{"repl-diskless-load", Dynamic, word, true},
	{"repl-diskless-sync", Dynamic, word, true},
	{"repl-diskless-sync-delay", Dynamic, number, true},
	{"repl-diskless-sync-max-replicas", Dynamic, number, true},
	{"repl-ping-replica-period", Dynamic, number, true},
	{"repl-timeout", Dynamic, number, true},
	{"replica-full-sync-buffer-limit", Dynamic, number, false},
	{"replica-ignore-maxmemory", Dynamic, word, false},
	{"replica-lazy-flush", Dynamic, word, true},
	{"replica-priority", Dynamic, number, true},
	{"replica-serve-stale-data", Dynamic, word, true},
	{"save", Dynamic, save, true},
	{"set-max-intset-entries", Dynamic, number, true},
	{"set-max-listpack-entries", Dynamic, number, true},
	{"set-max-listpack-value", Dynamic, number, true},
	{"shutdown-timeout", Dynamic, number, false},
	{"slowlog-log-slower-than", Dynamic, number, true},
	{"slowlog-max-len", Dynamic, number, true},
	{"stop-writes-on-bgsave-error", Dynamic, word, true},
	{"stream-node-max-bytes", Dynamic, number, true},
	{"stream-node-max-entries", Dynamic, number, true},
	{"tcp-backlog", Static, number, false},
	{"tcp-keepalive", Dynamic, number, true},
	{"timeout", Dynamic, number, true},
	{"tracking-table-max-keys", Dynamic, number, true},
	{"zset-max-listpack-entries", Dynamic, number, true},
	{"zset-max-listpack-value", Dynamic, number, true},
}

func lookUp(name string) (parameter, bool) {
	at, found := slices.BinarySearchFunc(parameters, name, func(p parameter, name string) int { return strings.Compare(p.name, name) })
	if !found {
		return parameter{}, false
	}
	return parameters[at], true
}

// ClassOf is the class of a parameter of Redis, by its name in redis.conf in lower case; false: it may stand in no configuration.
func ClassOf(name string) (ParameterClass, bool) {
	p, known := lookUp(name)
	return p.class, known
}

// ConfigurationNames lists the parameters that may stand in a configuration, sorted.
func ConfigurationNames() []string {
	var out []string
	for _, p := range parameters {
		out = append(out, p.name)
	}
	return out
}

// ParameterNames lists the parameters that ConfigGet and ConfigSet take, sorted: what can be changed while Redis runs, is no secret,
// names no file, and opens no door.
func ParameterNames() []string {
	var out []string
	for _, p := range parameters {
		if p.asked {
			out = append(out, p.name)
		}
	}
	return out
}

// SameValue reports whether found, as CONFIG GET of Redis reads it back, is what wanted asks for: 2gb is 2147483648, YES is yes, and
// a limit of one class of clients says nothing of the others. Of a name that is not known the words must be the same.
func SameValue(name, wanted, found string) bool {
	if wanted == found {
		return true
	}
	p, known := lookUp(name)
	if !known {
		return false
	}
	switch p.kind {
	case number:
		return sameNumber(wanted, found)
	case save:
		return slices.EqualFunc(strings.Fields(wanted), strings.Fields(found), sameNumber)
	case buffers:
		return sameLimits(wanted, found)
	case events:
		return lettersOf(wanted) == lettersOf(found)
	}
	return strings.EqualFold(wanted, found)
}

// units of memory as Redis reads them. Source: memtoull in util.c.
var units = []struct {
	name   string
	factor int64
}{{"kb", 1 << 10}, {"mb", 1 << 20}, {"gb", 1 << 30}, {"k", 1e3}, {"m", 1e6}, {"g", 1e9}, {"b", 1}}

// bytesOf reads a whole number, with or without a unit.
func bytesOf(text string) (int64, bool) {
	digits, factor := strings.ToLower(text), int64(1)
	for _, u := range units {
		if before, has := strings.CutSuffix(digits, u.name); has {
			digits, factor = before, u.factor
			break
		}
	}
	n, err := strconv.ParseInt(digits, 10, 64)
	if err != nil || n > math.MaxInt64/factor || n < math.MinInt64/factor {
		return 0, false
	}
	return n * factor, true
}

// sameNumber compares bytes, and whatever is not a number of them as it is: 5% is 5%.
func sameNumber(a, b string) bool {
	x, isNumber := bytesOf(a)
	y, too := bytesOf(b)
	if isNumber && too {
		return x == y
	}
	return strings.EqualFold(a, b)
}

// sameLimits: each class that wanted names has these limits. The class replica is called slave when it is read back.
func sameLimits(wanted, found string) bool {
	there, whole := limitsOf(found)
	asked, too := limitsOf(wanted)
	if !whole || !too || len(asked) == 0 {
		return false
	}
	for class, limits := range asked {
		if !slices.EqualFunc(limits, there[class], sameNumber) {
			return false
		}
	}
	return true
}

func limitsOf(text string) (map[string][]string, bool) {
	words := strings.Fields(strings.ToLower(text))
	out := map[string][]string{}
	for ; len(words) >= 4; words = words[4:] {
		class := words[0]
		if class == "slave" {
			class = "replica"
		}
		out[class] = words[1:4]
	}
	return out, len(words) == 0
}

// lettersOf is the set of letters of notify-keyspace-events. Source: keyspaceEventsStringToFlags in notify.c.
func lettersOf(flags string) string {
	letters := []byte(strings.ReplaceAll(flags, "A", "g$lshzxetd"))
	slices.Sort(letters)
	return string(slices.Compact(letters))
}
