package measure

import (
	"context"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"os/signal"
	"syscall"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"go.uber.org/goleak"

	"github.com/weftnet/weft/lab"
	"github.com/weftnet/weft/lab/labtest"
)

// interrupted ends when somebody stops the tests: the labs that stand then are closed in order, and no more are made.
var interrupted context.Context

func TestMain(m *testing.M) {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	interrupted = ctx
	goleak.VerifyTestMain(m, goleak.IgnoreCurrent())
}

// short are lengths that show that a measure works, and nothing about speed.
var short = Lengths{
	Bulk: time.Second, Trial: 50 * time.Millisecond, Trials: 3,
	Latency: 100 * time.Millisecond, Connect: 100 * time.Millisecond,
}

// testTarget is two pods on two hosts with plain routes between them. It is gone with the test.
func testTarget(t *testing.T, o lab.Options) (Target, *lab.Lab) {
	t.Helper()
	l := labtest.Lab(interrupted, t, o)
	a, b := labtest.Host(t, l, "a"), labtest.Host(t, l, "b")
	from, to := testPod(t, a, "10.90.1.10/24"), testPod(t, b, "10.90.2.10/24")
	testRoute(t, a, "10.90.2.0/24", b.Addr4())
	testRoute(t, b, "10.90.1.0/24", a.Addr4())
	return Target{
		From: from.Namespace, To: to.Namespace, FromAddr: from.Addr4(), ToAddr: to.Addr4(), MTU: l.MTU(),
		Hosts: HostPair{
			From: a.Namespace, To: b.Namespace, FromAddr: netip.MustParseAddr("10.90.1.1"), ToAddr: netip.MustParseAddr("10.90.2.1"),
		},
		Routers: func() []int { return nil },
		Spaces:  []*lab.Namespace{a.Namespace, b.Namespace, from.Namespace, to.Namespace},
	}, l
}

func testPod(t *testing.T, h *lab.Host, addr string) *lab.Pod {
	t.Helper()
	p, err := h.Pod("pod", []netip.Prefix{netip.MustParsePrefix(addr)}, 0)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func testRoute(t *testing.T, h *lab.Host, to string, via netip.Addr) {
	t.Helper()
	_, dst, err := net.ParseCIDR(to)
	if err != nil {
		t.Fatal(err)
	}
	if err := h.Do(func() error { return netlink.RouteAdd(&netlink.Route{Dst: dst, Gw: via.AsSlice()}) }); err != nil {
		t.Fatal(err)
	}
}

// testRouter is a process that counts as the subject's router, and does nothing.
func testRouter(t *testing.T, target *Target) *lab.Process {
	t.Helper()
	p, err := target.Spaces[1].Start("sleep", "1000")
	if err != nil {
		t.Fatal(err)
	}
	target.Routers = func() []int { return []int{p.PID()} }
	return p
}

func needIperf(t *testing.T) {
	t.Helper()
	if _, err := exec.LookPath(iperfProgram); err != nil {
		t.Skip("iperf3 is not installed: run scripts/setup.sh")
	}
}

// soon is a context for what takes a few seconds. It is no measure of speed.
func soon(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(interrupted, time.Minute)
	t.Cleanup(cancel)
	return ctx
}

// testAwait waits until something holds.
func testAwait(t *testing.T, what string, holds func() bool) {
	t.Helper()
	if err := await(soon(t), what, holds); err != nil {
		t.Fatal(err)
	}
}
