package measure

// foreigners are the processes whose work disturbs a measurement.
type foreigners struct {
	roots  map[int]bool // pids: they and what they started are ours
	others map[int]bool // pids: they and what they started are not, although they may descend from ours
	before map[int]proc
	ours   map[procID]bool // all that were ever seen as ours; a process whose parent has ended stays what it was
}

// watchForeigners takes a first look. The pids are of processes that are ours, and of others among their descendants that are
// not; each with all of its descendants.
func watchForeigners(ours, others []int) (*foreigners, error) {
	now, err := procs()
	if err != nil {
		return nil, err
	}
	return newForeigners(now, ours, others), nil
}

func newForeigners(now map[int]proc, ours, others []int) *foreigners {
	f := &foreigners{roots: map[int]bool{}, others: map[int]bool{}, before: now, ours: map[procID]bool{}}
	for _, pid := range ours {
		f.roots[pid] = true
	}
	for _, pid := range others {
		f.others[pid] = true
	}
	f.know(now)
	return f
}

// know notes which processes are ours.
func (f *foreigners) know(now map[int]proc) {
	for _, p := range now {
		if f.descends(p, now) {
			f.ours[p.procID] = true
		}
	}
}

// descends reports whether a process is ours or was started by one of ours.
func (f *foreigners) descends(p proc, now map[int]proc) bool {
	for range len(now) { // bounded: the pids come from several moments, and could form a ring
		if f.others[p.pid] {
			return false
		}
		if f.roots[p.pid] || f.ours[p.procID] {
			return true
		}
		parent, known := now[p.parent]
		if !known {
			return false
		}
		p = parent
	}
	return false
}

// used is how many ticks foreign processes have used since the first look. Those that ended meanwhile are in the books of
// the parent that waited for them, with their whole life: what was used before the first look is taken off again.
func (f *foreigners) used(now map[int]proc) uint64 {
	f.know(now)
	var used, ended, old uint64
	for _, p := range now {
		if f.mine(p) {
			continue
		}
		if b, known := f.before[p.pid]; known && b.procID == p.procID {
			used += less(p.own, b.own)
			ended += less(p.children, b.children)
			continue
		}
		used += p.own + p.children
	}
	for pid, b := range f.before {
		if p, known := now[pid]; (!known || p.procID != b.procID) && !f.mine(b) {
			old += b.own + b.children
		}
	}
	return used + less(ended, old)
}

// mine reports whether a process does not count.
func (f *foreigners) mine(p proc) bool { return p.kernel || f.ours[p.procID] }
