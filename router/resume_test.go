package router

import (
	"net/netip"
	"testing"
	"time"

	"github.com/weftnet/weft/encap"
	"github.com/weftnet/weft/encap/simnet"
	"github.com/weftnet/weft/router/alive"
	"github.com/weftnet/weft/trust"
)

// wrongPort makes others call the side at its address, but at a port where nobody listens: as it is with one behind a NAT.
func wrongPort(s *side) {
	for i, e := range s.config.Endpoints {
		s.config.Endpoints[i] = netip.AddrPortFrom(e.Addr(), e.Port()+1)
	}
}

func TestAFrameUnderKeysOfAnEarlierRunBringsAHandshakeAtOnce(t *testing.T) {
	modes(t, func(t *testing.T, mode change) {
		bubble(t, lan, func(t *testing.T, w *world) {
			a, b := w.side(1, mode, wrongPort), w.side(2, mode)
			a.set(b)
			b.set(a)
			within(t, time.Second, "both up", func() bool { return allUp(a, b) })
			f := w.flow(a, b, 10*time.Millisecond)
			time.Sleep(time.Second)
			b.crash()
			b.start()
			b.set(a) // it calls at the wrong port
			took := within(t, 2*answerPause, "b gets packets again", func() bool { return len(b.take()) > 0 })
			t.Logf("took %v", took)
			f.end()
			if n := a.count(PathDown); n != 0 {
				t.Errorf("the path of a went down %d times", n)
			}
		})
	})
}

// Where the sockets outlive a run, the next one gets the rest of a handshake that it did not begin.
func TestARestartInTheMiddleOfAHandshakeCostsOneMoreHandshakeAtMost(t *testing.T) {
	const delay = 10 * time.Millisecond // one way: the initiation comes after one, the response after two
	for name, at := range map[string]time.Duration{
		"before the initiation comes": delay / 2, "before the response comes": delay * 3 / 2, "after the response came": delay * 5 / 2,
	} {
		for _, restarts := range []string{"initiator", "responder"} {
			t.Run(restarts+" "+name, func(t *testing.T) {
				bubble(t, simnet.Options{Delay: delay}, func(t *testing.T, w *world) {
					a, b := w.side(1), w.side(2)
					again := map[string]*side{"initiator": a, "responder": b}[restarts]
					a.set(b)
					b.set(a)
					time.Sleep(at)
					again.crash()
					again.start()
					again.set(a, b)
					within(t, 3*delay, "both up", func() bool { return allUp(a, b) })
					time.Sleep(2 * delay) // who was called uses the new keys once the caller has
					if !a.carries(b) || !b.carries(a) {
						t.Error("nothing goes through")
					}
					if n := a.count(PathDown) + b.count(PathDown); n != 0 {
						t.Errorf("paths went down %d times", n)
					}
					stale := again.router.Counters().Dropped
					if n := stale[HandshakeRefused] + stale[UnknownIndex]; n == 0 && at < 2*delay {
						t.Error("nothing of the earlier handshake came")
					}
				})
			})
		}
	}
}

// forgotten is a frame under an index that nobody knows any more.
func forgotten() []byte {
	return append(encap.Header{Type: encap.Data, Index: 0x01020304}.Append(nil), make([]byte, 60)...)
}

// unanswered makes a and b meet, and a vanish: b has it down, and does not call it by itself.
func unanswered(t *testing.T, w *world) (a, b *side) {
	t.Helper()
	a, b = w.side(1), w.side(2, timing(Timing{Timing: alive.Timing{CallMin: time.Hour, CallMax: time.Hour}}))
	w.join(a, b)
	a.crash()
	within(t, 20*time.Second, "a is down at b", func() bool { return !b.up(a) })
	time.Sleep(2 * time.Second)
	return a, b
}

func TestFramesOfUnknownIndexesCauseAHandshakeASecondAtMost(t *testing.T) {
	bubble(t, lan, func(t *testing.T, w *world) {
		a, b := unanswered(t, w)
		before := initiations(b)
		for range 500 {
			if err := b.router.call(func() { b.router.resume(a.endpoint(), 0) }); err != nil {
				t.Fatal(err)
			}
			time.Sleep(10 * time.Millisecond)
		}
		if n := initiations(b) - before; n < 4 || n > 6 {
			t.Errorf("%d initiations in 5 s, want one a second", n)
		}
	})
}

