package pmtu

import "slices"

// trial is a size in question.
type trial struct {
	size  int
	tries int // probes sent
	lost  int // probes without an answer, in rounds in which another probe was answered
}

// trials are sizes in question, ascending, each once.
type trials []trial

func (t trials) find(size int) *trial {
	if i := slices.IndexFunc(t, func(x trial) bool { return x.size == size }); i >= 0 {
		return &t[i]
	}
	return nil
}

func (t *trials) add(sizes ...int) {
	for _, size := range sizes {
		i, found := slices.BinarySearchFunc(*t, size, func(x trial, size int) int { return x.size - size })
		if !found {
			*t = slices.Insert(*t, i, trial{size: size})
		}
	}
}

// keep leaves the sizes that are longer than good and shorter than bad.
func (t *trials) keep(good, bad int) {
	*t = slices.DeleteFunc(*t, func(x trial) bool { return x.size <= good || x.size >= bad })
}

// due lists what the next round sends: what was not tried yet, the shortest, for all longer ones fail with it, and the route
// MTU.
func (t trials) due(told int) (sizes []int) {
	for i, x := range t {
		if i == 0 || x.tries == 0 || x.size == told {
			sizes = append(sizes, x.size)
		}
	}
	return sizes
}
