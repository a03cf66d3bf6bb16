package impair

import "time"

// dueFrame is a frame that waits for its time.
type dueFrame struct {
	due    time.Time
	number uint64 // in the order of coming
	frame  []byte
}

// dueFrames are a heap.Interface, the earliest first.
type dueFrames []dueFrame

func (d dueFrames) Len() int      { return len(d) }
func (d dueFrames) Swap(i, j int) { d[i], d[j] = d[j], d[i] }

func (d dueFrames) Less(i, j int) bool {
	if d[i].due.Equal(d[j].due) {
		return d[i].number < d[j].number
	}
	return d[i].due.Before(d[j].due)
}

// Push implements heap.Interface.
func (d *dueFrames) Push(x any) { *d = append(*d, x.(dueFrame)) }

// Pop implements heap.Interface.
func (d *dueFrames) Pop() any {
	last := len(*d) - 1
	one := (*d)[last]
	(*d)[last] = dueFrame{}
	*d = (*d)[:last]
	return one
}
