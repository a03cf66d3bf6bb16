package main

import (
	"os"
	"slices"
	"testing"
	"time"

	"github.com/weftnet/weft/lab/cluster"
	"github.com/weftnet/weft/lab/labtest"
	"github.com/weftnet/weft/node/api"
)

// outages are how long nothing arrived, once for each time that something was done.
type outages []time.Duration

func (o outages) log(t *testing.T, what string) {
	t.Helper()
	slices.Sort(o)
	t.Logf("%s, %d times: nothing arrived for %v (median), at most %v; all: %v", what, len(o), o[len(o)/2], o[len(o)-1], o)
}

// ends are two nodes with a stream from one to the other, and relays between them.
type ends struct {
	t      *testing.T
	c      *cluster.Cluster
	a, b   *cluster.Node
	stream *labtest.Paced
}

func newEnds(t *testing.T, relays int) *ends {
	t.Helper()
	c := newCluster(t, 2+relays)
	startAll(t, c)
	x := &ends{t: t, c: c, a: c.Nodes[0], b: c.Nodes[1]}
	for n, peer := range map[*cluster.Node]string{x.a: "vm-2", x.b: "vm-1"} {
		awaitPath(t, n, peer, "straight, and a relay stands ready", func(p *api.Peer) bool { return p.Path == api.PathUDP && len(p.Standby) > 0 })
	}
	all := pods(t, c)
	x.stream = streamPaced(t, all[0], all[1])
	return x
}

// awaitBoth waits until both ends reach each other in that way.
func (x *ends) awaitBoth(what string, is func(*api.Peer) bool) (p api.Peer) {
	x.t.Helper()
	p = awaitPath(x.t, x.a, "vm-2", what, is)
	awaitPath(x.t, x.b, "vm-1", what, is)
	return p
}

// gap does something, and returns how long nothing arrived.
func (x *ends) gap(do func() error, then func()) time.Duration {
	x.t.Helper()
	return gapDuring(x.t, x.stream, 5*time.Second, func() {
		if err := do(); err != nil {
			x.t.Fatal(err)
		}
		then()
	})
}

func (x *ends) cut() error  { return x.c.Cut(x.a.Host, x.b.Host) }
func (x *ends) heal() error { return x.c.Heal(x.a.Host, x.b.Host) }

func relayedWithSpare(p *api.Peer) bool { return p.Path == api.PathRelay && len(p.Standby) > 0 }

// killRelays kills the relay in use, one after the other, until but one is left.
func (x *ends) killRelays(times int) (list outages) {
	x.t.Helper()
	for range times {
		p := x.awaitBoth("through a relay, and another stands ready", relayedWithSpare)
		i := slices.IndexFunc(x.c.Nodes, func(n *cluster.Node) bool { return n.Name() == p.Relays[0] })
		kill := func() error { return x.c.Nodes[i].Kill(within(x.t, patience)) }
		list = append(list, x.gap(kill, func() {
			x.awaitBoth("through another relay", func(q *api.Peer) bool { return q.Path == api.PathRelay && !slices.Contains(q.Relays, p.Relays[0]) })
		}))
	}
	x.t.Logf("relays killed: nothing arrived for %v", list)
	return list
}

func needSoak(t *testing.T) {
	t.Helper()
	if os.Getenv("WEFT_SOAK") == "" {
		t.Skip("takes minutes; 'make soak' runs it")
	}
}

func TestSoakTheRelayInUseIsKilledTwentyTimes(t *testing.T) {
	needSoak(t)
	var cuts, kills, heals outages
	var straight []time.Duration
	for range 4 {
		t.Run("cluster", func(t *testing.T) {
			x := newEnds(t, 6)
			cuts = append(cuts, x.gap(x.cut, func() { x.awaitBoth("through a relay", relayedWithSpare) }))
			kills = append(kills, x.killRelays(5)...)
			began := time.Now()
			heals = append(heals, x.gap(x.heal, func() {
				x.awaitBoth("straight", func(p *api.Peer) bool { return p.Path == api.PathUDP })
			}))
			straight = append(straight, time.Since(began))
		})
	}
	if t.Failed() {
		return
	}
	cuts.log(t, "direct path cut")
	kills.log(t, "relay killed")
	heals.log(t, "direct path restored")
	t.Logf("straight again after %v", straight)
	if m := kills[len(kills)/2]; m > 1500*time.Millisecond {
		t.Errorf("the median outage after a relay was killed is %v", m)
	}
}

func TestSoakTheDirectPathIsCutTenTimesInAMinute(t *testing.T) {
	needSoak(t)
	for _, up := range []time.Duration{time.Second, 3 * time.Second} {
		t.Run(up.String(), func(t *testing.T) { cutTenTimes(t, up) })
	}
}

// cutTenTimes cuts the direct path every 6 s for a minute; before the next cut it is up for a while.
func cutTenTimes(t *testing.T, up time.Duration) {
	x := newEnds(t, 2)
	before, mark, began := movesOf(t, x.a), x.stream.Mark(), time.Now()
	for i := range time.Duration(10) {
		for _, step := range []struct {
			do   func() error
			then time.Duration
		}{{x.cut, 6*time.Second - up}, {x.heal, 6 * time.Second}} {
			if err := step.do(); err != nil {
				t.Fatal(err)
			}
			<-time.After(time.Until(began.Add(i*6*time.Second + step.then)))
		}
	}
	end := x.stream.Mark()
	x.stream.Await(t, end, patience)
	gap, lost := x.stream.Between(mark-1, end)
	moves := movesOf(t, x.a) - before
	t.Logf("10 cuts in 60 s, up for %v each: %d moves, %d of %d datagrams lost, at most %v without", up, moves, lost, end-mark, gap)
	if moves > 4 || lost > int(10*time.Second/labtest.Pace) {
		t.Errorf("%d moves, %d datagrams lost", moves, lost)
	}
}

// movesOf counts the moves of all paths of a node.
func movesOf(t *testing.T, n *cluster.Node) uint64 {
	t.Helper()
	s, err := n.Status(within(t, patience))
	if err != nil {
		t.Fatal(err)
	}
	return s.Node.Paths.ToRelay + s.Node.Paths.ToDirect
}
