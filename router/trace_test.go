package router

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/weftnet/weft/encap"
)

// traced makes the side one that answers traces.
func traced(s *side) { s.local.Settings.Capabilities |= encap.CapTrace }

// line is nodes in a row, each of which reaches those beside it alone.
func (w *world) line(n int, changes ...change) []*side {
	w.t.Helper()
	sides := make([]*side, n)
	for i := range sides {
		sides[i] = w.side(i+1, changes...)
	}
	for i := range sides {
		for k := i + 2; k < n; k++ {
			w.net.Cut(sides[i].host, sides[k].host)
		}
	}
	for _, s := range sides {
		s.set(sides...)
	}
	within(w.t, 20*time.Second, "all up", func() bool { return allUp(sides...) })
	time.Sleep(5 * time.Second)
	return sides
}

// trace is what a trace from a pod of s to one of p shows, hop by hop.
func (s *side) trace(p *side) []TraceHop {
	s.t.Helper()
	hops, err := s.router.Trace(context.Background(), p.id(), pod(s.number), pod(p.number))
	if err != nil {
		s.t.Fatal(err)
	}
	return hops
}

// hopsText is the names of hops, each with how long it took in milliseconds, the relay that it was reached by and the verdict.
func hopsText(hops []TraceHop) string {
	var texts []string
	for _, h := range hops {
		text := h.Name
		for _, d := range h.Times {
			text += fmt.Sprintf(" %d", d.Milliseconds())
		}
		texts = append(texts, strings.TrimRight(fmt.Sprintf("%s by %s %s", text, h.From, h.Verdict), " "))
	}
	return strings.Join(texts, "; ")
}

func TestATraceShowsEachNodeOnTheWayAndItsTimes(t *testing.T) {
	for n, want := range map[int]string{
		2: "node-2 2 2 2 by",
		3: "node-2 2 2 2 by; node-3 4 4 4 by node-2",
		4: "node-2 2 2 2 by; node-3 4 4 4 by node-2; node-4 6 6 6 by node-3",
	} {
		modes(t, func(t *testing.T, mode change) {
			bubble(t, lan, func(t *testing.T, w *world) {
				sides := w.line(n, mode, traced)
				hops := sides[0].trace(sides[n-1])
				if got := hopsText(hops); got != want {
					t.Errorf("%q, want %q", got, want)
				}
				for i, h := range hops {
					if h.Asked != traceRounds || h.Unasked != "" || h.ID != sides[i+1].id() || time.Since(h.Clock) > time.Second {
						t.Errorf("%+v", h)
					}
				}
				var back []string
				for i := n - 2; i > 0; i-- {
					back = append(back, sides[i].name)
				}
				last := hops[len(hops)-1]
				if !slices.Equal(last.Back, back) || hops[0].Seen != sides[0].endpoint().Addr || n > 2 && last.Seen.IsValid() {
					t.Errorf("packets come back by %v; seen at %v", last.Back, hops[0].Seen)
				}
			})
		})
	}
}

func TestATraceShowsWhereItEnds(t *testing.T) {
	bubble(t, lan, func(t *testing.T, w *world) {
		sides := w.line(4, traced)
		sides[2].host.Crash()
		began := time.Now()
		hops := sides[0].trace(sides[3])
		if got := hopsText(hops); got != "node-2 2 2 2 by; node-3 by; node-4 by" {
			t.Error(got)
		}
		if took := time.Since(began); took > traceLong+traceRounds*traceGap {
			t.Errorf("it took %v", took)
		}
		if n := len(sides[0].router.traces.asked); n != 0 {
			t.Errorf("%d questions are remembered", n)
		}
	})
}

