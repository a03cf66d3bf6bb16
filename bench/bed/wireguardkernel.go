package bed

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"strings"

	"github.com/vishvananda/netlink"

	"github.com/weftnet/weft/lab"
)

// wireguardKernel is the kernel's WireGuard, where it has one. It is configured with wg(8).
type wireguardKernel struct{}

// Name is "wireguard".
func (wireguardKernel) Name() string { return "wireguard" }

// About says what it is.
func (wireguardKernel) About() string { return "WireGuard in the kernel" }

// Overhead is what WireGuard adds over IPv4.
func (wireguardKernel) Overhead() int { return wgOverhead }

func (wireguardKernel) overlayMTU(underlay int) (own, most int) { return wgMTU(underlay) }

// Unavailable asks the kernel for such an interface, and looks for wg.
func (wireguardKernel) Unavailable(ctx context.Context) error {
	attrs := netlink.NewLinkAttrs()
	attrs.Name = wgDevice
	if err := lacksLinkType(ctx, &netlink.Wireguard{LinkAttrs: attrs}); err != nil {
		return err
	}
	if _, err := exec.LookPath("wg"); err != nil {
		return errors.New("wg is not installed (package wireguard-tools)")
	}
	return nil
}

// Up makes an interface on each host.
func (wireguardKernel) Up(ctx context.Context, b *Bed) (Running, error) {
	keys, err := newWGKeys()
	if err != nil {
		return nil, err
	}
	mtu, _ := wgMTU(b.MTU())
	if b.Options.OverlayMTU != 0 {
		mtu = b.Options.OverlayMTU
	}
	for i, e := range b.ends() {
		if err := e.addWireguard(ctx, keys.file(i, e), mtu); err != nil {
			return nil, fmt.Errorf("make %s on %s: %w", wgDevice, e.host.Name(), err)
		}
	}
	details := map[string]string{"port": fmt.Sprint(wgPort), "cipher": "ChaCha20-Poly1305", "keepalive": "off"}
	return inKernel{details}, b.makePods(mtu)
}

// addWireguard makes the interface, configures it and routes through it.
func (e end) addWireguard(ctx context.Context, config string, mtu int) error {
	attrs := netlink.NewLinkAttrs()
	attrs.Name, attrs.MTU = wgDevice, mtu
	err := e.links(func(h *netlink.Handle) error { return h.LinkAdd(&netlink.Wireguard{LinkAttrs: attrs}) })
	if err != nil {
		return err
	}
	set := lab.Command{Args: []string{"wg", "setconf", wgDevice, "/dev/stdin"}, Stdin: strings.NewReader(config)}
	if _, err := e.host.RunCommand(ctx, set); err != nil {
		return err
	}
	return e.links(func(h *netlink.Handle) error { return e.routeThrough(h, wgDevice) })
}