// initiations is how many the side has sent.
func initiations(s *side) (n int) {
	s.tap.record()
	for _, f := range s.tap.frames() {
		if encap.Type(f[0]&15) == encap.Initiation {
			n++
		}
	}
	return n
}

func TestAStrangersFrameCausesNoHandshake(t *testing.T) {
	bubble(t, lan, func(t *testing.T, w *world) {
		_, b := unanswered(t, w)
		stranger := w.side(3)
		before := initiations(b)
		stranger.sendRaw(b, 0, forgotten(), forgotten())
		time.Sleep(time.Second)
		if n := initiations(b) - before; n != 0 {
			t.Errorf("%d initiations", n)
		}
		if n := b.router.Counters().Dropped[UnknownIndex]; n != 2 {
			t.Errorf("%d frames were dropped for their index, want 2", n)
		}
	})
}

// sentBy counts what the side has sent since, by type.
func sentBy(s *side, since map[encap.Type]int) map[encap.Type]int {
	s.tap.record()
	count := map[encap.Type]int{}
	for _, f := range s.tap.frames() {
		count[encap.Type(f[0]&15)]++
	}
	for t, n := range since {
		count[t] -= n
	}
	return count
}

func TestAnUnknownIndexDoesNotReplaceASessionThatWorks(t *testing.T) {
	bubble(t, lan, func(t *testing.T, w *world) {
		a, b := w.side(1, older), w.side(2, older)
		w.join(a, b)
		before := sentBy(b, nil)
		a.sendRaw(b, 0, forgotten())
		time.Sleep(100 * time.Millisecond)
		if got := sentBy(b, before); got[encap.Initiation] != 0 || got[encap.Control] != 0 {
			t.Errorf("for a peer that was just heard: sent %v", got)
		}
		time.Sleep(5 * time.Second) // nobody has anything to say
		before = sentBy(b, nil)
		for range 100 {
			a.sendRaw(b, 0, forgotten())
			time.Sleep(10 * time.Millisecond)
		}
		if got := sentBy(b, before); got[encap.Initiation] != 0 || got[encap.Control] < 1 || got[encap.Control] > 2 {
			t.Errorf("for an idle peer, in a second: sent %v, want one probe", got)
		}
		if n := b.router.Counters().Dropped[UnknownIndex]; n != 101 {
			t.Errorf("%d frames were dropped for their index, want 101", n)
		}
	})
}

// TestAnUnknownIndexBringsNewKeysWhereThePathIsUpAndTheKeysAreNot lets one side lose its keys, and nothing else.
func TestAnUnknownIndexBringsNewKeysWhereThePathIsUpAndTheKeysAreNot(t *testing.T) {
	modes(t, func(t *testing.T, mode change) {
		bubble(t, lan, func(t *testing.T, w *world) {
			a, b := w.side(1, mode), w.side(2, mode)
			w.join(a, b)
			time.Sleep(2 * freshTime)
			check(t, b.router.call(func() {
				b.router.indexes.change(func(m map[uint32]*binding) { clear(m) })
			}))
			f := w.flow(a, b, 10*time.Millisecond)
			took := within(t, time.Second, "b gets packets again", func() bool { return len(b.take()) > 0 })
			f.end()
			if took > 2*answerPause {
				t.Errorf("it took %v", took)
			}
			if n := a.count(PathDown) + b.count(PathDown); n != 0 {
				t.Errorf("paths went down %d times", n)
			}
		})
	})
}

// TestNewKeysAreConfirmedAtOnceWhereThePeerSendsUnderLostOnes loses the first frame under new keys, and the keys before them.
func TestNewKeysAreConfirmedAtOnceWhereThePeerSendsUnderLostOnes(t *testing.T) {
	bubble(t, lan, func(t *testing.T, w *world) {
		a, b := w.side(1), w.side(2)
		w.join(a, b)
		lost := b.tap.loseFirst(encap.Control)
		p := b.internal(a)
		before := p.session.Current()
		check(t, b.router.call(func() { b.router.initiate(p, p.candidates()[:1], time.Now()) }))
		within(t, time.Second, "new keys", func() bool { return p.session.Current() != before })
		check(t, b.router.call(func() {
			b.router.indexes.change(func(m map[uint32]*binding) { delete(m, before.LocalIndex) })
		}))
		f := w.flow(a, b, 5*time.Millisecond)
		took := within(t, time.Second, "b gets packets", func() bool { return len(b.take()) > 0 })
		f.end()
		if !lost() || took > answerPause/2 {
			t.Errorf("the confirmation was lost: %v; it took %v", lost(), took)
		}
	})
}

