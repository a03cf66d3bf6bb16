package packet

// maxOpen is how many runs may grow at the same time: as many flows may be interleaved without loss of joins.
const maxOpen = 16

// runTable holds the runs that may still grow, at most one of each flow.
type runTable struct {
	runs  [maxOpen]run
	flows [maxOpen]flow // of the open runs; zero: the place is free
	next  int           // the place to clear when none is free
}

// find returns the place of the open run with this number of flow.ports, or of a free place for 0; -1 if there is none.
func (t *runTable) find(ports uint32) int {
	for i := range t.flows {
		if t.flows[i].ports == ports {
			return i
		}
	}
	return -1
}

// victim returns a place of an open run, each in turn.
func (t *runTable) victim() int {
	t.next = (t.next + 1) % maxOpen
	return t.next
}
