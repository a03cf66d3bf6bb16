package mesh

import (
	"fmt"
	"testing"
	"time"

	"github.com/weftnet/weft/trust"
)

func testCaller(random float64) *caller {
	return newCaller(Timing{}.withDefaults(), func() float64 { return random })
}

// spacings makes calls that fail, and returns the times between them.
func spacings(c *caller, t *target, calls int) []time.Duration {
	now := lawsNow
	var out []time.Duration
	for range calls {
		if started := c.due(now); len(started) != 1 {
			return out
		}
		c.done(t, now)
		out = append(out, t.next.Sub(now))
		now = t.next
	}
	return out
}

func TestCallsStartFastAndBackOffToALimit(t *testing.T) {
	c := testCaller(0.5) // no jitter
	got := spacings(c, c.want(targetKey{seed: "a"}, lawsNow), 30)
	for i, d := range got[:fastCalls] {
		if d != 200*time.Millisecond {
			t.Errorf("call %d after %v, want 200ms", i, d)
		}
	}
	for i := fastCalls; i < len(got); i++ {
		if got[i] < got[i-1] || got[i] > callFloor {
			t.Errorf("call %d after %v, then %v", i, got[i-1], got[i])
		}
	}
	if last := got[len(got)-1]; last != callFloor {
		t.Errorf("the spacing ends at %v, want %v", last, callFloor)
	}
}

func TestCallsAreJittered(t *testing.T) {
	for _, random := range []float64{0, 0.999} {
		c := testCaller(random)
		got := spacings(c, c.want(targetKey{seed: "a"}, lawsNow), 20)
		if d := got[0]; d < 100*time.Millisecond || d > 300*time.Millisecond || d == 200*time.Millisecond {
			t.Errorf("first spacing %v", d)
		}
		if d := got[19]; d == callFloor || d < callFloor*3/4 || d > callFloor*5/4 {
			t.Errorf("last spacing %v", d)
		}
	}
}

func TestTheLimitGrowsWithTheNumberOfTargetsButNotForEver(t *testing.T) {
	c := testCaller(0.5)
	for i := range 100 {
		c.want(targetKey{id: trust.Fingerprint{byte(i)}}, lawsNow)
		want := min(max(callFloor, time.Duration(i+1)*callPerTarget), c.timing.CallMax)
		if got := c.longest(); got != want {
			t.Fatalf("with %d targets: %v, want %v", i+1, got, want)
		}
	}
}

func TestSeedsAreCalledFirstAndNotTooManyAtOnce(t *testing.T) {
	c := testCaller(0.5)
	for i := range 20 {
		c.want(targetKey{id: trust.Fingerprint{byte(i)}}, lawsNow)
	}
	for i := range 5 {
		c.want(targetKey{seed: fmt.Sprint(i)}, lawsNow)
	}
	later := lawsNow.Add(time.Minute)
	started := c.due(later)
	if len(started) != maxCalls {
		t.Fatalf("%d calls at once, want %d", len(started), maxCalls)
	}
	for _, s := range started[:5] {
		if s.key.seed == "" {
			t.Error("a peer was called before a seed")
		}
	}
	if !c.next().IsZero() {
		t.Error("a call is due though no more may start")
	}
	c.done(started[0], later)
	if more := c.due(later); len(more) != 1 {
		t.Errorf("%d calls started after one ended, want 1", len(more))
	}
}

func TestASeedThatIsUpIsNotCalledAndOneThatWentDownIsCalledSoon(t *testing.T) {
	c := testCaller(0.5)
	s := c.want(targetKey{seed: "a"}, lawsNow)
	spacings(c, s, 20)
	s.lastErr = "no"
	c.setUp(s, true, lawsNow)
	if len(c.due(lawsNow.Add(time.Hour))) != 0 || s.lastErr != "" || s.tries != 0 {
		t.Error("a seed that is up was called")
	}
	down := lawsNow.Add(2 * time.Hour)
	c.setUp(s, false, down)
	if s.since != down || c.next().Sub(down) > 300*time.Millisecond {
		t.Errorf("down since %v, called %v later", s.since, c.next().Sub(down))
	}
}

func TestACloneIsLookedForAFewTimesOnly(t *testing.T) {
	c := testCaller(0.5)
	s := c.want(targetKey{id: trust.Fingerprint{1}}, lawsNow)
	s.limit, s.next = cloneCalls, lawsNow
	if got := spacings(c, s, 10); len(got) != cloneCalls || len(c.targets) != 0 {
		t.Errorf("%d calls, want %d", len(got), cloneCalls)
	}
}

func TestAMemberThatIsAliveAgainMakesItsSeedBeCalledSoon(t *testing.T) {
	c := testCaller(0.5)
	s := c.want(targetKey{seed: "a"}, lawsNow)
	s.last, s.next = trust.Fingerprint{1}, lawsNow.Add(time.Hour)
	c.found(trust.Fingerprint{2}, lawsNow)
	if s.next != lawsNow.Add(time.Hour) {
		t.Error("another member made the seed be called")
	}
	c.found(trust.Fingerprint{1}, lawsNow)
	if s.next.Sub(lawsNow) > 300*time.Millisecond {
		t.Errorf("called %v later", s.next.Sub(lawsNow))
	}
}

func TestSeedsAreSplitIntoHostAndPort(t *testing.T) {
	for _, test := range []struct {
		seed, host string
		port       uint16
	}{
		{"192.0.2.1", "192.0.2.1", 9338},
		{"192.0.2.1:77", "192.0.2.1", 77},
		{"2001:db8::1", "2001:db8::1", 9338},
		{"[2001:db8::1]:77", "2001:db8::1", 77},
		{"vm-1.example", "vm-1.example", 9338},
		{"vm-1.example:77", "vm-1.example", 77},
	} {
		host, port, err := SplitSeed(test.seed, 9338)
		if host != test.host || port != test.port || err != nil {
			t.Errorf("%q: %q %d %v", test.seed, host, port, err)
		}
	}
	for _, bad := range []string{"", "a b", "http://x", "x:0", "x:65536", "x:y", "[::1", "x/24"} {
		if host, port, err := SplitSeed(bad, 9338); err == nil {
			t.Errorf("%q became %q %d", bad, host, port)
		}
	}
}
