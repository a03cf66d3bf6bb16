package router

import (
	"bytes"
	"errors"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/weftnet/weft/encap"
	"github.com/weftnet/weft/encap/simnet"
	"github.com/weftnet/weft/trust"
)

func TestAPeerThatDiesUnderTrafficIsDownWithin2SecondsAndComesBack(t *testing.T) {
	modes(t, func(t *testing.T, mode change) {
		bubble(t, lan, func(t *testing.T, w *world) {
			a, b := w.side(1, mode), w.side(2, mode)
			w.join(a, b)
			f := w.flow(a, b, 10*time.Millisecond)
			time.Sleep(3*time.Second + 170*time.Millisecond)
			w.net.Cut(a.host, b.host)
			took := within(t, 2*time.Second, "b is down at a", func() bool { return !a.up(b) })
			t.Logf("down after %v", took)
			if s := a.peer(b); s.Away || !strings.Contains(s.Reason, "not answered") {
				t.Errorf("reason %q, away %v", s.Reason, s.Away)
			}
			time.Sleep(time.Minute)
			w.net.Heal(a.host, b.host)
			took = within(t, 8*time.Second, "b is up again", func() bool { return allUp(a, b) })
			t.Logf("up after %v", took)
			f.end()
			b.take()
			if !a.carries(b) || !b.carries(a) {
				t.Error("nothing goes through")
			}
		})
	})
}

func TestTrafficToAPeerThatDiedWhileIdleFindsOutWithin2Seconds(t *testing.T) {
	bubble(t, lan, func(t *testing.T, w *world) {
		a, b := w.side(1), w.side(2)
		w.join(a, b)
		time.Sleep(20 * time.Second)
		w.net.Cut(a.host, b.host)
		time.Sleep(5 * time.Second)
		if !a.up(b) {
			t.Fatal("b is down already: the path was not idle")
		}
		f := w.flow(a, b, 20*time.Millisecond)
		within(t, 2*time.Second, "b is down at a", func() bool { return !a.up(b) })
		f.end()
	})
}

func TestAnIdlePeerThatDiesIsDownWithin17Seconds(t *testing.T) {
	bubble(t, lan, func(t *testing.T, w *world) {
		a, b := w.side(1), w.side(2)
		w.join(a, b)
		w.net.Cut(a.host, b.host)
		within(t, 17*time.Second, "b is down at a", func() bool { return !a.up(b) })
	})
}

func TestADoubtedPeerThatIsDeadIsDownWithinASecondAndALiveOneStaysUp(t *testing.T) {
	bubble(t, lan, func(t *testing.T, w *world) {
		a, b := w.side(1), w.side(2)
		w.join(a, b)
		a.router.Doubt(b.id())
		time.Sleep(2 * time.Second)
		if a.count(PathDown) != 0 {
			t.Error("b was alive")
		}
		w.net.Cut(a.host, b.host)
		a.router.Doubt(b.id())
		within(t, time.Second, "b is down at a", func() bool { return !a.up(b) })
	})
}

func TestALossyUnderlayDoesNotTakeAPathDown(t *testing.T) {
	bubble(t, simnet.Options{Seed: 3, Delay: 20 * time.Millisecond, Loss: 0.2}, func(t *testing.T, w *world) {
		a, b := w.side(1), w.side(2)
		a.set(b)
		b.set(a)
		within(t, 5*time.Second, "both up", func() bool { return allUp(a, b) })
		f, g := w.flow(a, b, 100*time.Millisecond), w.flow(b, a, 100*time.Millisecond)
		for range 60 {
			time.Sleep(time.Second)
			collect(f, g)
		}
		f.end()
		g.end()
		if n := a.count(PathDown) + b.count(PathDown); n != 0 {
			t.Errorf("down %d times", n)
		}
	})
}

func TestTrafficResumesAfterOneSideRestarted(t *testing.T) {
	modes(t, func(t *testing.T, mode change) {
		bubble(t, lan, func(t *testing.T, w *world) {
			a, b := w.side(1, mode), w.side(2, mode)
			w.join(a, b)
			f := w.flow(a, b, 10*time.Millisecond)
			time.Sleep(time.Second)
			b.crash()
			time.Sleep(100 * time.Millisecond)
			b.start()
			b.set(a)
			took := within(t, time.Second, "b gets packets again", func() bool { return len(b.take()) > 0 })
			t.Logf("took %v", took)
			f.end()
			b.take()
			if !a.carries(b) || !b.carries(a) {
				t.Error("nothing goes through")
			}
		})
	})
}

