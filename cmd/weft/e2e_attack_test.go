package main

import (
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/weftnet/weft/lab/attack"
	"github.com/weftnet/weft/lab/cluster"
	"github.com/weftnet/weft/node/api"
	"github.com/weftnet/weft/router"
)

// The attacks are made with the tools of lab/attack. docs/attacks.md lists them with their tests.

// siege is a cluster whose first node is attacked. Its nodes reach each other while it lasts.
type siege struct {
	*cluster.Cluster
	victim *cluster.Node
	wire   *attack.Wire // the victim's cable
}

// tally are counts of drops by the names of their reasons.
type tally map[string]uint64

// layTo begins to attack the first node of a cluster that is up.
func layTo(t *testing.T, c *cluster.Cluster) *siege {
	t.Helper()
	wire, err := attack.Tap(c.Lab, c.Nodes[0].Host)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { wire.Close() })
	return &siege{c, c.Nodes[0], wire}
}

// newSiege makes a cluster that is up, and attacks its first node.
func newSiege(t *testing.T, hosts int, flags ...string) *siege {
	t.Helper()
	c := newCluster(t, hosts, flags...)
	startAll(t, c)
	return layTo(t, c)
}

// endpoint is where a node is called over IPv4.
func endpoint(n *cluster.Node) netip.AddrPort { return netip.AddrPortFrom(n.Addr4(), 9338) }

// endpoint6 is where a node is called over IPv6.
func endpoint6(n *cluster.Node) netip.AddrPort { return netip.AddrPortFrom(n.Addr6(), 9338) }

// origins are whom a stranger's datagrams may come from: itself, and the other node, over both families.
func (s *siege) origins() map[string]netip.AddrPort {
	return map[string]netip.AddrPort{
		"of a stranger":            netip.MustParseAddrPort("192.0.2.200:9338"),
		"of a member":              endpoint(s.Nodes[1]),
		"of a stranger, over IPv6": netip.MustParseAddrPort("[fd77:6566:7400::200]:9338"),
		"of a member, over IPv6":   endpoint6(s.Nodes[1]),
	}
}

// to addresses payloads from a source to the victim, in the source's family.
func (s *siege) to(from netip.AddrPort, payloads ...[]byte) []attack.Datagram {
	at := endpoint(s.victim)
	if from.Addr().Is6() {
		at = endpoint6(s.victim)
	}
	list := make([]attack.Datagram, len(payloads))
	for i, p := range payloads {
		list[i] = attack.Datagram{From: from, To: at, Payload: p}
	}
	return list
}

// send sends payloads to the victim.
func (s *siege) send(t *testing.T, from netip.AddrPort, payloads ...[]byte) {
	t.Helper()
	s.flood(t, s.wire.Ethernet(s.to(from, payloads...)...))
}

const (
	floodBatch   = 512              // frames that are sent without a look at the victim's queue
	floodBacklog = 4 << 20          // bytes in the queue with which the next batch has room: the kernel grants 8 MiB
	floodLook    = time.Millisecond // between two looks
)

// flood sends Ethernet frames as fast as the victim's port takes them, so that none is lost on the way.
func (s *siege) flood(t *testing.T, frames [][]byte) {
	t.Helper()
	for len(frames) > 0 {
		n := min(len(frames), floodBatch)
		if err := s.wire.SendEthernet(frames[:n]...); err != nil {
			t.Fatal(err)
		}
		frames = frames[n:]
		s.awaitRoom(t)
	}
}

// awaitRoom waits until the victim's port has room for another batch.
func (s *siege) awaitRoom(t *testing.T) {
	t.Helper()
	look := time.NewTicker(floodLook)
	defer look.Stop()
	for end := time.Now().Add(patience); ; <-look.C {
		waiting, dropped, err := attack.Backlog(s.victim, 9338)
		switch {
		case err != nil:
			t.Fatal(err)
		case dropped > 0:
			t.Fatalf("the victim's port was full: %d datagrams are lost, and counters say nothing", dropped)
		case waiting < floodBacklog:
			return
		case time.Now().After(end):
			t.Fatalf("%d bytes wait at the victim's port", waiting)
		}
	}
}

// dropped is what the victim has dropped, but for what its own kernel sends into the overlay at times.
func (s *siege) dropped(t *testing.T) tally {
	t.Helper()
	d := tally(status(t, s.victim).Node.Drops)
	maps.DeleteFunc(d, func(reason string, _ uint64) bool { return reason == router.Multicast.String() })
	return d
}

// since is what was counted after before.
func (d tally) since(before tally) tally {
	grown := tally{}
	for reason, n := range d {
		if n != before[reason] {
			grown[reason] = n - before[reason]
		}
	}
	return grown
}

func (d tally) total() (n uint64) {
	for _, more := range d {
		n += more
	}
	return n
}

// once are counts for one reason.
func once(r router.Reason, n int) tally { return tally{r.String(): uint64(n)} }

// delivered is how many packets have come out of the victim's device.
func (s *siege) delivered(t *testing.T) uint64 {
	t.Helper()
	n, err := attack.Delivered(s.victim, "weft0")
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// maxLogged is how many lines an attack may make a daemon log.
const maxLogged = 5

// repels checks that an attack brings nothing to the inner side, that each of its frames is dropped under its reason and no other
// frame is, and that the daemon goes on as before.
func (s *siege) repels(t *testing.T, want tally, attack func()) {
	t.Helper()
	pid, log := s.victim.Daemon().PID(), markLog(t, s.victim)
	before, inner := s.dropped(t), s.delivered(t)
	attack()
	await(t, func() (bool, string) {
		got := s.dropped(t).since(before)
		return got.total() >= want.total(), fmt.Sprintf("dropped %v, want %v", got, want)
	})
	if got := s.dropped(t).since(before); !maps.Equal(got, want) {
		t.Errorf("dropped %v, want %v", got, want)
	}
	if n := s.delivered(t) - inner; n != 0 {
		t.Errorf("%d packets were delivered", n)
	}
	if !s.victim.Running() || status(t, s.victim).Node.PID != pid {
		t.Error("the daemon has ended")
	}
	s.checkLog(t, log)
}

// checkLog checks that an attack has not filled the log, and that no line of it is an error.
func (s *siege) checkLog(t *testing.T, log logMark) {
	t.Helper()
	lines := log.lines(t)
	if len(lines) > maxLogged || strings.Contains(strings.Join(lines, "\n"), "level=ERROR") {
		t.Errorf("the daemon logs %d lines:\n%s", len(lines), strings.Join(lines, "\n"))
	}
}

// stands checks that the nodes still reach each other through the overlay, by the sessions that they had.
func (s *siege) stands(t *testing.T, before *api.Status) {
	t.Helper()
	after := status(t, s.victim)
	for _, was := range before.Peers {
		i := slices.IndexFunc(after.Peers, func(p api.Peer) bool { return p.ID == was.ID })
		if i < 0 {
			t.Fatalf("%s is gone", was.Name)
		}
		if p := after.Peers[i]; p.State != api.StateUp || p.Endpoint != was.Endpoint || p.Handshakes != was.Handshakes {
			t.Errorf("%s was %+v, is %+v", p.Name, was, p)
		}
	}
	inner := s.delivered(t)
	awaitPing(t, s.Nodes[1], after.Node.Addresses[0])
	if s.delivered(t) == inner {
		t.Error("an honest packet is not seen at the inner side: the measure is broken")
	}
}
