package reason

import "slices"

// The catalogue, in ascending order, a file for each part of Shoal. Add a row there, run `make generate`, and read the page that it
// makes.

type row struct {
	code Code
	Entry
}

// catalogue is a function, not a variable, so that nobody can change it.
func catalogue() []row {
	return slices.Concat(ofPlacement(), ofInstances(), ofSwitchovers(), ofRoles(), ofUpdates())
}
