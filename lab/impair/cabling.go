package impair

import (
	"errors"
	"fmt"
	"time"

	"github.com/safchain/ethtool"
	"github.com/vishvananda/netlink"

	"github.com/weftnet/weft/lab"
)

// offloads are what would let an interface send superpackets or incomplete checksums, under the names of the kernel
// (net/ethtool/common.c, netdev_features_strings).
var offloads = []string{
	"tx-checksum-ip-generic", "tx-generic-segmentation", "tx-gso-list", "tx-gso-partial", "tx-scatter-gather",
	"tx-scatter-gather-fraglist", "tx-tcp-ecn-segmentation", "tx-tcp-mangleid-segmentation", "tx-tcp-segmentation",
	"tx-tcp6-segmentation", "tx-udp-segmentation",
}

// cabling is what the relay of one host's port is made of, all of it in the switch's namespace. Its methods run there.
type cabling struct {
	port   string // of the host
	bridge string // that the port is moved to
	ends   [2]end // at the underlay's bridge, and at the port's
	mtu    int
}

// end is one pair of veth.
type end struct {
	plug  string // a port of a bridge, without offloads
	relay string // where the relay reads and writes
}

// cablingOf names the parts after the port, of which the switch has one of each name.
func cablingOf(port string, mtu int) cabling {
	return cabling{
		port: port, bridge: "b-" + port, mtu: mtu,
		ends: [2]end{{"near-" + port, "r-near-" + port}, {"far-" + port, "r-far-" + port}},
	}
}

// lay makes the parts and moves the port. After an error nothing has changed.
func (c cabling) lay() error {
	port, err := netlink.LinkByName(c.port)
	if err != nil {
		return fmt.Errorf("find %s: %w", c.port, err)
	}
	underlay, err := netlink.LinkByName(lab.UnderlayBridge)
	if err != nil {
		return fmt.Errorf("find %s: %w", lab.UnderlayBridge, err)
	}
	if port.Attrs().MasterIndex != underlay.Attrs().Index {
		return fmt.Errorf("%s is not on the bridge of the switch: the host is behind another relay", c.port)
	}
	if err := c.insert(port, underlay); err != nil {
		return errors.Join(err, c.take())
	}
	return nil
}

// insert puts the parts between a port and its bridge.
func (c cabling) insert(port, underlay netlink.Link) error {
	own, err := c.addBridge()
	if err != nil {
		return err
	}
	for i, bridge := range []netlink.Link{underlay, own} {
		if err := c.addEnd(c.ends[i], bridge); err != nil {
			return err
		}
	}
	if err := move(port, own); err != nil {
		return err
	}
	return c.awaitUp()
}

// settling is how long the kernel may take to carry frames over links that were set up.
const settling = 10 * time.Second

// awaitUp waits until all parts carry frames: the kernel notices the carrier of a link by and by (linkwatch), and drops what is
// sent before (noop_qdisc).
func (c cabling) awaitUp() error {
	names := []string{c.port, c.bridge, c.ends[0].plug, c.ends[0].relay, c.ends[1].plug, c.ends[1].relay}
	for end := time.Now().Add(settling); len(names) > 0; {
		link, err := netlink.LinkByName(names[0])
		switch {
		case err != nil:
			return fmt.Errorf("find %s: %w", names[0], err)
		case link.Attrs().OperState == netlink.OperUp:
			names = names[1:]
		case time.Now().After(end):
			return fmt.Errorf("%s is %v %v after it was set up", names[0], link.Attrs().OperState, settling)
		default:
			time.Sleep(time.Millisecond) // nothing else in the switch changes, and the change is a matter of milliseconds
		}
	}
	return nil
}

func (c cabling) addBridge() (netlink.Link, error) {
	snooping := false
	attrs := netlink.NewLinkAttrs()
	attrs.Name, attrs.MTU = c.bridge, c.mtu
	if err := netlink.LinkAdd(&netlink.Bridge{LinkAttrs: attrs, MulticastSnooping: &snooping}); err != nil {
		return nil, fmt.Errorf("make bridge %s: %w", c.bridge, err)
	}
	return up(c.bridge)
}

// addEnd makes a pair of veth and plugs it in. What is sent to the relay has no offloads.
func (c cabling) addEnd(e end, bridge netlink.Link) error {
	attrs := netlink.NewLinkAttrs()
	attrs.Name, attrs.MTU, attrs.MasterIndex = e.plug, c.mtu, bridge.Attrs().Index
	veth := netlink.NewVeth(attrs)
	veth.PeerName, veth.PeerMTU = e.relay, uint32(c.mtu)
	if err := netlink.LinkAdd(veth); err != nil {
		return fmt.Errorf("make veth %s: %w", e.plug, err)
	}
	if err := withoutOffloads(e.plug); err != nil {
		return err
	}
	for _, name := range []string{e.plug, e.relay} {
		if _, err := up(name); err != nil {
			return err
		}
	}
	return nil
}

func withoutOffloads(name string) error {
	tool, err := ethtool.NewEthtool()
	if err != nil {
		return fmt.Errorf("open ethtool: %w", err)
	}
	defer tool.Close()
	known, err := tool.Features(name)
	if err != nil {
		return fmt.Errorf("read the offloads of %s: %w", name, err)
	}
	off := map[string]bool{}
	for _, feature := range offloads {
		if _, has := known[feature]; has {
			off[feature] = false
		}
	}
	if err := tool.Change(name, off); err != nil {
		return fmt.Errorf("set the offloads of %s off: %w", name, err)
	}
	return nil
}

// take moves the port back and removes the parts. Parts that are not there are passed over.
func (c cabling) take() error {
	underlay, err := netlink.LinkByName(lab.UnderlayBridge)
	if err != nil {
		return fmt.Errorf("find %s: %w", lab.UnderlayBridge, err)
	}
	if port, e := netlink.LinkByName(c.port); e == nil {
		err = move(port, underlay)
	}
	for _, name := range []string{c.ends[0].plug, c.ends[1].plug, c.bridge} { // the other ends go with the plugs
		err = errors.Join(err, remove(name))
	}
	return err
}

func move(port, bridge netlink.Link) error {
	if err := netlink.LinkSetMaster(port, bridge); err != nil {
		return fmt.Errorf("move %s to %s: %w", port.Attrs().Name, bridge.Attrs().Name, err)
	}
	return nil
}

func remove(name string) error {
	link, err := netlink.LinkByName(name)
	if errors.As(err, new(netlink.LinkNotFoundError)) {
		return nil
	}
	if err == nil {
		err = netlink.LinkDel(link)
	}
	if err != nil {
		return fmt.Errorf("remove %s: %w", name, err)
	}
	return nil
}

func up(name string) (netlink.Link, error) {
	link, err := netlink.LinkByName(name)
	if err != nil {
		return nil, fmt.Errorf("find %s: %w", name, err)
	}
	if err := netlink.LinkSetUp(link); err != nil {
		return nil, fmt.Errorf("set %s up: %w", name, err)
	}
	return link, nil
}
