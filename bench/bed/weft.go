package bed

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/weftnet/weft/encap"
	"github.com/weftnet/weft/lab"
	"github.com/weftnet/weft/lab/cluster"
	"github.com/weftnet/weft/node/api"
	"github.com/weftnet/weft/tun"
)

const (
	joinWithin  = 15 * time.Second // for two daemons that start at the same time to have a path to each other
	mostWeftMTU = 65455            // 65535 less IPv6 header 40, UDP 8, frame 16, tag 16
)

// weft is two real daemons, set up with the commands that a user would type.
type weft struct {
	driver tun.Driver
	sealed bool
}

// Name is "weft-DRIVER-clear" or "weft-DRIVER-sealed".
func (w weft) Name() string {
	if w.sealed {
		return fmt.Sprintf("weft-%s-sealed", w.driver)
	}
	return fmt.Sprintf("weft-%s-clear", w.driver)
}

// About says what it is.
func (w weft) About() string {
	if w.sealed {
		return fmt.Sprintf("weft with driver %s, encrypted and authenticated", w.driver)
	}
	return fmt.Sprintf("weft with driver %s, bodies in clear", w.driver)
}

// Overhead is what weft adds over IPv4.
func (w weft) Overhead() int { return encap.Overhead(w.sealed, true) }

func (w weft) overlayMTU(underlay int) (own, most int) {
	own = min(underlay-w.Overhead(), mostWeftMTU)
	return own, own
}

// Unavailable is a missing TUN device. What else a driver needs, the daemon says when it starts.
func (w weft) Unavailable(context.Context) error { return lacksTUN() }

// lacksTUN says why no router in user space can run here; nil when it can.
func lacksTUN() error {
	if _, err := os.Stat("/dev/net/tun"); err != nil {
		return fmt.Errorf("no TUN devices here (modprobe tun): %w", err)
	}
	return nil
}

// Up sets both hosts up, starts the daemons, waits until they have a path, and checks that they run as the name says.
func (w weft) Up(ctx context.Context, b *Bed) (Running, error) {
	if err := needBinary(b.Options); err != nil {
		return nil, err
	}
	c := cluster.On(b.Lab, cluster.Options{Binary: b.Options.Binary, Network: []string{network.String()}, Flags: w.flags(b.Options)})
	for _, e := range b.ends() {
		if _, err := c.Adopt(ctx, e.host, "--subnet", e.subnet.String(), "--advertise", e.host.Addr4().String()); err != nil {
			return nil, err
		}
	}
	r := &weftRunning{nodes: [2]*cluster.Node(c.Nodes), subject: w}
	if err := r.start(ctx, c); err != nil {
		return nil, err
	}
	if err := r.Check(ctx); err != nil {
		return nil, err
	}
	return r, r.makePods(ctx, b)
}

// flags are those of 'weft init' and 'weft join' that all hosts share.
func (w weft) flags(o Options) []string {
	flags := []string{"--driver", string(w.driver), "--encryption", onOff(w.sealed)}
	if o.OverlayMTU != 0 {
		flags = append(flags, "--mtu", fmt.Sprint(o.OverlayMTU))
	}
	return flags
}

func onOff(on bool) string {
	if on {
		return "on"
	}
	return "off"
}

// needBinary refuses to go on without weft's executable.
func needBinary(o Options) error {
	if o.Binary == "" {
		return errors.New("weft's executable is not given (Options.Binary)")
	}
	if _, err := os.Stat(o.Binary); err != nil {
		return fmt.Errorf("weft's executable: %w", err)
	}
	return nil
}

// weftRunning is two daemons at work.
type weftRunning struct {
	routers
	nodes   [2]*cluster.Node
	subject weft
	podGSO  int // gso_max_size of the pods' interfaces, bytes; 0: the kernel's default
}

// start starts both daemons and waits until each has a path to the other.
func (r *weftRunning) start(ctx context.Context, c *cluster.Cluster) error {
	for i := range r.nodes {
		if err := r.startOne(i); err != nil {
			return err
		}
	}
	ctx, cancel := context.WithTimeout(ctx, joinWithin)
	defer cancel()
	return c.AwaitAll(ctx)
}

