package cnishim

import (
	"context"
	"errors"

	"github.com/containernetworking/cni/pkg/skel"
	"github.com/containernetworking/cni/pkg/types"

	"github.com/weftnet/weft/cni-shim/ipam"
	"github.com/weftnet/weft/cni-shim/lease"
	"github.com/weftnet/weft/cni-shim/podnet"
)

// add gives a pod its interface and prints the result.
func add(args *skel.CmdArgs) error {
	a, err := requested(args)
	if err != nil {
		return err
	}
	book, err := openBook(a.config, a.lease)
	if err != nil {
		return err
	}
	defer a.turn(book)()
	if err := podnet.Vacant(a.netns, a.key.IfName); err != nil {
		return placed(err, a.netns, a.key.IfName)
	}
	run := &addition{attachment: a, book: book}
	result, err := run.run()
	if err == nil {
		err = types.PrintResult(result, a.config.CNIVersion)
	}
	if err != nil {
		run.undo()
		return placed(err, a.netns, a.key.IfName)
	}
	return nil
}

// requested is the attachment that ADD is asked for, with the node's lease, once nothing about them is wrong.
func requested(args *skel.CmdArgs) (*attachment, error) {
	c, err := parse(args.StdinData)
	if err != nil {
		return nil, err
	}
	if c.PrevResult != nil {
		return nil, fail(codeConfig, "key \"prevResult\": weft-cni makes the pod's interface and comes first in the list of plugins")
	}
	if !isName(args.IfName) {
		return nil, fail(codeEnvironment, "CNI_IFNAME: %q is not the name of an interface", args.IfName)
	}
	a := newAttachment(c, args)
	if a.lease, err = leased(c.RunDir, codeLater, addPatience); err != nil {
		return nil, err
	}
	return a, a.fits()
}

// fits reports whether the configuration fits the lease.
func (a *attachment) fits() error {
	for _, s := range a.lease.Subnets {
		if s.Addr().Is6() && a.config.MTU != 0 && a.config.MTU < lease.MinMTU6 {
			return fail(codeConfig, "key \"mtu\" is %d: IPv6 wants %d at least, and this node's pods get addresses of %s", a.config.MTU, lease.MinMTU6, s)
		}
	}
	return nil
}

// addition is one ADD, with what it has done so far.
type addition struct {
	*attachment
	book     *ipam.Book
	existing bool       // the book had a record before: it is not ours to end
	reserved bool       // this ADD wrote one, as far as it knows
	guarded  bool       // elements were added
	attached bool       // the interface was made
	wanted   podnet.Pod // once addresses are known
}

// run does the work. What it has done when it fails is undo's.
func (a *addition) run() (types.Result, error) {
	if err := a.reserve(); err != nil {
		return nil, booked(err)
	}
	host, err := podnet.Open()
	if err != nil {
		return nil, err
	}
	defer host.Close()
	if _, err := host.SetBridge(a.bridge()); err != nil {
		return nil, err
	}
	if err := a.guard(); err != nil {
		return nil, err
	}
	ends, err := host.Attach(a.wanted)
	if err != nil {
		return nil, err
	}
	a.attached = true
	return a.result(ends), nil
}

// reserve gets the addresses.
func (a *addition) reserve() error {
	wanted, err := a.config.Runtime.wanted()
	if err != nil {
		return err
	}
	ranges, err := a.config.Runtime.ranges()
	if err != nil {
		return err
	}
	record, made, err := a.book.Reserve(context.Background(), ipam.Request{
		Key: a.key, Network: a.config.Name, Pod: a.pod, NetNS: a.netns, HostEnd: a.hostEnd(),
		Subnets: a.lease.Subnets, Wanted: wanted, Ranges: ranges,
	})
	a.existing = err == nil && !made
	a.reserved = made || errors.As(err, new(*ipam.WriteError))
	if err != nil {
		return err
	}
	a.wanted = a.interfaceOf(record.Addresses)
	return nil
}

// guard lets the pod use its addresses, and no others. Where the kernel cannot, the pod starts all the same; weft status says so.
func (a *addition) guard() error {
	err := podnet.NewGuard(a.config.Bridge).Add(a.wanted.Member())
	if errors.Is(err, podnet.ErrNoGuard) {
		warn(err)
		return nil
	}
	a.guarded = true
	a.wanted.Guarded = err == nil
	return err
}

// undo takes back what run has done, in the opposite order. What cannot be taken back is said, and is the daemon's and GC's.
func (a *addition) undo() {
	switch {
	case a.attached:
		warn(a.attachment.detach(a.wanted.Addrs))
	case a.guarded && !a.existing:
		guard := podnet.NewGuard(a.config.Bridge)
		defer guard.Close()
		warn(guard.Remove(a.wanted.Member()))
	}
	if a.reserved {
		_, _, err := a.book.Release(context.Background(), a.key)
		warn(err)
	}
}
