package router

import (
	"encoding/binary"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"testing"
	"testing/synctest"
	"time"

	"github.com/weftnet/weft/encap"
	"github.com/weftnet/weft/trust"
	"github.com/weftnet/weft/tun"
)

// scheduled is a node by hand with many peers, in virtual time, and one turn of its control goroutine after the other.
type scheduled struct {
	*side
	t     *testing.T
	peers []*side
	rand  *rand.Rand
	stale map[*peer]time.Time // until when it may be looked at late, since lanes have noted something of it
}

// Whatever happens to a peer, no time at which it is due is missed. To step all of them after every frame would find the same to do.
func TestNoPeerIsSteppedLaterThanItIsDue(t *testing.T) {
	for seed := range uint64(20) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := &scheduled{side: hand(t, 1, byHand{}), t: t, rand: rand.New(rand.NewPCG(seed, 1)), stale: map[*peer]time.Time{}}
				for i := range 12 {
					s.peers = append(s.peers, hand(t, i+2, byHand{}))
				}
				introduceTo(t, s.side, s.peers)
				for range 400 {
					s.turn()
				}
			})
		})
	}
}

// introduceTo lets one node know others, half of which it has a path to.
func introduceTo(t *testing.T, s *side, others []*side) {
	s.router.setTable(s.table(others...))
	for i, p := range others {
		p.router.setTable(p.table(s))
		if i%2 == 0 {
			shake(t, p, s)
		}
	}
}

// turn lets something happen, or time go by until something is due, and checks the schedule after the step.
func (s *scheduled) turn() {
	if r := s.router; s.rand.IntN(3) == 0 {
		s.happen(s.peers[s.rand.IntN(len(s.peers))])
	} else {
		time.Sleep(min(r.step(), time.Duration(s.rand.IntN(1500))*time.Millisecond))
	}
	s.work()
	now := s.router.now()
	s.router.step()
	for _, p := range s.router.peers {
		if !p.slot.due.After(now) {
			s.t.Fatalf("%s was due at %v and is not stepped at %v", p.config.Name, p.slot.due, now)
		}
		if now.Before(s.stale[p]) {
			continue
		}
		want := now.Add(max(min(longestSleep, s.router.duePath(p, now)), time.Millisecond))
		if due := p.session.Due(); !due.IsZero() && due.Before(want) {
			want = due
		}
		if p.suspended {
			want = earlier(want, s.router.at(p.backlog.until.Load()))
		}
		if late := p.slot.due.Sub(want); late > time.Millisecond {
			s.t.Fatalf("%s is due %v, and is to be stepped %v later", p.config.Name, want.Sub(now), late)
		}
	}
}

func earlier(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}

// work does the curve work that was begun.
func (s *scheduled) work() {
	for len(s.router.curve.calls) > 0 {
		step := <-s.router.curve.calls
		step.job.Compute()
		s.router.finish(step)
	}
}

// happen lets one thing happen to a peer, by the ways that frames and the lanes take.
func (s *scheduled) happen(other *side) {
	r, p := s.router, s.known(other)
	switch s.rand.IntN(9) {
	case 0:
		p.carried.Store(r.clock())
		s.noted(p)
	case 1:
		p.heard.Store(r.clock())
		s.noted(p)
	case 2:
		r.sendGossip(p.id, nil, []byte("gossip"))
	case 3:
		s.hears(other, encap.Probe, encap.ProbeBody{ID: 7, Observed: s.endpoint().Addr}.Append(nil))
	case 4:
		s.hears(other, encap.Pause, nil)
	case 5:
		s.hears(other, encap.Goodbye, nil)
	case 6:
		r.resume(encap.Endpoint{Addr: p.config.Endpoints[0]}, 0)
	case 7:
		s.hears(other, encap.DialBack, nil)
	case 8:
		r.setTable(s.table(s.peers...))
	}
}

// noted says that lanes have noted something of a peer: it is looked at soon.
func (s *scheduled) noted(p *peer) {
	now := s.router.now()
	s.stale[p] = now.Add(longestSleep)
	if late := p.slot.due.Sub(now); late > longestSleep {
		s.t.Fatalf("%s is looked at in %v", p.config.Name, late)
	}
}

// hears takes a control frame of a peer, after a handshake if there was none.
func (s *scheduled) hears(other *side, kind encap.ControlKind, body []byte) {
	if other.known(s.side).session.Current() == nil || s.known(other).session.Current() == nil {
		shake(s.t, other, s.side)
		s.router.touch(s.known(other))
	}
	frame, err := other.known(s.side).session.Current().SealControl(nil, kind, body)
	check(s.t, err)
	s.lane(0).inbound([]encap.Datagram{{From: s.from(other), Data: frame}})
	s.router.takeTurn()
}

// A frame that concerns nobody costs the same among 3 peers and 1000.
func BenchmarkGarbageOfGossip(b *testing.B) {
	for _, peers := range []int{3, 1000} {
		b.Run(fmt.Sprint(peers, " peers"), func(b *testing.B) {
			r := crowd(b, peers)
			garbage := message{typ: encap.GossipType, frame: make([]byte, 200)}
			garbage.frame[0] = encap.Version<<4 | uint8(encap.GossipType)
			r.step()
			b.ReportAllocs()
			for b.Loop() {
				r.handleHearsay(garbage)
				r.step()
			}
		})
	}
}

// crowd is a router whose loops do not run, with so many idle peers that it reaches.
func crowd(b *testing.B, peers int) *Router {
	b.Helper()
	r := New(Config{
		Local: newLocal(b, 1), Device: &countingDevice{queues: []tun.Queue{&countingDevice{}}}, Port: &handPort{[]encap.Conn{new(sink)}},
		Stamp: encap.Stamps(1), Log: slog.New(slog.DiscardHandler), Timing: quiet,
	})
	var t Table
	for i := range peers {
		identity, err := trust.NewIdentity(binary.BigEndian.AppendUint64(make([]byte, 24), uint64(i)+1000))
		if err != nil {
			b.Fatal(err)
		}
		t.Peers = append(t.Peers, PeerConfig{Keys: identity.Public()})
	}
	r.setTable(t)
	for _, p := range r.peers {
		p.link.Rise()
		p.heard.Store(r.clock())
		p.probes.rekeyed = r.now().Add(time.Hour) // there are no keys to be replaced
	}
	return r
}
