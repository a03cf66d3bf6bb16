package between

import (
	"context"
	"encoding/json"
	"net/netip"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/weftnet/weft/lab"
	"github.com/weftnet/weft/lab/cluster"
	"github.com/weftnet/weft/lab/labtest"
)

// pair is two hosts with a daemon each that reach each other.
func pair(t *testing.T) (a, b *cluster.Node) {
	t.Helper()
	if err := lab.Available(); err != nil {
		t.Skip(err)
	}
	c, err := cluster.New(t.Context(), cluster.Options{Binary: labtest.Weft(t), Hosts: 2, Network: []string{"10.90.0.0/16"}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Errorf("close the lab: %v", err)
		}
	})
	if err := c.UpAll(); err != nil {
		t.Fatal(err)
	}
	if err := c.AwaitAll(bounded(t)); err != nil {
		t.Fatal(err)
	}
	return c.Nodes[0], c.Nodes[1]
}

func bounded(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), 2*patience)
	t.Cleanup(cancel)
	return ctx
}

// command is the test binary as bench of two machines.
func command(t *testing.T, args programArgs) lab.Command {
	t.Helper()
	text, err := json.Marshal(args)
	if err != nil {
		t.Fatal(err)
	}
	return lab.Command{Args: []string{os.Args[0]}, Env: []string{asProgram + "=" + string(text)}}
}

// serveOn runs a server in a namespace and waits until it listens.
func serveOn(t *testing.T, n *lab.Namespace, o ServeOptions) *lab.Process {
	t.Helper()
	p, err := n.StartCommand(command(t, programArgs{Serve: &o}))
	if err != nil {
		t.Fatal(err)
	}
	awaitText(t, p, "listening on")
	return p
}

func awaitText(t *testing.T, p *lab.Process, words string) {
	t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for ctx := bounded(t); ; {
		text, err := p.Stderr()
		if err != nil || ctx.Err() != nil {
			t.Fatalf("%q does not come: %s, %v", words, text, err)
		}
		if strings.Contains(text, words) {
			return
		}
		<-tick.C
	}
}

// runOn measures from a namespace.
func runOn(t *testing.T, n *lab.Namespace, o Options) (*Report, error) {
	t.Helper()
	out, err := n.RunCommand(bounded(t), command(t, programArgs{Run: &o}))
	if out == "" {
		return nil, err
	}
	r := new(Report)
	if bad := json.Unmarshal([]byte(out), r); bad != nil {
		t.Fatalf("report %q: %v", out, bad)
	}
	return r, err
}

