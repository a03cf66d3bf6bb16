package cnishim

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"

	"github.com/containernetworking/cni/pkg/skel"
	"github.com/containernetworking/cni/pkg/types"
	types100 "github.com/containernetworking/cni/pkg/types/100"
	"github.com/containernetworking/cni/pkg/version"

	"github.com/weftnet/weft/cni-shim/ipam"
	"github.com/weftnet/weft/cni-shim/podnet"
)

// check finds what is not as ADD made it: in the book, in the pod, at the host and in the guard.
func check(args *skel.CmdArgs) error {
	c, err := parse(args.StdinData)
	if err != nil {
		return err
	}
	a := newAttachment(c, args)
	a.lease = anyLease(c)
	previous, err := c.previous()
	if err != nil {
		return err
	}
	run := &checking{attachment: a, previous: previous}
	if err := run.run(); err != nil {
		return placed(err, a.netns, a.key.IfName)
	}
	if len(run.faults) > 0 {
		return coded(&podnet.BrokenError{Faults: run.faults})
	}
	return nil
}

// previous is the result of ADD, which CHECK is given.
func (c *config) previous() (*types100.Result, error) {
	if c.PrevResult == nil {
		return nil, fail(codeConfig, "key \"prevResult\" is missing: CHECK compares with the result of ADD")
	}
	conf := &types.PluginConf{CNIVersion: c.CNIVersion, RawPrevResult: c.PrevResult}
	if err := version.ParsePrevResult(conf); err != nil {
		return nil, fail(codeDecode, "key \"prevResult\": %v", err)
	}
	r, err := types100.GetResult(conf.PrevResult)
	if err != nil {
		return nil, fail(codeDecode, "key \"prevResult\": %v", err)
	}
	return r, nil
}

// checking is one CHECK.
type checking struct {
	*attachment
	previous *types100.Result
	faults   []string
}

func (c *checking) run() error {
	record, err := c.record()
	if err != nil {
		return booked(err)
	}
	wanted, bridge, err := c.expected(record)
	if err != nil {
		return err
	}
	host, err := podnet.Open()
	if err != nil {
		return err
	}
	defer host.Close()
	if err := c.note(host.Check(bridge, wanted)); err != nil {
		return err
	}
	return c.note(podnet.NewGuard(c.config.Bridge).Check(wanted.Member()))
}

// note keeps what is broken, and returns any other error.
func (c *checking) note(err error) error {
	if broken := (*podnet.BrokenError)(nil); errors.As(err, &broken) {
		c.faults = append(c.faults, broken.Faults...)
		return nil
	}
	return err
}

// record looks into the book.
func (c *checking) record() (ipam.Record, error) {
	book, err := openBook(c.config, c.lease)
	if err != nil {
		return ipam.Record{}, err
	}
	record, found, err := book.Lookup(c.key)
	if err != nil {
		return ipam.Record{}, err
	}
	if !found {
		c.faults = append(c.faults, fmt.Sprintf("address book %s has no record of %s", book.Path(), c.key))
	}
	return record, nil
}

// expected is what ADD made: its result says addresses and gateways, which outlive a change of the node's subnets.
func (c *checking) expected(record ipam.Record) (podnet.Pod, podnet.Bridge, error) {
	var addrs, gateways []netip.Addr
	for _, ip := range c.previous.IPs {
		addr, okAddr := netip.AddrFromSlice(ip.Address.IP)
		gateway, okGateway := netip.AddrFromSlice(ip.Gateway)
		if !okAddr || !okGateway || ip.Interface != nil && !c.isPod(*ip.Interface) {
			continue
		}
		addrs, gateways = append(addrs, addr.Unmap()), append(gateways, gateway.Unmap())
	}
	if len(addrs) == 0 {
		return podnet.Pod{}, podnet.Bridge{}, fail(codeConfig, "key \"prevResult\" has no address of %s: it is not the result of weft-cni", c.key.IfName)
	}
	if record.Addresses != nil && !slices.Equal(sortedAddrs(record.Addresses), sortedAddrs(addrs)) {
		c.faults = append(c.faults, fmt.Sprintf("the address book gives %s the addresses %v, and the result of ADD %v", c.key, record.Addresses, addrs))
	}
	pod := c.interfaceOf(addrs)
	pod.Gateways = gateways
	pod.MTU, pod.GSOMaxSize = c.madeWith(), c.config.GSOMaxSize // those of the lease may be others by now
	bridge := podnet.Bridge{Name: c.config.Bridge}
	for _, g := range gateways {
		bridge.Gateways = append(bridge.Gateways, netip.PrefixFrom(g, g.BitLen()))
	}
	return pod, bridge, nil
}

// isPod reports whether an interface of the result is the one inside the pod.
func (c *checking) isPod(index int) bool {
	return index >= 0 && index < len(c.previous.Interfaces) && c.previous.Interfaces[index].Sandbox != ""
}

// madeWith is the MTU that the result tells (from version 1.1 on), or 0.
func (c *checking) madeWith() int {
	for _, i := range c.previous.Interfaces {
		if i.Sandbox != "" && i.Name == c.key.IfName {
			return i.Mtu
		}
	}
	return 0
}

func sortedAddrs(list []netip.Addr) []netip.Addr {
	return slices.SortedFunc(slices.Values(list), netip.Addr.Compare)
}