func TestATraceTellsWhatARelayAndTheEndWouldDrop(t *testing.T) {
	bubble(t, lan, func(t *testing.T, w *world) {
		sides := w.line(3, traced)
		a, b, c := sides[0], sides[1], sides[2]
		b.router.relaying.Store(&Relaying{Refuse: true}) // it does not say so to link state
		if got := hopsText(a.trace(c)); got != "node-2 2 2 2 by  relay-refused; node-3 by" {
			t.Error(got)
		}
		for _, want := range []struct {
			src, dst netip.Addr
			verdict  string
		}{
			{pod(1), pod(2), ""}, {pod6(1), pod6(2), ""}, {pod(3), pod(2), "spoofed-source"}, {pod(1), pod(3), "not-local"}, {verdict: ""},
		} {
			hops, err := a.router.Trace(context.Background(), b.id(), want.src, want.dst)
			if err != nil || len(hops) != 1 || len(hops[0].Times) != traceRounds || hops[0].Verdict != want.verdict {
				t.Errorf("from %v to %v: %+v, %v", want.src, want.dst, hops, err)
			}
		}
	})
}

func TestOnlyNodesThatAnswerTracesAreAsked(t *testing.T) {
	bubble(t, lan, func(t *testing.T, w *world) {
		a, b := w.side(1, traced), w.side(2)
		w.join(a, b)
		if hops := a.trace(b); len(hops) != 1 || hops[0].Asked != 0 || hops[0].Unasked != "its build does not answer traces" {
			t.Errorf("%+v", hops)
		}
		if d := b.drops()[UnknownType]; d != 0 {
			t.Errorf("%d frames that it does not know", d)
		}
		if _, err := a.router.Trace(context.Background(), newSide(t, 9).id(), pod(1), pod(9)); !errors.Is(err, ErrPeerDown) {
			t.Errorf("a trace to nobody: %v", err)
		}
	})
}

func TestAPeerThatIsDownIsAskedWhereItWasLast(t *testing.T) {
	bubble(t, lan, func(t *testing.T, w *world) {
		a, b := w.side(1, traced), w.side(2, traced)
		w.join(a, b)
		w.net.Cut(a.host, b.host)
		within(t, 30*time.Second, "down", func() bool { return !a.up(b) })
		if hops := a.trace(b); len(hops) != 1 || hops[0].Asked != traceRounds || len(hops[0].Times) != 0 {
			t.Errorf("%+v", hops)
		}
		never := w.side(3, traced)
		never.host.Crash()
		a.set(b, never)
		if hops := a.trace(never); len(hops) != 1 || hops[0].Unasked != "there is no session with it" {
			t.Errorf("%+v", hops)
		}
	})
}

// Whoever asks more than is answered gets less back than he sends: no answer is longer than its question.
func TestAMemberCannotHaveANodeAnswerMoreTracesThanItsShare(t *testing.T) {
	bubble(t, lan, func(t *testing.T, w *world) {
		a, b := w.side(1, traced), w.side(2, traced)
		w.join(a, b)
		ask := func(n int) {
			check(t, a.router.call(func() {
				for range n {
					p := a.known(b)
					a.router.sendControl(p, encap.Trace, encap.TraceQuestion{ID: 1}.Append(nil), p.at())
				}
			}))
			time.Sleep(10 * time.Millisecond)
			synctest.Wait()
		}
		ask(50)
		if d := b.drops()[TraceLimited]; d != 50-traceBurst {
			t.Errorf("%d of 50 are not answered", d)
		}
		time.Sleep(time.Second)
		ask(50)
		if d := b.drops()[TraceLimited]; d < 100-traceBurst-traceRate-1 || d > 100-traceBurst-traceRate {
			t.Errorf("%d of 100 are not answered", d)
		}
		if hops := b.trace(a); len(hops[0].Times) != traceRounds {
			t.Errorf("it is not answered itself: %+v", hops)
		}
	})
}

func TestAnAnswerOfAnotherNodeThanThatWhichWasAskedCountsNothing(t *testing.T) {
	bubble(t, lan, func(t *testing.T, w *world) {
		a, b, c := w.side(1, traced), w.side(2, traced), w.side(3, traced)
		w.join(a, b, c)
		w.net.Cut(a.host, b.host)
		done := make(chan []TraceHop)
		go func() { done <- a.trace(b) }()
		time.Sleep(200 * time.Millisecond)
		var ids []uint64
		check(t, a.router.call(func() {
			for id := range a.router.traces.asked {
				ids = append(ids, id)
			}
		}))
		check(t, c.router.call(func() {
			for _, id := range ids {
				c.router.sendControl(c.known(a), encap.TraceReply, encap.TraceAnswer{ID: id}.Append(nil), c.known(a).at())
			}
		}))
		if hops := <-done; len(ids) != traceRounds || len(hops[0].Times) != 0 {
			t.Errorf("%d questions; %+v", len(ids), hops)
		}
	})
}

