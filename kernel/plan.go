package kernel

// plan finds what must be done so that of the routes that are ours exactly want remain. Steps that add or change come
// first, in the order of want. blocked are the foreign routes that sit on the prefix and metric of a wanted one: writing
// there would overwrite them, so nothing is done for that prefix.
func plan(want, have []route, ours func(route) bool) (steps []step, blocked []route) {
	present := make(map[routeKey][]route, len(have))
	for _, r := range have {
		present[r.routeKey] = append(present[r.routeKey], r)
	}
	wanted := make(map[routeKey]route, len(want))
	for _, w := range want {
		wanted[w.routeKey] = w
		found, foreign := match(w, present[w.routeKey], ours)
		switch {
		case found == same:
		case len(foreign) > 0:
			blocked = append(blocked, foreign...)
		case found == other:
			steps = append(steps, step{Changed, w})
		default:
			steps = append(steps, step{Added, w})
		}
	}
	return append(steps, leftovers(wanted, present, have, ours)...), blocked
}

// likeness says what of ours is found where a route is wanted.
type likeness int

const (
	none  likeness = iota
	other          // one of ours, with another MTU, source or the like
	same
)

func match(w route, there []route, ours func(route) bool) (found likeness, foreign []route) {
	for _, r := range there {
		switch {
		case r == w:
			found = same
		case !ours(r):
			foreign = append(foreign, r)
		case found == none:
			found = other
		}
	}
	return found, foreign
}

// leftovers are the routes of ours that nobody wants. A route that is to be changed is not one: the kernel replaces it.
// IPv6 can hold several routes of one prefix and metric; if the wanted one is among them the others are left over.
func leftovers(wanted map[routeKey]route, present map[routeKey][]route, have []route, ours func(route) bool) []step {
	var steps []step
	for _, r := range have {
		w, ok := wanted[r.routeKey]
		if !ours(r) || r == w {
			continue
		}
		if found, _ := match(w, present[r.routeKey], ours); ok && found != same {
			continue
		}
		steps = append(steps, step{Removed, r})
	}
	return steps
}
