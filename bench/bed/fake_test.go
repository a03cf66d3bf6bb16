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

// interrupting is a subject during whose start somebody presses Ctrl-C.
type interrupting struct {
	Subject
	id     string // of its bed
	cancel context.CancelFunc
}

// context is what to make the bed with.
func (i *interrupting) context(parent context.Context) context.Context {
	ctx, cancel := context.WithCancel(parent)
	i.cancel = cancel
	return ctx
}

func (i *interrupting) Up(ctx context.Context, b *Bed) (Running, error) {
	i.id = b.ID()
	i.cancel()
	return i.Subject.Up(ctx, b)
}
