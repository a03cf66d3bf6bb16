package firewall

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/weftnet/weft/kernel"
	"github.com/weftnet/weft/lab"
	"github.com/weftnet/weft/lab/labtest"
)

// interrupted ends when somebody stops the tests: the lab that stands then is closed in order, and no more are made.
var interrupted context.Context

func TestMain(m *testing.M) {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	interrupted = ctx
	goleak.VerifyTestMain(m, goleak.IgnoreCurrent())
}

// patience is how long a test waits for the kernel, or for a packet, before it gives up.
const patience = 10 * time.Second

// site is a node as the packet filter sees it: vm, with a pod behind its bridge; outside, on the underlay; and peer, which
// stands for the rest of the overlay behind an interface with the name of weft's device.
type site struct {
	t                 *testing.T
	vm, outside, peer *lab.Host
	pod               *lab.Pod
	rules             *Rules
}

var (
	podAddrs  = addrs("10.244.1.10", "fd10:244:0:1::10")
	ownAddrs  = addrs("10.244.1.1", "fd10:244:0:1::1") // of vm
	peerAddrs = addrs("10.244.2.1", "fd10:244:0:2::1")
)

// wanted is the state of vm.
func wanted() State {
	return State{
		Device:  "weft0",
		Network: prefixes("10.244.0.0/16", "fd10:244::/48"),
		Own:     prefixes("10.244.1.0/24", "fd10:244:0:1::/64"),
		Clamp:   ClampOn,
	}
}

func prefixes(texts ...string) []netip.Prefix {
	var list []netip.Prefix
	for _, text := range texts {
		list = append(list, netip.MustParsePrefix(text))
	}
	return list
}

func addrs(texts ...string) []netip.Addr {
	var list []netip.Addr
	for _, text := range texts {
		list = append(list, netip.MustParseAddr(text))
	}
	return list
}

// newLab makes a lab that goes with the test. programs are those that the test calls.
func newLab(t testing.TB, programs ...string) *lab.Lab {
	t.Helper()
	for _, p := range programs {
		if _, err := exec.LookPath(p); err != nil {
			t.Skipf("%s is not installed: run scripts/setup.sh", p)
		}
	}
	return labtest.Lab(interrupted, t, lab.Options{})
}

// newSite makes the three hosts and the pod. Every one of them has a route back, so that what arrives shows the source that
// it carries and not what happens to be routable.
func newSite(t *testing.T, programs ...string) *site {
	t.Helper()
	l := newLab(t, append(programs, "ip", "nft")...)
	s := &site{t: t, vm: labtest.Host(t, l, "vm"), outside: labtest.Host(t, l, "outside"), peer: labtest.Host(t, l, "peer"), rules: NewRules(nil)}
	var err error
	if s.pod, err = s.vm.Pod("pod", prefixesOf(podAddrs, 24, 64), 0); err != nil {
		t.Fatal(err)
	}
	s.run(s.vm, "ip link add weft0 type veth peer name weft0 netns "+s.peer.FullName())
	for _, h := range []*lab.Host{s.vm, s.peer} {
		// Like a TUN device it asks for no neighbours: with one address at both ends, all frames are for the other.
		s.run(h, "ip link set weft0 address 02:00:00:00:00:01 arp off addrgenmode none up")
	}
	for i, way := range []string{"-4", "-6"} {
		s.run(s.vm, fmt.Sprintf("ip addr add %s/%d dev weft0 nodad", ownAddrs[i], ownAddrs[i].BitLen()))
		s.run(s.peer, fmt.Sprintf("ip addr add %s/%d dev weft0 nodad", peerAddrs[i], peerAddrs[i].BitLen()))
		s.run(s.vm, fmt.Sprintf("ip %s route add %s dev weft0", way, peerAddrs[i]))
		s.run(s.peer, fmt.Sprintf("ip %s route add %s dev weft0", way, wanted().Own[i]))
		s.run(s.peer, fmt.Sprintf("ip %s route add %s dev weft0", way, s.outside.Addrs()[i])) // and not by the underlay
		s.run(s.outside, fmt.Sprintf("ip %s route add %s via %s", way, wanted().Network[i], s.vm.Addrs()[i]))
	}
	return s
}

func prefixesOf(list []netip.Addr, bits ...int) []netip.Prefix {
	var out []netip.Prefix
	for i, a := range list {
		out = append(out, netip.PrefixFrom(a, bits[i]))
	}
	return out
}

// runner is a namespace of the lab.
type runner interface {
	Run(ctx context.Context, args ...string) (string, error)
	Name() string
	Do(func() error) error
}

func (s *site) run(in runner, command string) string {
	s.t.Helper()
	return run(s.t, in, command)
}

// run runs a command, or several lines of them in a shell.
func run(t *testing.T, in runner, command string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	out, err := in.Run(ctx, "sh", "-ec", command)
	if err != nil {
		t.Fatalf("%s: %s: %v", in.Name(), command, err)
	}
	return out
}

// do runs fn in the namespace of vm.
func (s *site) do(fn func() error) {
	s.t.Helper()
	if err := s.vm.Do(fn); err != nil {
		s.t.Fatal(err)
	}
}

// set brings the packet filter of vm to want.
func (s *site) set(want State) (changes kernel.Changes) {
	s.t.Helper()
	s.do(func() (err error) {
		changes, err = s.rules.Set(want)
		return err
	})
	return changes
}

// settled fails the test unless Set has nothing left to do.
func (s *site) settled(want State) {
	s.t.Helper()
	if changes := s.set(want); changes.Any() {
		s.t.Fatalf("a second Set changed: %v", changes)
	}
}

// ruleset is what nft(8) shows of vm, without what counters count.
func (s *site) ruleset() string {
	s.t.Helper()
	return s.run(s.vm, "nft -s list ruleset")
}

// sees is the source address that to sees of a connection from from to addr.
func (s *site) sees(to, from runner, addr netip.Addr) netip.Addr {
	s.t.Helper()
	source, err := connect(s.t.Context(), to, from, addr, patience)
	if err != nil {
		s.t.Fatalf("from %s to %s: %v", from.Name(), addr, err)
	}
	return source
}

// reaches reports whether a connection comes about, which takes a millisecond or so.
func (s *site) reaches(to, from runner, addr netip.Addr) bool {
	s.t.Helper()
	_, err := connect(s.t.Context(), to, from, addr, 400*time.Millisecond)
	return err == nil
}

func connect(ctx context.Context, to, from runner, addr netip.Addr, timeout time.Duration) (source netip.Addr, err error) {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	var listener net.Listener
	if err := to.Do(func() (err error) {
		listener, err = new(net.ListenConfig).Listen(ctx, "tcp", netip.AddrPortFrom(addr, 0).String())
		return err
	}); err != nil {
		return source, err
	}
	defer listener.Close()
	if err := from.Do(func() error {
		conn, err := new(net.Dialer).DialContext(ctx, "tcp", listener.Addr().String())
		if err == nil {
			defer conn.Close()
		}
		return err
	}); err != nil {
		return source, err
	}
	conn, err := listener.Accept()
	if err != nil {
		return source, err
	}
	defer conn.Close()
	at, err := netip.ParseAddrPort(conn.RemoteAddr().String())
	return at.Addr().Unmap(), err
}

// lines are the lines of a text without blanks around them.
func lines(text string) []string {
	var list []string
	for line := range strings.Lines(text) {
		if line = strings.TrimSpace(line); line != "" {
			list = append(list, line)
		}
	}
	return list
}