// TestANodeWhoseStateWasPutBackIsReached starts a node with stamps of long ago, as after a restore of a backup from before its clock
// ran ahead.
func TestANodeWhoseStateWasPutBackIsReached(t *testing.T) {
	for name, translated := range map[string]bool{"at its endpoint": false, "behind a NAT": true} {
		t.Run(name, func(t *testing.T) {
			bubble(t, lan, func(t *testing.T, w *world) {
				a, b := w.side(1), w.side(2, timing(Timing{Timing: alive.Timing{CallMin: time.Second}}))
				a.epoch = 1000
				a.crash()
				a.start()
				if translated {
					wrongPort(a)
				}
				a.set(b)
				b.set(a)
				within(t, 5*time.Second, "both up", func() bool { return allUp(a, b) })
				a.crash()
				within(t, 30*time.Second, "a is down at b", func() bool { return !b.up(a) })
				time.Sleep(time.Minute)
				a.epoch = 10
				a.start()
				a.set(b)
				within(t, 2*time.Second, "both up again", func() bool { return allUp(a, b) })
				if !a.carries(b) || !b.carries(a) {
					t.Error("nothing goes through")
				}
			})
		})
	}
}

func TestAStrayFrameConcernsOnePeerOfAnAddress(t *testing.T) {
	addr := netip.MustParseAddr("192.0.2.1")
	at := func(port uint16) netip.AddrPort { return netip.AddrPortFrom(addr, port) }
	r := &Router{started: time.Now(), peers: map[trust.Fingerprint]*peer{}}
	for i := range 3 {
		p := &peer{config: PeerConfig{Endpoints: []netip.AddrPort{at(uint16(1000 + i))}}}
		r.peers[trust.Fingerprint{byte(i)}] = p
	}
	exact := r.peers[trust.Fingerprint{1}]
	if p, to := r.sender(encap.Endpoint{Addr: at(1001)}, 0); p != exact || to.Addr != at(1001) {
		t.Errorf("a frame from the port of a peer calls %v", to)
	}
	for lane := range uint8(2) {
		p, to := r.sender(encap.Endpoint{Addr: at(7)}, lane)
		if p == nil || p.config.Endpoints[0] != to.Addr {
			t.Errorf("lane %d: a frame from another port calls %v, not the peer's endpoint", lane, to)
		}
	}
	if p, _ := r.sender(encap.Endpoint{Addr: netip.MustParseAddrPort("192.0.2.2:1001")}, 0); p != nil {
		t.Error("a stranger's frame concerns a peer")
	}
}

// A stranger replays the initiation of an earlier run, which this run has not seen: it looks like one of a peer that begins anew.
func TestAReplayedFirstInitiationHoldsPacketsForARoundTripAtMost(t *testing.T) {
	bubble(t, simnet.Options{Delay: oneWay}, func(t *testing.T, w *world) {
		a, b := w.side(1), w.side(2)
		recorded, err := encap.NewSession(encap.SessionConfig{
			Local: b.local, Peer: a.config.Keys, Indexes: noIndexes{}, Stamp: encap.Stamps(b.epoch),
		}).Initiate(time.Now())
		check(t, err)
		endpoints := a.config.Endpoints
		a.config.Endpoints = nil // only a calls, so that it knows no stamp of b's
		b.set(a)
		a.config.Endpoints = endpoints
		a.set(b)
		within(t, time.Second, "both up", func() bool { return allUp(a, b) })
		time.Sleep(time.Second)

		stranger := w.net.Host(addr4(3)).ListenUDP(testPort)
		defer stranger.Close()
		stranger.Lanes()[0].Send([]encap.Train{controlTrain(recorded, a.endpoint())})
		within(t, 2*oneWay, "packets wait", func() bool { return a.suspends(b) })
		a.inject(udp(pod(1), pod(2), "on its way"))
		within(t, 4*oneWay, "the packet arrives", func() bool { return len(b.take()) == 1 })
		if a.suspends(b) {
			t.Error("packets still wait")
		}
	})
}

// suspends reports whether packets to p wait although its path is up.
func (s *side) suspends(p *side) bool { return s.internal(p).path.Load().suspended }