func TestTwoHostsAreMeasuredThroughOverlayAndUnderlay(t *testing.T) {
	a, b := pair(t)
	server := serveOn(t, b.Namespace, ServeOptions{Socket: b.Socket()})
	for _, host := range []string{b.Name(), b.Addr4().String()} {
		r, err := runOn(t, a.Namespace, Options{Address: host, Socket: a.Socket(), Duration: 100 * time.Millisecond, Rounds: 2})
		if err != nil {
			t.Fatalf("%s: %v", host, err)
		}
		checkBoth(t, r, b)
	}
	if err := server.Signal(syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
	if err := server.Wait(bounded(t)); err != nil {
		t.Errorf("the server after an interruption: %v", err)
	}
	awaitText(t, server, "2 runs served, 0 connections refused")
}

// checkBoth: all that does not depend on the speed of the machine.
func checkBoth(t *testing.T, r *Report, b *cluster.Node) {
	t.Helper()
	if len(r.Paths) != 2 || r.Paths[0].Device != "weft0" || r.Paths[1].Address != b.Addr4() || !r.Complete || r.There.Node != b.Name() {
		t.Fatalf("report of %+v", r)
	}
	for _, path := range []string{Overlay, Underlay} {
		for _, metric := range []string{"tcp1", "tcp4-back", "rr-tcp-p50", "rr-udp-p99"} {
			if row := r.row(path, metric); row == nil || row.Stats == nil || row.Stats.Count != 2 || row.Ratios[Underlay].Count != 2 {
				t.Errorf("%s over %s: %+v", metric, path, row)
			}
		}
	}
	overlay, underlay := r.row(Overlay, "mtu").Stats, r.row(Underlay, "mtu").Stats
	if overlay == nil || underlay == nil || overlay.Median != float64(r.Paths[0].MTU) || underlay.Median != 1500 {
		t.Errorf("path MTU %+v of overlay and %+v of underlay", overlay, underlay)
	}
}

func TestAHostThatIsNoPeerIsRefusedUntilItIsAllowed(t *testing.T) {
	a, b := pair(t)
	pod, err := a.AddPod(bounded(t), "pod")
	if err != nil {
		t.Fatal(err)
	}
	server := serveOn(t, b.Namespace, ServeOptions{Socket: b.Socket()})
	// Without a daemon the host sends from its underlay address, which is no peer's in the overlay.
	o := Options{Address: b.Addr4().String(), Duration: 100 * time.Millisecond, Rounds: 1}
	if r, err := runOn(t, a.Namespace, o); r != nil || err == nil || !strings.Contains(err.Error(), "--allow") {
		t.Errorf("a stranger is measured: %+v, %v", r, err)
	}
	awaitText(t, server, "refused "+a.Addr4().String())
	overlay, err := b.Addresses(bounded(t))
	if err != nil {
		t.Fatal(err)
	}
	// A pod of the peer has an address of the peer's subnet, which is not the peer.
	inPod := Options{Address: overlay[0].String(), Duration: 100 * time.Millisecond, Rounds: 1}
	if r, err := runOn(t, pod.Namespace, inPod); r != nil || err == nil || !strings.Contains(err.Error(), "--allow") {
		t.Errorf("a pod of the peer is measured: %+v, %v", r, err)
	}
	allow := []netip.Prefix{netip.PrefixFrom(a.Addr4(), 32), netip.MustParsePrefix("10.90.0.0/16")}
	allowed := serveOn(t, b.Namespace, ServeOptions{Socket: b.Socket(), Listen: ":9341", Allow: allow})
	inPod.Address += ":9341"
	if r, err := runOn(t, pod.Namespace, inPod); err != nil || r.Paths[0].Name != Direct {
		t.Errorf("a pod that is allowed: %+v, %v", r, err)
	}
	o.Address += ":9341"
	if _, err := runOn(t, a.Namespace, o); err != nil {
		t.Errorf("a host that is allowed: %v", err)
	}
	awaitText(t, allowed, "done after")
}

func TestAnUnderlayThatIsClosedIsListedAndTheOverlayMeasured(t *testing.T) {
	a, b := pair(t)
	serveOn(t, b.Namespace, ServeOptions{Socket: b.Socket()})
	closePorts(t, b)
	r, err := runOn(t, a.Namespace, Options{Address: b.Name(), Socket: a.Socket(), Duration: 100 * time.Millisecond, Rounds: 1})
	if err != nil {
		t.Fatal(err)
	}
	if r.Paths[0].Unavailable != "" || r.row(Overlay, "tcp1").Stats == nil {
		t.Errorf("the overlay is not measured: %+v", r.Paths[0])
	}
	if r.Paths[1].Unavailable == "" || r.row(Underlay, "tcp1").Stats != nil {
		t.Errorf("the underlay is measured: %+v", r.Paths[1])
	}
}

func TestAnMTUThatTheOverlayCannotHaveIsRefusedBeforeTheServerIsCalled(t *testing.T) {
	a, b := pair(t)
	_, err := runOn(t, a.Namespace, Options{Address: b.Name(), Socket: a.Socket(), MTU: 9000})
	if err == nil || !strings.Contains(err.Error(), "MTU 9000 on a link of") {
		t.Errorf("MTU 9000: %v", err)
	}
}

func TestAnInterruptedClientEndsInOrderAndFreesTheServer(t *testing.T) {
	a, b := pair(t)
	server := serveOn(t, b.Namespace, ServeOptions{Socket: b.Socket()})
	p, err := a.StartCommand(command(t, programArgs{Run: &Options{Address: b.Name(), Socket: a.Socket(), Rounds: 10}}))
	if err != nil {
		t.Fatal(err)
	}
	awaitText(t, server, "measures")
	if err := p.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	if err := p.Wait(bounded(t)); err == nil || !strings.Contains(err.Error(), "context canceled") {
		t.Errorf("the client ends with %v", err)
	}
	awaitText(t, server, "done after")
}

// closePorts makes the host's firewall take nothing but weft's own port from the underlay.
func closePorts(t *testing.T, n *cluster.Node) {
	t.Helper()
	if _, err := exec.LookPath("nft"); err != nil {
		t.Skip("nft is not installed")
	}
	rules := `add table inet shut
add chain inet shut in { type filter hook input priority 0; }
add rule inet shut in iifname eth0 meta l4proto { tcp, udp } th dport != 9338 th sport != 9338 drop
`
	if _, err := n.RunCommand(bounded(t), lab.Command{Args: []string{"nft", "-f", "-"}, Stdin: strings.NewReader(rules)}); err != nil {
		t.Skipf("no firewall here: %v", err)
	}
}
