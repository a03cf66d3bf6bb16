package cnishim

import (
	"context"
	"errors"
	"net/netip"

	"github.com/containernetworking/cni/pkg/skel"

	"github.com/weftnet/weft/cni-shim/ipam"
	"github.com/weftnet/weft/cni-shim/podnet"
)

// del takes a pod's interface away and releases its addresses, as far as any of it is there. It fails only if the kernel does not let the
// interface be removed: the addresses of a record that cannot be ended are freed by the daemon, once it has missed the host end for long
// enough.
func del(args *skel.CmdArgs) error {
	c := parseLoosely(args.StdinData)
	a := newAttachment(c, args)
	a.lease = anyLease(c)
	book, record, end := a.record()
	defer end()
	if err := a.detach(record.Addresses); err != nil {
		return coded(err)
	}
	if book != nil {
		_, _, err := book.Release(context.Background(), a.key)
		warn(err)
	}
	return nil
}

// record is what the book says of the attachment, in its turn, which end ends: an empty one, if it says nothing. Where the book cannot be read
// there is none.
func (a *attachment) record() (book *ipam.Book, record ipam.Record, end func()) {
	book, err := openBook(a.config, a.lease)
	if err != nil {
		warn(err)
		return nil, ipam.Record{}, func() {}
	}
	end = a.turn(book)
	if record, _, err = book.Lookup(a.key); err != nil {
		warn(err)
		book = nil
	}
	return book, record, end
}

// detach removes what the kernel has of the attachment.
func (a *attachment) detach(addrs []netip.Addr) error {
	host, err := podnet.Open()
	if err != nil {
		return err
	}
	defer host.Close()
	return detach(host, a.config.Bridge, podnet.Gone{HostEnd: a.hostEnd(), Bridge: a.config.Bridge, Addrs: addrs, NetNS: a.netns, IfName: a.key.IfName})
}

// detach removes what the kernel has of an attachment. The guard forgets the port as soon as that is down: what the kernel does behind the
// back of that takes its time, in which the interface is removed.
func detach(host *podnet.Host, bridge string, g podnet.Gone) error {
	if err := host.Disable(g.HostEnd); err != nil {
		return err
	}
	m := podnet.Member{HostEnd: g.HostEnd}
	if len(g.Addrs) > 0 {
		m = podnet.Pod{HostEnd: g.HostEnd, Addrs: g.Addrs}.Member()
	}
	guard := podnet.NewGuard(bridge)
	defer guard.Close()
	forgotten := guard.Remove(m)
	if errors.Is(forgotten, podnet.ErrNoGuard) {
		forgotten = nil
	}
	return errors.Join(host.Detach(g), forgotten)
}
