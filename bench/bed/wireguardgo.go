package bed

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"runtime/debug"
	"strings"
	"time"

	"github.com/vishvananda/netlink"

	"github.com/weftnet/weft/bench/wireguard"
	"github.com/weftnet/weft/lab"
)

const (
	wireguardModule = "golang.zx2c4.com/wireguard"
	readyWithin     = 10 * time.Second // for wireguard-go to make its device
)

// wireguardGo is WireGuard in user space: upstream's Go implementation, in a process on each host.
type wireguardGo struct{}

// Name is "wireguard-go".
func (wireguardGo) Name() string { return "wireguard-go" }

// About says what it is.
func (wireguardGo) About() string { return "WireGuard in user space (wireguard-go)" }

// Overhead is what WireGuard adds over IPv4.
func (wireguardGo) Overhead() int { return wgOverhead }

func (wireguardGo) overlayMTU(underlay int) (own, most int) { return wgMTU(underlay) }

// Unavailable is a missing TUN device.
func (wireguardGo) Unavailable(context.Context) error { return lacksTUN() }

// Up starts a process on each host and configures the interfaces that they make.
func (w wireguardGo) Up(ctx context.Context, b *Bed) (Running, error) {
	if err := needBinary(b.Options); err != nil {
		return nil, err
	}
	keys, err := newWGKeys()
	if err != nil {
		return nil, err
	}
	mtu, _ := wgMTU(b.MTU())
	if b.Options.OverlayMTU != 0 {
		mtu = b.Options.OverlayMTU
	}
	r := &wireguardGoRunning{binary: b.Options.Binary, keys: keys, ends: b.ends(), mtu: mtu}
	for i := range r.ends {
		if err := r.start(ctx, i); err != nil {
			return nil, err
		}
	}
	return r, b.makePods(mtu)
}

// wireguardGoRunning is two processes at work.
type wireguardGoRunning struct {
	routers
	binary string
	keys   wgKeys
	ends   [2]end
	mtu    int
}

// start starts the process of one end and configures its interface when it is there.
func (r *wireguardGoRunning) start(ctx context.Context, i int) error {
	e := r.ends[i]
	config, err := json.Marshal(wireguard.Config{Device: wgDevice, MTU: r.mtu, UAPI: r.keys.uapi(i, e)})
	if err != nil {
		return fmt.Errorf("write the configuration of wireguard-go: %w", err)
	}
	p, err := e.host.StartCommand(lab.Command{Args: []string{r.binary, wireguard.Command}, Stdin: bytes.NewReader(config)})
	if err != nil {
		return err
	}
	r.set(i, p)
	if err := awaitReady(ctx, p); err != nil {
		return fmt.Errorf("wireguard-go on host %s: %w", e.host.Name(), err)
	}
	return e.links(func(h *netlink.Handle) error { return e.routeThrough(h, wgDevice) })
}

// awaitReady waits until the process says that its device is up.
func awaitReady(ctx context.Context, p *lab.Process) error {
	ctx, cancel := context.WithTimeoutCause(ctx, readyWithin, fmt.Errorf("its device is not up after %s", readyWithin))
	defer cancel()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for {
		text, err := p.Stdout()
		if err != nil || strings.Contains(text, wireguard.Ready+"\n") {
			return err
		}
		select {
		case <-p.Done():
			return fmt.Errorf("it ended before its device was up: %w", endOf(p))
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-tick.C:
		}
	}
}

// Restart ends host b's process, starts it again and configures its interface, as wg-quick does.
func (r *wireguardGoRunning) Restart(ctx context.Context) error {
	return r.restart(ctx, func(ctx context.Context) error { return r.start(ctx, 1) })
}

// Check is nil: there is no other way in which it could run.
func (r *wireguardGoRunning) Check(context.Context) error { return nil }

// Details are what was linked in and set.
func (r *wireguardGoRunning) Details(context.Context) (map[string]string, error) {
	details := map[string]string{"port": fmt.Sprint(wgPort), "cipher": "ChaCha20-Poly1305", "keepalive": "off"}
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, m := range info.Deps {
			if m.Path == wireguardModule {
				details["version"] = m.Version
			}
		}
	}
	return details, nil
}