func TestBothSidesRestartedAtOnceFindEachOther(t *testing.T) {
	bubble(t, lan, func(t *testing.T, w *world) {
		a, b := w.side(1), w.side(2)
		w.join(a, b)
		a.crash()
		b.crash()
		a.start()
		b.start()
		a.set(b)
		b.set(a)
		within(t, time.Second, "both up", func() bool { return allUp(a, b) })
		if !a.carries(b) || !b.carries(a) {
			t.Error("nothing goes through")
		}
	})
}

func TestAnInitiationOfAnEarlierRunIsNotTaken(t *testing.T) {
	bubble(t, lan, func(t *testing.T, w *world) {
		a, b := w.side(1), w.side(2)
		b.tap.record()
		w.join(a, b)
		var old [][]byte
		for _, f := range b.tap.frames() {
			if encap.Type(f[0]&15) == encap.Initiation {
				old = append(old, f)
			}
		}
		b.crash()
		b.start()
		b.set(a)
		within(t, time.Second, "both up", func() bool { return allUp(a, b) && b.carries(a) })
		before := a.router.Counters().Dropped[HandshakeRefused]
		b.sendRaw(a, 0, old...)
		time.Sleep(10 * time.Millisecond)
		if n := a.router.Counters().Dropped[HandshakeRefused] - before; len(old) == 0 || n != uint64(len(old)) {
			t.Errorf("%d of %d old initiations were refused", n, len(old))
		}
		if !a.carries(b) || !b.carries(a) {
			t.Error("an old initiation did harm")
		}
	})
}

func TestAStopSaysGoodbyeAndThePathIsDownAtOnce(t *testing.T) {
	bubble(t, lan, func(t *testing.T, w *world) {
		a, b := w.side(1), w.side(2)
		w.join(a, b)
		b.stop()
		within(t, 5*time.Millisecond, "b is away at a", func() bool { return a.peer(b).Away })
		if s := a.peer(b); s.Up || s.Reason == "" || s.Endpoint.IsValid() {
			t.Errorf("peer is %+v", s)
		}
		time.Sleep(time.Minute)
		if n := a.count(PathDown); n != 1 {
			t.Errorf("told %d times that the path is down", n)
		}
		b.start()
		b.set(a)
		within(t, time.Second, "both up", func() bool { return allUp(a, b) })
		if a.peer(b).Away {
			t.Error("b is still away")
		}
	})
}

func TestAPeerWhoseAddressChangesUnderTrafficIsFollowed(t *testing.T) {
	modes(t, func(t *testing.T, mode change) {
		bubble(t, lan, func(t *testing.T, w *world) {
			a, b := w.side(1, mode), w.side(2, mode)
			w.join(a, b)
			there, back := w.flow(a, b, 10*time.Millisecond), w.flow(b, a, 10*time.Millisecond)
			time.Sleep(time.Second)
			b.host.Readdress(addr4(22))
			b.router.Announce() // as a node does that sees its address change
			within(t, 20*time.Millisecond, "a follows", func() bool { return a.peer(b).Endpoint.Addr() == addr4(22) })
			collect(there, back)
			time.Sleep(time.Second)
			there.end()
			back.end()
			collect(there, back)
			if there.lost() > 2 || back.lost() > 1 {
				t.Errorf("%d lost to the peer that moved, %d from it", there.lost(), back.lost())
			}
			if n := a.count(PathDown) + b.count(PathDown); n != 0 {
				t.Errorf("the path was down %d times", n)
			}
			if n, e := a.last(PathMoved); n != 1 || e.Endpoint.Addr() != addr4(22) {
				t.Errorf("moved %d times, at last to %v", n, e.Endpoint)
			}
		})
	})
}

func TestAPeerThatDoesNotKnowThatItsAddressChangedIsFollowedToo(t *testing.T) {
	modes(t, func(t *testing.T, mode change) {
		bubble(t, lan, func(t *testing.T, w *world) {
			a, b := w.side(1, mode), w.side(2, mode)
			w.join(a, b)
			there, back := w.flow(a, b, 10*time.Millisecond), w.flow(b, a, 10*time.Millisecond)
			time.Sleep(time.Second)
			b.host.Readdress(addr4(22)) // a NAT on the way took another address
			within(t, 2*time.Second, "a follows", func() bool { return a.peer(b).Endpoint.Addr() == addr4(22) })
			collect(there, back)
			there.end()
			back.end()
			if n := a.count(PathDown) + b.count(PathDown); n != 0 {
				t.Errorf("the path was down %d times", n)
			}
		})
	})
}

