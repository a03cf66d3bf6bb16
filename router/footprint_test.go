package router

import (
	"fmt"
	"runtime"
	"testing"
	"time"

	"github.com/weftnet/weft/encap"
	"github.com/weftnet/weft/trust"
)

// idleSession is what a peer with a session may take of the heap while nothing is sent.
const idleSession = 32 << 10

// peersOf gives a node by hand that many peers with sessions, of which only the node's side is kept. Each has had rekeys
// handshakes more, whose keys are within their grace time.
func peersOf(t *testing.T, s *side, count, rekeys int) {
	t.Helper()
	table := s.table()
	locals := make([]*encap.Local, count)
	for i := range locals {
		identity, err := trust.NewIdentity([]byte(fmt.Sprintf("%032d", i)))
		check(t, err)
		locals[i] = &encap.Local{Identity: identity, Ring: s.local.Ring, Name: "peer", Settings: s.local.Settings}
		table.Peers = append(table.Peers, PeerConfig{Keys: identity.Public(), Name: "peer", Endpoints: s.config.Endpoints})
	}
	s.router.setTable(table)
	for _, l := range locals {
		far := encap.NewSession(encap.SessionConfig{Local: l, Peer: s.local.Identity.Public(), Indexes: noIndexes{}, Stamp: encap.Stamps(1)})
		for range 1 + rekeys {
			settle(t, s, s.router.peers[l.Identity.Fingerprint()], far, l)
		}
	}
}

// settle makes a session that the far end has called for, and probes it both ways.
func settle(t *testing.T, s *side, p *peer, far *encap.Session, l *encap.Local) {
	t.Helper()
	now := time.Now()
	initiation, err := far.Initiate(now)
	check(t, err)
	m, err := s.local.ReadInitiation(initiation)
	check(t, err)
	response, err := p.session.Accept(m, now)
	check(t, err)
	if err := far.Complete(response, now); err != nil {
		t.Fatal(err)
	}
	frame, err := far.Current().SealControl(nil, encap.Probe, encap.ProbeBody{ID: 1}.Append(nil))
	check(t, err)
	s.router.handleControl(message{frame: frame, from: s.endpoint(), binding: s.router.indexes.lookup(far.Current().RemoteIndex)})
}

// sessionSize is the heap that each of count peers with a session takes.
func sessionSize(t *testing.T, lanes, count, rekeys int) uint64 {
	s := hand(t, 1, byHand{lanes: lanes})
	heap := func() uint64 {
		var m runtime.MemStats
		runtime.GC()
		runtime.GC()
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	before := heap()
	peersOf(t, s, count, rekeys)
	size := (heap() - before) / uint64(count)
	runtime.KeepAlive(s)
	return size
}

func TestAPeerWithAnIdleSessionTakesLessThan32KiB(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector takes memory of its own")
	}
	for _, lanes := range []int{1, 8, encap.MaxLanes} {
		for _, rekeys := range []int{0, 2} { // and as many old keys as are kept
			if size := sessionSize(t, lanes, 100, rekeys); size > idleSession {
				t.Errorf("%d lanes, %d rekeys: %d bytes", lanes, rekeys, size)
			} else {
				t.Logf("%d lanes, %d rekeys: %d bytes", lanes, rekeys, size)
			}
		}
	}
}