func (r *weftRunning) startOne(i int) error {
	if err := r.nodes[i].Up(); err != nil {
		return err
	}
	r.set(i, r.nodes[i].Daemon())
	return nil
}

// makePods makes a pod on each host with the MTU that weft's device has.
func (r *weftRunning) makePods(ctx context.Context, b *Bed) error {
	var pods [2]*lab.Pod
	for i, n := range r.nodes {
		pod, err := n.AddPod(ctx, podName)
		if err != nil {
			return err
		}
		pods[i] = pod
	}
	s, err := r.nodes[0].Status(ctx)
	if err != nil {
		return err
	}
	b.usePods(pods, s.Node.Device.MTU)
	return r.hint(pods, s.Node.Device.MTU)
}

// hint sets up the pods' interfaces as weft's CNI plugin does, when the driver takes superpackets whole.
func (r *weftRunning) hint(pods [2]*lab.Pod, mtu int) error {
	if r.subject.driver != tun.DriverSuper {
		return nil
	}
	r.podGSO = encap.GSOMaxSize(mtu)
	for _, pod := range pods {
		if err := pod.LimitGSO(r.podGSO); err != nil {
			return err
		}
	}
	return nil
}

// Restart stops host b's daemon and starts it again. It returns when the process is started.
func (r *weftRunning) Restart(ctx context.Context) error {
	return r.restart(ctx, func(context.Context) error { return r.startOne(1) })
}

// Details are what host a's daemon says of itself and of its path to b.
func (r *weftRunning) Details(ctx context.Context) (map[string]string, error) {
	s, err := r.nodes[0].Status(ctx)
	if err != nil {
		return nil, err
	}
	details := map[string]string{
		"version": s.Node.Version, "driver": s.Node.Device.Driver, "encryption": s.Node.Encryption,
		"receive-buffer": fmt.Sprint(s.Node.Socket.ReceiveBuffer), "send-buffer": fmt.Sprint(s.Node.Socket.SendBuffer),
	}
	if r.podGSO != 0 {
		details["pods-gso-max-size"] = fmt.Sprint(r.podGSO)
	}
	for _, f := range append(s.Node.Device.Features, s.Node.Socket.Features...) {
		details[f.Name] = f.State
	}
	for _, p := range s.Peers {
		details["path"], details["endpoint"] = p.Path, p.Endpoint
		if p.Sealed { // the handshake agrees on a cipher in any case
			details["cipher"] = p.Cipher
		}
	}
	return details, nil
}

// Check refuses daemons that run otherwise than the subject's name says: figures would stand under the wrong name.
func (r *weftRunning) Check(ctx context.Context) error {
	for _, n := range r.nodes {
		s, err := n.Status(ctx)
		if err != nil {
			return err
		}
		if err := r.subject.as(s); err != nil {
			return fmt.Errorf("host %s: %w", n.Name(), err)
		}
	}
	return nil
}

// drops are the packets that both daemons have dropped since they started, by their own account.
func (r *weftRunning) drops(ctx context.Context) (sum uint64, err error) {
	for _, n := range r.nodes {
		s, err := n.Status(ctx)
		if err != nil {
			return 0, err
		}
		for _, count := range s.Node.Drops {
			sum += count
		}
	}
	return sum, nil
}

// as checks one daemon's state.
func (w weft) as(s *api.Status) error {
	if s.Node.Device.Driver != string(w.driver) {
		return fmt.Errorf("driver %s came up instead of %s: %s", s.Node.Device.Driver, w.driver, s.Node.Device.Why)
	}
	if len(s.Peers) != 1 {
		return fmt.Errorf("it has %d peers, want 1", len(s.Peers))
	}
	p := s.Peers[0]
	switch {
	case p.Path != "udp":
		return fmt.Errorf("its path to %s is %q, want udp", p.Name, p.Path)
	case p.Sealed != w.sealed:
		return fmt.Errorf("its packets to %s are sealed: %t, want %t", p.Name, p.Sealed, w.sealed)
	case p.MTU < s.Node.Device.MTU:
		return fmt.Errorf("its path to %s (%s) has an MTU of %d, less than the device's %d", p.Name, p.Endpoint, p.MTU, s.Node.Device.MTU)
	}
	return nil
}
