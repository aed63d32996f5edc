package reason

import "fmt"

// Code is one cause. Codes are stable: a code is never given another meaning, and a retired one is not used again.
//
//	11xx  the scheduler refuses a node or holds a pod
//	12xx  the state of a placement group
//	13xx  what the scheduler knows about nodes
//	20xx  what the InstanceSet controller does, and why
//	21xx  rebuild: what is done, and what it waits for
//	22xx  the state of an InstanceSet
//	23xx  how a planned switchover ended, or why it has not begun
//	24xx  roles: who carries the label, and why
//	25xx  agents: their certificates, and who is refused
//	26xx  updates, configurations, and nodes that are cordoned
type Code int

// Entry is what the catalogue knows about a code.
type Entry struct {
	// Name is the CamelCase name, used as the reason of events and conditions.
	Name string
	// Text is the cause in one clause, without numbers; refusals of the scheduler start with "node(s)".
	Text string
	// Meaning explains it to someone who sees it for the first time.
	Meaning string
	// Advice is what a person should do next.
	Advice string
}

// String is the stable identifier, such as SHOAL1102.
func (c Code) String() string { return fmt.Sprintf("SHOAL%04d", int(c)) }

// Entry returns the catalogue's entry; of an unknown code, the zero Entry.
func (c Code) Entry() Entry { return entryOf(c) }

// Name is the reason of events and conditions, such as NodeCountLimit.
func (c Code) Name() string { return entryOf(c).Name }

// Text is the cause in one clause.
func (c Code) Text() string { return entryOf(c).Text }

// Message is the text with its code, as the scheduler prints it: the scheduler counts nodes by identical messages, so
// nothing that differs between nodes may stand in it.
func (c Code) Message() string { return fmt.Sprintf("%s (%s)", c.Text(), c) }

// Because is a message with its numbers or names, followed by the code.
func (c Code) Because(format string, args ...any) string {
	return fmt.Sprintf(format, args...) + " (" + c.String() + ")"
}

// All returns every code of the catalogue in ascending order.
func All() []Code {
	all := make([]Code, 0, len(catalogue()))
	for _, row := range catalogue() {
		all = append(all, row.code)
	}
	return all
}

func entryOf(c Code) Entry {
	for _, row := range catalogue() {
		if row.code == c {
			return row.Entry
		}
	}
	return Entry{}
}
