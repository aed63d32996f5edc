package answer

// Paint colours words for terminals; false leaves them as they are.
type Paint bool

func (p Paint) color(code, text string) string {
	if !p {
		return text
	}
	return "\x1b[" + code + "m" + text + "\x1b[0m"
}

func (p Paint) bad(text string) string  { return p.color("31", text) }
func (p Paint) good(text string) string { return p.color("32", text) }
func (p Paint) warn(text string) string { return p.color("33", text) }

func (p Paint) state(s State) string {
	word := map[State]string{
		Waiting: "waits", Refused: "waits", WouldFit: "can be placed", Placed: "placed", Ended: "has ended",
		Terminating: "is going", NotOurs: "not Shoal's",
	}[s]
	switch s {
	case Waiting, Refused:
		return p.bad(word)
	case Placed, WouldFit:
		return p.good(word)
	}
	return p.warn(word)
}

// Bad, Good and Warn colour what other packages print.
func (p Paint) Bad(text string) string { return p.bad(text) }

// Good is green.
func (p Paint) Good(text string) string { return p.good(text) }

// Warn is yellow.
func (p Paint) Warn(text string) string { return p.warn(text) }
