package kernel

import (
	"errors"
	"fmt"
	"net"
	"strings"

	"github.com/vishvananda/netlink"
)

// ownAlias is the interface alias that weft's devices and bridges carry or begin with; package tun sets it.
const ownAlias = "weft"

// link is an interface of the host.
type link struct {
	index    int
	name     string
	kind     string // netlink's link type: "device", "bridge", "tuntap", "veth" ...
	mtu      int
	up       bool // by the administrator
	carrier  bool // up, and not known to be without carrier
	loopback bool
	weft     bool // carries weft's alias
	raw      netlink.Link
}

func linkFrom(n netlink.Link) link {
	a := n.Attrs()
	up := a.Flags&net.FlagUp != 0
	return link{
		index:    a.Index,
		name:     a.Name,
		kind:     n.Type(),
		mtu:      a.MTU,
		up:       up,
		carrier:  up && a.OperState != netlink.OperDown && a.OperState != netlink.OperLowerLayerDown,
		loopback: a.Flags&net.FlagLoopback != 0,
		weft:     a.Alias == ownAlias || strings.HasPrefix(a.Alias, ownAlias+" "),
		raw:      n,
	}
}

// linkNamed finds an interface; ErrNoDevice if there is none of that name.
func (h *Host) linkNamed(name string) (link, error) {
	if name == "" {
		return link{}, fmt.Errorf("kernel: find device: %w", ErrNoDevice)
	}
	n, err := h.nl.LinkByName(name)
	if notFound := (netlink.LinkNotFoundError{}); errors.As(err, &notFound) {
		return link{}, fmt.Errorf("kernel: %s: %w", name, ErrNoDevice)
	}
	if err != nil {
		return link{}, explain("find "+name, err)
	}
	return linkFrom(n), nil
}

// links lists all interfaces by index.
func (h *Host) links() (map[int]link, error) {
	list, err := dump(h.nl.LinkList)
	if err != nil {
		return nil, explain("list interfaces", err)
	}
	links := make(map[int]link, len(list))
	for _, n := range list {
		links[n.Attrs().Index] = linkFrom(n)
	}
	return links, nil
}

// dumpTries is how often a list is asked for again that changed while the kernel wrote it.
const dumpTries = 5

// dump asks for a list until it is a consistent one.
func dump[T any](ask func() ([]T, error)) (list []T, err error) {
	for range dumpTries {
		list, err = ask()
		if !errors.Is(err, netlink.ErrDumpInterrupted) {
			return list, err
		}
	}
	return list, nil // the last list; the change that disturbed it also wakes Watch
}
