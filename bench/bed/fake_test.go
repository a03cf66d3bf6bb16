package bed

import "context"

// unconnected makes pods and connects nothing.
type unconnected struct {
	id     string // of its bed
	panics bool
}

func (*unconnected) Name() string                      { return "unconnected" }
func (*unconnected) About() string                     { return "pods on hosts that know no way" }
func (*unconnected) Overhead() int                     { return 0 }
func (*unconnected) Unavailable(context.Context) error { return nil }

func (u *unconnected) Up(_ context.Context, b *Bed) (Running, error) {
	u.id = b.ID()
	if u.panics {
		panic("a subject with an error in it")
	}
	return inKernel{}, b.makePods(b.MTU())
}
