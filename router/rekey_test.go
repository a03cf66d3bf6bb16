package router

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/weftnet/weft/encap"
	"github.com/weftnet/weft/encap/simnet"
)

// Both ends send as much, so both find their keys worn at the same moment, over and over, while the underlay loses and reorders
// frames, those of handshakes too. Nothing but the underlay may lose a packet.
func TestRekeysByCountOfBothEndsAtOnceLoseNoPacketThatArrives(t *testing.T) {
	for name, o := range map[string]simnet.Options{
		"reorder": {Seed: 7, Delay: 5 * time.Millisecond, Jitter: 10 * time.Millisecond},
		"loss":    {Seed: 8, Delay: 5 * time.Millisecond, Jitter: 10 * time.Millisecond, Loss: 0.1},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, o, func(t *testing.T, w *world) {
				worn := timing(Timing{RekeyCount: 1000})
				a, b := w.side(1, worn), w.side(2, worn)
				w.join(a, b)
				before := []map[Reason]uint64{a.router.Counters().Dropped, b.router.Counters().Dropped}
				there, back := w.flow(a, b, time.Millisecond), w.flow(b, a, time.Millisecond)
				for range 60 {
					time.Sleep(250 * time.Millisecond)
					collect(there, back)
				}
				there.end()
				back.end()
				collect(there, back)
				for _, f := range []*flow{there, back} {
					if o.Loss == 0 && f.lost() != 0 || f.twice() != 0 || len(f.bad) != 0 {
						t.Errorf("of %d: %d lost, %d twice, %d unknown", len(f.sent), f.lost(), f.twice(), len(f.bad))
					}
				}
				for i, s := range []*side{a, b} {
					d := grown(before[i], s.router.Counters().Dropped)
					delete(d, HandshakeRefused) // an answer to an initiation that a later one has replaced
					if len(d) != 0 {
						t.Errorf("%s dropped %v", s.name, d)
					}
				}
				if n := a.peer(b).History.Rekeys; n < 7 {
					t.Errorf("%d rekeys in 15 s, want one for every 1000 frames of either end", n)
				}
			})
		})
	}
}

// The frames stand for those that somebody has kept.
func TestAFrameOfReplacedKeysIsTakenForTheGraceTimeAndNotAMomentLonger(t *testing.T) {
	const grace, lasting = 30 * time.Second, 2*time.Minute + time.Second
	bubble(t, lan, func(t *testing.T, w *world) {
		a, b := w.side(1), w.side(2)
		w.join(a, b)
		s := &scene{t: t, w: w, a: a, b: b}
		const kept = 100
		var early, late [][]byte
		for range kept {
			early, late = append(early, s.seal(udp(pod(1), pod(2), "early"))), append(late, s.seal(udp(pod(1), pod(2), "late")))
		}
		control := s.control(encap.Probe)
		within(t, lasting+10*time.Second, "new keys", func() bool { return b.peer(a).History.Rekeys == 1 })
		replaced := time.Now()
		time.Sleep(grace - 10*time.Millisecond - time.Since(replaced))
		s.send(early...)
		time.Sleep(5 * time.Millisecond)
		if n := len(b.payloads()); n != kept {
			t.Errorf("%d of %d frames were taken within the grace time", n, kept)
		}
		time.Sleep(grace + 10*time.Millisecond - time.Since(replaced))
		before := b.router.Counters().Dropped
		s.send(append(late, early...)...)
		s.send(control)
		time.Sleep(5 * time.Millisecond)
		synctest.Wait()
		if n := len(b.payloads()); n != 0 {
			t.Errorf("%d frames were taken after it", n)
		}
		if d := grown(before, b.router.Counters().Dropped); len(d) != 1 || d[UnknownIndex] != 2*kept+1 {
			t.Errorf("dropped %v, want %d under unknown-index", d, 2*kept+1)
		}
	})
}

func TestTheAgeOfKeysChangesWhileSessionsRun(t *testing.T) {
	bubble(t, lan, func(t *testing.T, w *world) {
		a, b := w.side(1), w.side(2)
		w.join(a, b)
		a.router.SetRekey(5 * time.Second) // the shorter one counts, whoever has called
		b.router.SetRekey(time.Hour)
		there := w.flow(a, b, 10*time.Millisecond)
		for range 100 {
			time.Sleep(305 * time.Millisecond)
			collect(there)
		}
		there.end()
		collect(there)
		if n := b.peer(a).History.Rekeys; n < 4 || n > 7 {
			t.Errorf("%d rekeys in 30 s, want one every 5 s", n)
		}
		if there.lost() != 0 {
			t.Errorf("%d packets are lost", there.lost())
		}
	})
}