func TestTracesEndWithTheirContextAndAreFewAtOnce(t *testing.T) {
	bubble(t, lan, func(t *testing.T, w *world) {
		a, b := w.side(1, traced), w.side(2, traced)
		w.join(a, b)
		w.net.Cut(a.host, b.host)
		ctx, cancel := context.WithCancel(context.Background())
		results := make(chan error, maxTraces+1)
		for range maxTraces + 1 {
			go func() {
				_, err := a.router.Trace(ctx, b.id(), netip.Addr{}, netip.Addr{})
				results <- err
			}()
		}
		if err := <-results; !errors.Is(err, ErrTraces) {
			t.Errorf("the first that ends: %v", err)
		}
		cancel()
		for range maxTraces {
			if err := <-results; !errors.Is(err, context.Canceled) {
				t.Errorf("%v", err)
			}
		}
		if n := a.router.traces.running; n != 0 {
			t.Errorf("%d still run", n)
		}
	})
}

func TestACourseIsWhatLanesWouldDo(t *testing.T) {
	bubble(t, lan, func(t *testing.T, w *world) {
		a, b, never := w.side(1), w.side(2), w.side(3)
		w.join(a, b)
		never.host.Crash()
		a.set(b, never)
		for _, c := range []struct {
			src, dst netip.Addr
			want     Course
		}{
			{pod(1), pod(2), Course{To: b.id()}},
			{pod(1), pod(3), Course{To: never.id(), Out: "peer-down"}},
			{pod(1), pod(9), Course{Out: "no-route"}},
			{pod(1), pod(1), Course{Local: true, Out: "no-route"}},
			{pod(1), netip.MustParseAddr("224.0.0.1"), Course{Out: "multicast"}},
			{pod(2), pod(1), Course{Local: true, From: b.id(), Out: "foreign-source"}},
			{pod(2), pod(3), Course{From: b.id(), To: never.id(), Out: "foreign-source", In: "not-local"}},
			{pod(9), pod(2), Course{To: b.id(), Out: "foreign-source"}},
		} {
			if got := a.router.Course(c.src, c.dst); got != c.want {
				t.Errorf("from %v to %v: %+v, want %+v", c.src, c.dst, got, c.want)
			}
		}
		time.Sleep(2 * maxWait) // as long as the first call may be answered, packets wait
		before := a.drops()
		for _, dst := range []netip.Addr{pod(3), pod(9), netip.MustParseAddr("224.0.0.1")} {
			a.inject(udp(pod(1), dst, "packet"))
		}
		a.inject(udp(pod(9), pod(2), "packet"))
		synctest.Wait()
		after := a.drops()
		for _, reason := range []Reason{PeerDown, NoRoute, Multicast, ForeignSource} {
			if after[reason] != before[reason]+1 {
				t.Errorf("%v: %d packets dropped, want one", reason, after[reason]-before[reason])
			}
		}
	})
}

func TestTheGraphOfALineIsWhatItsNodesSay(t *testing.T) {
	bubble(t, lan, func(t *testing.T, w *world) {
		sides := w.line(3)
		g, err := sides[0].router.LinkState()
		check(t, err)
		links := map[int]int{}
		for _, n := range g.Nodes {
			i := slices.IndexFunc(sides, func(s *side) bool { return s.id() == n.ID })
			links[i] = len(n.Links)
			for _, l := range n.Links {
				if !l.InUse || n.Silent || !n.Relay || l.Age > time.Minute {
					t.Errorf("%s: %+v", sides[i].name, n)
				}
			}
		}
		if len(g.Nodes) != 3 || links[0] != 1 || links[1] != 2 || links[2] != 1 {
			t.Errorf("%v links of %d nodes", links, len(g.Nodes))
		}
	})
}