func TestTheOtherSideAnnouncesNothingAndIsStillReached(t *testing.T) {
	bubble(t, lan, func(t *testing.T, w *world) {
		a, b := w.side(1), w.side(2)
		w.join(a, b)
		a.router.Announce()
		b.router.Announce()
		time.Sleep(time.Second)
		if !a.carries(b) || !b.carries(a) || a.count(PathDown)+b.count(PathDown) != 0 {
			t.Error("an announcement without a change did harm")
		}
	})
}

func TestARekeyUnderTrafficLosesAndRepeatsNoPacket(t *testing.T) {
	modes(t, func(t *testing.T, mode change) {
		bubble(t, simnet.Options{Delay: 5 * time.Millisecond}, func(t *testing.T, w *world) {
			often := timing(Timing{Rekey: 5 * time.Second})
			a, b := w.side(1, mode, often), w.side(2, mode, often)
			w.join(a, b)
			before := []map[Reason]uint64{a.router.Counters().Dropped, b.router.Counters().Dropped}
			born := a.peer(b).KeysBorn
			there, back := w.flow(a, b, 2*time.Millisecond), w.flow(b, a, 2*time.Millisecond)
			rekeys := 0
			for range 120 {
				time.Sleep(250 * time.Millisecond)
				collect(there, back)
				if now := a.peer(b).KeysBorn; now != born {
					rekeys, born = rekeys+1, now
				}
			}
			there.end()
			back.end()
			collect(there, back)
			for _, f := range []*flow{there, back} {
				if f.lost() != 0 || f.twice() != 0 || len(f.bad) != 0 {
					t.Errorf("of %d: %d lost, %d twice, %d unknown", len(f.sent), f.lost(), f.twice(), len(f.bad))
				}
			}
			if rekeys < 4 || rekeys > 7 {
				t.Errorf("%d rekeys in 30 s, want one every 5 s", rekeys)
			}
			for i, s := range []*side{a, b} {
				if d := grown(before[i], s.router.Counters().Dropped); len(d) != 0 {
					t.Errorf("%s dropped %v", s.name, d)
				}
			}
		})
	})
}

func TestARekeyOverALossyUnderlayIsTriedAgainAndTheSessionGoesOn(t *testing.T) {
	bubble(t, simnet.Options{Seed: 5, Delay: 5 * time.Millisecond, Loss: 0.3}, func(t *testing.T, w *world) {
		often := timing(Timing{Rekey: 5 * time.Second})
		a, b := w.side(1, often), w.side(2, often)
		a.set(b)
		b.set(a)
		within(t, 5*time.Second, "both up", func() bool { return allUp(a, b) })
		there, back := w.flow(a, b, 20*time.Millisecond), w.flow(b, a, 20*time.Millisecond)
		for range 120 {
			time.Sleep(500 * time.Millisecond)
			collect(there, back)
		}
		there.end()
		back.end()
		collect(there, back)
		for _, f := range []*flow{there, back} {
			if share := float64(f.lost()) / float64(len(f.sent)); share > 0.4 {
				t.Errorf("%.0f %% lost, the underlay loses 30 %%", 100*share)
			}
		}
		for _, s := range []*side{a, b} {
			for _, r := range []Reason{AuthFailed, UnknownIndex, PeerDown} {
				if n := s.router.Counters().Dropped[r]; n != 0 {
					t.Errorf("%s dropped %d as %v", s.name, n, r)
				}
			}
		}
	})
}

func TestNodesWithTwoAddressesEachSettleOnPathsThatStay(t *testing.T) {
	for seed := range uint64(8) {
		o := simnet.Options{Seed: seed, Delay: 5 * time.Millisecond, Jitter: 10 * time.Millisecond}
		bubble(t, o, func(t *testing.T, w *world) {
			a, b := w.side(1, at(addr4(1), addr6(1))), w.side(2, at(addr4(2), addr6(2)))
			b.config.Endpoints[0], b.config.Endpoints[1] = b.config.Endpoints[1], b.config.Endpoints[0]
			w.join(a, b)
			there, back := w.flow(a, b, 10*time.Millisecond), w.flow(b, a, 10*time.Millisecond)
			time.Sleep(2 * time.Second)
			early := []int{a.count(PathMoved), b.count(PathMoved)}
			for range 60 {
				time.Sleep(500 * time.Millisecond)
				collect(there, back)
			}
			there.end()
			back.end()
			for i, s := range []*side{a, b} {
				if n := s.count(PathMoved); n != early[i] || n > 6 { // some, while the handshakes of both ends settle
					t.Errorf("seed %d: the path of %s moved %d times, %d of them early", seed, s.name, n, early[i])
				}
			}
			if x, y := a.peer(b).Endpoint, b.peer(a).Endpoint; x.Addr().Is4() != y.Addr().Is4() {
				t.Errorf("seed %d: a sends to %v, b to %v", seed, x, y)
			}
		})
	}
}

