package router

import (
	"bytes"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// logged is what a router logs from level info on.
type logged struct {
	mu sync.Mutex // guards to
	to bytes.Buffer
}

// logging makes the side log there.
func logging(l *logged) change {
	return func(s *side) {
		s.log = slog.New(slog.NewTextHandler(l, &slog.HandlerOptions{Level: slog.LevelInfo}))
	}
}

// Write implements io.Writer.
func (l *logged) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.to.Write(b)
}

// take returns the lines since the last call that are about a peer.
func (l *logged) take(peer *side) []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	lines := strings.Split(strings.TrimSpace(l.to.String()), "\n")
	l.to.Reset()
	return slices.DeleteFunc(lines, func(line string) bool { return !strings.Contains(line, " peer="+peer.name+" ") })
}

// says reports whether a line has all those texts.
func says(line string, texts ...string) bool {
	return !slices.ContainsFunc(texts, func(text string) bool { return !strings.Contains(line, text) })
}

// watched is a square of which a logs to l, from when all reach each other.
func watched(w *world) (x *square, l *logged) {
	l = new(logged)
	x = &square{world: w, a: w.side(1, logging(l)), b: w.side(2), r1: w.side(3), r2: w.side(4)}
	w.join(w.sides...)
	time.Sleep(8 * time.Second) // link state gets around
	l.take(x.b)
	return x, l
}

// must fails the test unless there is one line for each group of texts, with all of them.
func must(t *testing.T, lines []string, want ...[]string) {
	t.Helper()
	ok := len(lines) == len(want)
	for i := 0; ok && i < len(want); i++ {
		ok = says(lines[i], want[i]...)
	}
	if !ok {
		t.Errorf("logged\n%s\nwant lines with %q", strings.Join(lines, "\n"), want)
	}
}

// Before it is given up, packets go through one relay after the other: none of them is answered by it.
func TestOfANodeThatDiesTheLogHasOneLineWithAllThatWasTried(t *testing.T) {
	for name, busy := range map[string]bool{"busy": true, "idle": false} {
		t.Run(name, func(t *testing.T) {
			bubble(t, lan, func(t *testing.T, w *world) {
				x, l := watched(w)
				if busy {
					f := w.flow(x.a, x.b, 10*time.Millisecond)
					defer f.end()
					time.Sleep(time.Second)
				}
				heard := x.a.peer(x.b).Heard.UTC().Format("2006-01-02T15:04:05")
				x.b.crash()
				time.Sleep(time.Minute)
				must(t, l.take(x.b), []string{
					"level=WARN msg=router.path.down", "endpoint=192.0.2.2:9338", "heard=" + heard, "9 probes in a row were not answered",
					"nor any through node-", "it is called again and again, every 5s at most",
				})
			})
		})
	}
}

func TestThatNobodyElseReachesANodeThatDiesIsSaid(t *testing.T) {
	bubble(t, lan, func(t *testing.T, w *world) {
		x, l := watched(w)
		w.net.Cut(x.b.host, x.r1.host)
		w.net.Cut(x.b.host, x.r2.host)
		time.Sleep(time.Minute)
		x.b.crash()
		time.Sleep(time.Minute)
		must(t, l.take(x.b), []string{"9 probes in a row were not answered; no other node says that it reaches it"})
	})
}

func TestThatANodeStopsInOrderIsNoWarning(t *testing.T) {
	bubble(t, lan, func(t *testing.T, w *world) {
		x, l := watched(w)
		x.b.stop()
		time.Sleep(time.Minute)
		must(t, l.take(x.b), []string{"level=INFO msg=router.path.down", "endpoint=192.0.2.2:9338", "it said goodbye"})
	})
}

func TestAPathThatMovesIsLoggedOnceItWorks(t *testing.T) {
	bubble(t, lan, func(t *testing.T, w *world) {
		x, l := watched(w)
		f := w.flow(x.a, x.b, 10*time.Millisecond)
		w.net.Cut(x.a.host, x.b.host)
		time.Sleep(5 * time.Second)
		must(t, l.take(x.b), []string{"level=WARN msg=router.path.relayed", "via=" + x.a.via(x.b), "the direct path is down"})
		w.net.Heal(x.a.host, x.b.host)
		time.Sleep(10 * time.Second)
		must(t, l.take(x.b), []string{"level=INFO msg=router.path.direct", "endpoint=192.0.2.2:9338"})
		f.end()
	})
}

func TestNodesThatCouldRelayToAPeerAndRefuseAreNamed(t *testing.T) {
	bubble(t, lan, func(t *testing.T, w *world) {
		x, l := watched(w)
		x.r1.router.SetRelaying(Relaying{Refuse: true})
		x.r2.router.SetRelaying(Relaying{Refuse: true})
		time.Sleep(10 * time.Second)
		if s := x.a.peer(x.b); len(s.Refusing) != 0 {
			t.Errorf("a peer that is up: %q refuse to relay", s.Refusing)
		}
		w.net.Cut(x.a.host, x.b.host)
		time.Sleep(time.Minute)
		names := []string{x.r1.name, x.r2.name}
		got := x.a.peer(x.b).Refusing
		if slices.Sort(got); !slices.Equal(got, names) {
			t.Errorf("%q refuse to relay, want %q", got, names)
		}
		must(t, l.take(x.b), []string{"msg=router.path.down", x.r1.name, x.r2.name, "would reach it", "relay: refuse"})
		x.r1.router.SetRelaying(Relaying{})
		within(t, 20*time.Second, "b is reached through r1", func() bool { return x.a.via(x.b) == x.r1.name })
		if got := x.a.peer(x.b).Refusing; len(got) != 0 {
			t.Errorf("a peer that is relayed: %q refuse to relay", got)
		}
	})
}
