package bed

import (
	"context"
	"errors"
	"fmt"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/weftnet/weft/lab"
)

// inKernel is a subject at work that needs no process: the kernel forwards.
type inKernel struct {
	details map[string]string
}

// Routers are none.
func (inKernel) Routers() []int { return nil }

// Restart is refused: there is nothing to restart.
func (inKernel) Restart(context.Context) error { return ErrNoRouter }

// Details are what the kernel was told.
func (k inKernel) Details(context.Context) (map[string]string, error) { return k.details, nil }

// Check is nil: there is nothing that could change.
func (inKernel) Check(context.Context) error { return nil }

// Ended is nil: there is nothing that could.
func (inKernel) Ended() error { return nil }

// lacksLinkType tries to make an interface in a namespace of its own. nil: the kernel has the type.
func lacksLinkType(ctx context.Context, link netlink.Link) (err error) {
	l, err := lab.New(ctx, lab.Options{})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, l.Close()) }()
	err = links(l.Switch(), func(h *netlink.Handle) error { return h.LinkAdd(link) })
	if errors.Is(err, unix.EOPNOTSUPP) {
		return fmt.Errorf("this kernel has no interfaces of type %s (modprobe %s)", link.Type(), link.Type())
	}
	if err != nil {
		return fmt.Errorf("make an interface of type %s: %w", link.Type(), err)
	}
	return nil
}