func TestOneOfTwoAddressesIsEnough(t *testing.T) {
	bubble(t, lan, func(t *testing.T, w *world) {
		a, b := w.side(1, at(addr4(1), addr6(1))), w.side(2, at(addr4(2), addr6(2)))
		w.join(a, b)
		a.host.Readdress(addr6(1))
		b.host.Readdress(addr6(2))
		f := w.flow(a, b, 50*time.Millisecond)
		within(t, 10*time.Second, "a path over the other family", func() bool {
			return allUp(a, b) && a.peer(b).Endpoint.Addr() == addr6(2) && b.peer(a).Endpoint.Addr() == addr6(1)
		})
		f.end()
		b.take()
		if !a.carries(b) || !b.carries(a) {
			t.Error("nothing goes through")
		}
	})
}

func TestSettingsThatDifferAreNamedOnBothSidesAndNothingFlows(t *testing.T) {
	for field, differ := range map[string]change{
		"encryption": clear4,
		"network": func(s *side) {
			s.local.Settings.Network = []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}
		},
		"version": func(s *side) { s.local.Settings.MinVersion, s.local.Settings.MaxVersion = 2, 3 },
	} {
		t.Run(field, func(t *testing.T) {
			bubble(t, lan, func(t *testing.T, w *world) {
				a, b := w.side(1), w.side(2, differ)
				a.set(b)
				b.set(a)
				time.Sleep(5 * time.Second)
				for _, x := range [][2]*side{{a, b}, {b, a}} {
					s, p := x[0], x[1]
					if s.up(p) || !strings.Contains(s.peer(p).Reason, field) {
						t.Errorf("%s: up %v, reason %q", s.name, s.up(p), s.peer(p).Reason)
					}
					n, e := s.last(Refused)
					if n != 1 || e.Name != p.name || !strings.Contains(e.Reason, field) {
						t.Errorf("%s was told %d times: %+v", s.name, n, e)
					}
				}
			})
		})
	}
}

func TestAnotherSecretGetsNoSession(t *testing.T) {
	bubble(t, lan, func(t *testing.T, w *world) {
		a := w.side(1)
		b := w.side(2, func(s *side) {
			s.local.Ring = trust.NewRing(trust.Secret(bytes.Repeat([]byte{9}, trust.SecretLen)).Derive())
		})
		a.set(b)
		b.set(a)
		time.Sleep(5 * time.Second)
		if a.up(b) || b.up(a) || a.router.Counters().Dropped[HandshakeRefused] == 0 {
			t.Error("a node of another cluster got in")
		}
		if got := a.peer(b).Tried; len(got) != 1 || got[0].Calls < 3 || got[0].Endpoint != b.config.Endpoints[0] {
			t.Errorf("tried %+v", got)
		}
	})
}

func TestStopEndsEverythingAndLaterCallsSayThatItStopped(t *testing.T) {
	bubble(t, lan, func(t *testing.T, w *world) {
		a, b := w.side(1), w.side(2)
		w.join(a, b)
		w.flow(b, a, time.Millisecond).end()
		a.stop()
		if err := a.router.Set(a.table(b)); !errors.Is(err, ErrStopped) {
			t.Errorf("Set = %v", err)
		}
		if _, err := a.router.Peers(); !errors.Is(err, ErrStopped) {
			t.Errorf("Peers = %v", err)
		}
		a.router.Doubt(b.id())
		a.router.Announce()
		synctest.Wait() // goroutines that are left make the bubble fail
	})
}

// brokenPort is a port whose Receive fails.
type brokenPort struct {
	port
	err error
}

// Lanes implements encap.Port.
func (p *brokenPort) Lanes() []encap.Conn { return []encap.Conn{p} }

// Send implements encap.Conn.
func (p *brokenPort) Send(trains []encap.Train) encap.SendResult {
	return p.port.Lanes()[0].Send(trains)
}

// Receive implements encap.Conn.
func (p *brokenPort) Receive() ([]encap.Datagram, error) { return nil, p.err }

func TestAPortThatFailsEndsTheRouterWithItsError(t *testing.T) {
	bubble(t, lan, func(t *testing.T, w *world) {
		broken := errors.New("broken")
		a := w.side(1)
		a.stop()
		a.start(func(c *Config) { c.Port = &brokenPort{c.Port, broken} })
		if err := <-a.ended; !errors.Is(err, broken) {
			t.Errorf("Run = %v", err)
		}
		a.cancel()
		a.cancel = nil
	})
}
