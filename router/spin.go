package router

// spin decides how often a lane that found nothing looks again before it waits. A wait costs the lane and whoever wakes it
// several microseconds; a look costs less than one, and gives the core to whoever else wants it.
//
// The number of looks follows what they brought: it doubles when one found work, and halves when all were in vain. So a lane
// whose traffic has gaps shorter than its looks never waits, and an idle one hardly looks.
type spin struct {
	max   int // looks in a row, at most; 0: never look again
	limit int // at present
	looks int // in vain since the last work
}

// spinFloor is where the limit starts to grow from, and does not fall below.
const spinFloor = 4

func newSpin(most int) spin { return spin{max: most, limit: min(most, spinFloor)} }

// worked notes that the last look found work.
func (s *spin) worked() {
	if s.looks > 0 {
		s.limit = min(s.max, 2*s.limit)
		s.looks = 0
	}
}

// again reports whether to look once more; false: wait.
func (s *spin) again() bool {
	if s.looks < s.limit {
		s.looks++
		return true
	}
	s.limit = min(s.max, max(spinFloor, s.limit/2))
	s.looks = 0
	return false
}
