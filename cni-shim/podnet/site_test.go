package podnet

import (
	"context"
	"fmt"
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

// site is a node with namespaces that become pods. A namespace has an interface of the lab's besides, which no test uses.
type site struct {
	t    *testing.T
	vm   *lab.Host
	pods []*lab.Host
}

var gateways = prefixes("10.244.1.1/24", "fd10:244:0:1::1/64")

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

// wantedBridge is that of the site.
func wantedBridge() Bridge { return Bridge{Name: "weftbr0", MTU: 1440, Gateways: gateways} }

// newSite makes a node, without a bridge yet, and n namespaces for pods.
func newSite(t *testing.T, n int, programs ...string) *site {
	t.Helper()
	for _, p := range append(programs, "ip", "nft") {
		if _, err := exec.LookPath(p); err != nil {
			t.Skipf("%s is not installed: run scripts/setup.sh", p)
		}
	}
	l := labtest.Lab(interrupted, t, lab.Options{})
	s := &site{t: t, vm: labtest.Host(t, l, "vm")}
	for i := range n {
		s.pods = append(s.pods, labtest.Host(t, l, fmt.Sprintf("pod%d", i)))
	}
	return s
}

// pod is the i-th pod as it is wanted: 10.244.1.10 is the first one's address.
func (s *site) pod(i int) Pod {
	return Pod{
		NetNS: "/run/netns/" + s.pods[i].FullName(), IfName: "pod", Bridge: "weftbr0", HostEnd: HostEnd(fmt.Sprint("container-", i), "pod"),
		Addrs:    addrs(fmt.Sprintf("10.244.1.%d", 10+i), fmt.Sprintf("fd10:244:0:1::%d", 10+i)),
		Gateways: []netip.Addr{gateways[0].Addr(), gateways[1].Addr()}, MTU: 1440, Guarded: true, Hairpin: true,
	}
}

// do runs fn in the namespace of the node, which h is open in.
func (s *site) do(fn func(h *Host) error) {
	s.t.Helper()
	if err := s.try(fn); err != nil {
		s.t.Fatal(err)
	}
}

func (s *site) try(fn func(h *Host) error) error {
	return s.vm.Do(func() error {
		h, err := Open()
		if err != nil {
			return err
		}
		defer h.Close()
		return fn(h)
	})
}

// attach makes the bridge and the first n pods, guarded.
func (s *site) attach(n int) {
	s.t.Helper()
	s.do(func(h *Host) error {
		if _, err := h.SetBridge(wantedBridge()); err != nil {
			return err
		}
		for i := range n {
			if err := NewGuard("weftbr0").Add(s.pod(i).Member()); err != nil {
				return err
			}
			if _, err := h.Attach(s.pod(i)); err != nil {
				return err
			}
		}
		return nil
	})
}

// setBridge brings the bridge to want.
func (s *site) setBridge(want Bridge) (changes kernel.Changes) {
	s.t.Helper()
	s.do(func(h *Host) (err error) {
		changes, err = h.SetBridge(want)
		return err
	})
	return changes
}

// members are those of the first n pods.
func (s *site) members(n int) func() ([]Member, error) {
	return func() ([]Member, error) {
		var list []Member
		for i := range n {
			list = append(list, s.pod(i).Member())
		}
		return list, nil
	}
}

// setGuard brings the guard to the first n pods.
func (s *site) setGuard(g *Guard, n int) (changes kernel.Changes) {
	s.t.Helper()
	s.do(func(*Host) (err error) {
		changes, err = g.Set(s.members(n))
		return err
	})
	return changes
}

func (s *site) damaged(g *Guard) (damaged bool) {
	s.t.Helper()
	s.do(func(*Host) (err error) {
		damaged, err = g.Damaged()
		return err
	})
	return damaged
}

// run runs a shell's lines in a namespace and returns what they wrote.
func (s *site) run(in *lab.Host, lines string) string {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.t.Context(), patience)
	defer cancel()
	out, err := in.Run(ctx, "sh", "-ec", lines)
	if err != nil {
		s.t.Fatalf("%s: %s: %v", in.Name(), lines, err)
	}
	return out
}

// guardText is what nft(8) shows of the guard, without what counters count.
func (s *site) guardText() string {
	s.t.Helper()
	return s.run(s.vm, "nft -s list ruleset")
}

// pings reports whether one echo is answered within a second.
func (s *site) pings(from *lab.Host, to string, options ...string) bool {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.t.Context(), patience)
	defer cancel()
	_, err := from.Run(ctx, "sh", "-c", "ping -c1 -W1 "+strings.Join(options, " ")+" "+to)
	return err == nil
}
