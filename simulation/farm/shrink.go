package farm

// Shrink leaves out of a seed that fails what it fails without: it plays it again and again, at most so many times, with
// less of what happened, and returns the smallest run that breaks the same invariant. It is the search of Zeller and
// Hildebrandt (Simplifying and Isolating Failure-Inducing Input, 2002), without the step to subsets.
func Shrink(failed Result, runs int, play func(Job) (Result, error)) (Result, error) {
	smallest := failed
	try := func(only []string) (bool, error) {
		runs--
		r, err := play(Job{Seed: failed.Seed, Only: only})
		if err != nil || r.Invariant != failed.Invariant {
			return false, err
		}
		smallest = r
		smallest.Only = r.Happened
		return true, nil
	}
	if same, err := try(append([]string{}, failed.Happened...)); err != nil || !same {
		return failed, err
	}
	for part := (len(smallest.Happened) + 1) / 2; part > 0 && runs > 0; {
		smaller := false
		for from := 0; from < len(smallest.Happened) && runs > 0; {
			rest := without(smallest.Happened, from, part)
			same, err := try(rest)
			if err != nil {
				return smallest, err
			}
			if !same {
				from += part
			}
			smaller = smaller || same
		}
		if !smaller || part > 1 {
			part /= 2
		}
	}
	return smallest, nil
}

func without(all []string, from, n int) []string {
	rest := append([]string{}, all[:from]...)
	return append(rest, all[min(from+n, len(all)):]...)
}
