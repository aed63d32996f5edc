package configuration

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/shoal-dev/shoal/api/agent"
)

// change is what it takes to get from a configuration that runs to another one.
type change struct {
	// set are the dynamic parameters that differ, and old what they are now.
	set, old map[string]string
	// restart: a static parameter differs, or one goes back to the engine's default, which only a start knows.
	restart bool
}

// same: two configurations ask for the same. (To be asked for less is not the same.)
func same(name, a, b string) bool { return agent.SameValue(name, a, b) && agent.SameValue(name, b, a) }

// refused says why one configuration can never follow another one, whatever the engine says; "" if it may.
func refused(wanted agent.Configuration, good *agent.Configuration) string {
	for _, p := range wanted.Parameters {
		if _, known := agent.ClassOf(p.Name); !known {
			return p.Name + ": this parameter cannot stand in a configuration"
		}
	}
	if good == nil {
		return ""
	}
	for _, p := range good.Parameters {
		if class, _ := agent.ClassOf(p.Name); class != agent.Immutable {
			continue
		}
		if value, there := wanted.Value(p.Name); !there || !same(p.Name, p.Value, value) {
			return fmt.Sprintf("%s: it is immutable, and stays %s", p.Name, p.Value)
		}
	}
	return ""
}

// added is an immutable parameter that a configuration has and the one before had not: the engine must be asked what it is. "" if there
// is none.
func added(wanted, good agent.Configuration) string {
	for _, p := range wanted.Parameters {
		class, _ := agent.ClassOf(p.Name)
		if _, there := good.Value(p.Name); class == agent.Immutable && !there {
			return p.Name
		}
	}
	return ""
}

// changeTo compares what is wanted with what ran before, and where that differs, with the values that the engine has. Where it does
// not, the engine's value is somebody else's business, if what ran before is proven. The text says why it cannot be done, if it cannot.
func changeTo(wanted, good agent.Configuration, proven bool, values map[string]string) (c change, why string) {
	c.set, c.old = map[string]string{}, map[string]string{}
	for _, p := range good.Parameters {
		if _, there := wanted.Value(p.Name); !there {
			c.restart = true
		}
	}
	for _, p := range wanted.Parameters {
		value, known := values[p.Name]
		if !known {
			return c, p.Name + ": this engine does not know the parameter"
		}
		before, there := good.Value(p.Name)
		if proven && there && same(p.Name, before, p.Value) || agent.SameValue(p.Name, p.Value, value) {
			continue
		}
		switch class, _ := agent.ClassOf(p.Name); class {
		case agent.Immutable:
			return c, fmt.Sprintf("%s: it is immutable, and is %s", p.Name, value)
		case agent.Dynamic:
			c.set[p.Name], c.old[p.Name] = p.Value, value
		default:
			c.restart = true
		}
	}
	return c, ""
}

// differs is the first parameter whose value the engine reads back as another one; "" if there is none.
func differs(wanted agent.Configuration, values map[string]string) string {
	for _, p := range wanted.Parameters {
		value, known := values[p.Name]
		switch {
		case !known:
			return p.Name + ": this engine does not know the parameter"
		case !agent.SameValue(p.Name, p.Value, value):
			return fmt.Sprintf("%s %s: the engine reads it back as %s", p.Name, shown(p.Value), shown(value))
		}
	}
	return ""
}

// shows reports whether the values are those of an engine that started with one configuration, and not with the other one.
func shows(one, not agent.Configuration, values map[string]string) bool {
	for _, p := range one.Parameters {
		before, there := not.Value(p.Name)
		if changed := !there || !same(p.Name, p.Value, before); changed && agent.SameValue(p.Name, p.Value, values[p.Name]) {
			return true
		}
	}
	for _, p := range not.Parameters {
		if _, there := one.Value(p.Name); !there && !agent.SameValue(p.Name, p.Value, values[p.Name]) {
			return true
		}
	}
	return false
}

// saying is what an engine has said against new values: which of them, and its words.
func saying(set map[string]string, err error) string {
	text := err.Error()
	for _, name := range slices.Sorted(maps.Keys(set)) {
		if strings.Contains(text, "'"+name+"'") {
			return name + " " + shown(set[name]) + ": " + text
		}
	}
	return text
}

// shown is a value in a sentence, where one of 256 bytes would leave no room for what is wrong with it.
func shown(value string) string {
	const most = 64
	switch {
	case value == "":
		return `""`
	case len(value) > most:
		return value[:most] + "..."
	}
	return value
}

func namesOf(configurations ...*agent.Configuration) []string {
	names := map[string]bool{}
	for _, c := range configurations {
		if c == nil {
			continue
		}
		for _, p := range c.Parameters {
			names[p.Name] = true
		}
	}
	return slices.Sorted(maps.Keys(names))
}
