package simulation

import (
	"hash/fnv"
	"math/rand"
	"time"
)

// dice are a source of chance.
type dice struct{ *rand.Rand }

func newDice(seed int64) dice { return dice{rand.New(rand.NewSource(seed))} }

// between draws a duration.
func (d dice) between(least, most time.Duration) time.Duration {
	return least + time.Duration(d.Int63n(int64(most-least)+1))
}

// chance draws a decision.
func (d dice) chance(p float64) bool { return d.Float64() < p }

// choice is what a seed has happen, and how much of it is wanted. Everything that a seed draws, beside how long the models
// take, has a name, such as "scale.7" or "refused.3", and dice of its own: to leave one out does not change what the
// others draw. That is how a seed that fails is made smaller.
type choice struct {
	seed     int64
	only     map[string]bool // nil for everything
	happened []string
	dice     map[string]dice
}

func newChoice(seed int64, only []string) *choice {
	c := &choice{seed: seed, dice: map[string]dice{}}
	if only != nil {
		c.only = map[string]bool{}
		for _, name := range only {
			c.only[name] = true
		}
	}
	return c
}

// happens reports whether something that the seed has drawn is wanted, and notes that it happens.
func (c *choice) happens(name string) bool {
	if c.only != nil && !c.only[name] {
		return false
	}
	c.happened = append(c.happened, name)
	return true
}

// of are the dice of one name.
func (c *choice) of(name string) dice {
	d, known := c.dice[name]
	if !known {
		h := fnv.New64a()
		_, _ = h.Write([]byte(name))
		d = newDice(c.seed*1_000_003 ^ int64(h.Sum64()))
		c.dice[name] = d
	}
	return d
}
