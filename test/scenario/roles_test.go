package scenario

import (
	"strings"

	"github.com/cockroachdb/datadriven"

	api "github.com/shoal-dev/shoal/api/agent"
	"github.com/shoal-dev/shoal/simulation"
)

// ofRoles are what befalls Redis, agents and Sentinels of sets with roles.
var ofRoles = map[string]verb{
	"agents": func(w *simulation.World, d *datadriven.TestData) error {
		w.CutAgents(first(d) == "cut")
		return nil
	},
	"agent": func(w *simulation.World, d *datadriven.TestData) error {
		if d.CmdArgs[1].Key == "hold" {
			return w.HoldReport(first(d), long(d, d.CmdArgs[2].Key))
		}
		return w.RestartAgent(first(d))
	},
	"sentinels": func(w *simulation.World, d *datadriven.TestData) error {
		var numbers []int
		for _, arg := range d.CmdArgs[1:] {
			numbers = append(numbers, int(parse(d, arg.Key)))
		}
		return w.Sentinels(first(d), numbers...)
	},
	"cut":  func(w *simulation.World, d *datadriven.TestData) error { return w.Fate(first(d), "silent") },
	"heal": func(w *simulation.World, d *datadriven.TestData) error { return w.Fate(first(d), "on") },
	"clock": func(w *simulation.World, d *datadriven.TestData) error {
		w.Clock(long(d, first(d)))
		return nil
	},
}

// order is what an agent answers to an order.
func order(w *simulation.World, d *datadriven.TestData) string {
	master, epoch := "", int64(0)
	for _, arg := range d.CmdArgs[2:] {
		switch arg.Key {
		case "master":
			master = arg.Vals[0]
		case "epoch":
			epoch = parse(d, arg.Vals[0])
		}
	}
	answer, err := w.Order(first(d), api.Action(d.CmdArgs[1].Key), master, epoch)
	if err != nil {
		return "refused: " + strings.Join(strings.Fields(err.Error()), " ") + "\n"
	}
	return answer
}
