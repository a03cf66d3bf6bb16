package bed

import (
	"fmt"

	"github.com/safchain/ethtool"
	"github.com/vishvananda/netlink"

	"github.com/weftnet/weft/bench/report"
	"github.com/weftnet/weft/lab"
)

// offloads are the features that decide in what units packets move and who computes checksums, under the names of the
// kernel (net/ethtool/common.c, netdev_features_strings).
var offloads = []string{
	"rx-checksum", "rx-gro", "rx-gro-hw", "rx-gro-list", "rx-lro", "rx-udp-gro-forwarding", "rx-udp_tunnel-port-offload",
	"tx-checksum-ip-generic", "tx-checksum-ipv4", "tx-checksum-ipv6", "tx-generic-segmentation", "tx-gso-list",
	"tx-gso-partial", "tx-gso-robust", "tx-scatter-gather", "tx-scatter-gather-fraglist", "tx-tcp-ecn-segmentation",
	"tx-tcp-mangleid-segmentation", "tx-tcp-segmentation", "tx-tcp6-segmentation", "tx-udp-segmentation",
	"tx-udp_tnl-csum-segmentation", "tx-udp_tnl-segmentation",
}

// Devices are all network devices of the bed but the loopbacks, namespace after namespace, with their offloads.
func (b *Bed) Devices() ([]report.Device, error) {
	var all []report.Device
	for _, space := range b.Target.Spaces {
		devices, err := devicesOf(space)
		if err != nil {
			return nil, fmt.Errorf("bed: %s: look at the devices of %s: %w", b.Subject.Name(), space.Name(), err)
		}
		for _, d := range devices {
			d.Subject = b.Subject.Name()
			all = append(all, d)
		}
	}
	return all, nil
}

// devicesOf are the devices of one namespace.
func devicesOf(space *lab.Namespace) ([]report.Device, error) {
	var devices []report.Device
	err := links(space, func(h *netlink.Handle) error {
		tool, err := ethtool.NewEthtool()
		if err != nil {
			return fmt.Errorf("open ethtool: %w", err)
		}
		defer tool.Close()
		found, err := h.LinkList()
		if err != nil {
			return fmt.Errorf("list links: %w", err)
		}
		for _, link := range found {
			if link.Type() == "device" && link.Attrs().Name == "lo" {
				continue
			}
			features, err := tool.Features(link.Attrs().Name)
			if err != nil {
				return fmt.Errorf("read the offloads of %s: %w", link.Attrs().Name, err)
			}
			devices = append(devices, device(space, link, features))
		}
		return nil
	})
	return devices, err
}

// device puts together what is known of one device.
func device(space *lab.Namespace, link netlink.Link, features map[string]bool) report.Device {
	a := link.Attrs()
	d := report.Device{
		Namespace: space.Name(), Name: a.Name, Type: link.Type(), MTU: a.MTU, QueueLen: a.TxQLen,
		GSOMax: int(a.GSOMaxSize), Offloads: map[string]bool{},
	}
	for _, name := range offloads {
		if on, known := features[name]; known {
			d.Offloads[name] = on
		}
	}
	return d
}
