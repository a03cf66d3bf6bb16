package mesh

import (
	"os"
	"slices"
	"testing"
	"testing/synctest"
	"time"
)

// soak is a cluster of the real memberlist over an underlay in memory, in virtual time: small in every run of the tests, of 100 nodes
// and with hours instead of minutes where WEFT_SOAK is set.
type soak struct {
	t     *testing.T
	net   *fakeNet
	hosts []*fakeHost
}

func soaking() bool { return os.Getenv("WEFT_SOAK") != "" }

// soakSize is how many nodes there are.
func soakSize() int {
	if soaking() {
		return 100
	}
	return 24
}

// soakTime is a span of the long run, or its short form.
func soakTime(long, short time.Duration) time.Duration {
	if soaking() {
		return long
	}
	return short
}

// soakBubble runs a test on a cluster of soakSize nodes with three seeds and round trips of 50 ms, all started at once.
func soakBubble(t *testing.T, test func(s *soak)) {
	bubble(t, func(t *testing.T, n *fakeNet) {
		n.delay = 25 * time.Millisecond
		s := &soak{t: t, net: n}
		for i := 1; i <= soakSize(); i++ {
			h := n.host(i, []int{1, 2, 3}, func(c *Config) { c.StateDir = t.TempDir() })
			s.hosts = append(s.hosts, h)
			h.start()
		}
		s.settle("all know all after a cold start", 15*time.Second)
		test(s)
	})
}

// settle waits until all know all, and says how long that took and what it cost.
func (s *soak) settle(what string, limit time.Duration) {
	s.t.Helper()
	begun, bytes, streams := time.Now(), s.net.bytes.Load(), s.net.streams.Load()
	all := allSee(s.hosts...)
	for synctest.Wait(); !all(); synctest.Wait() {
		if time.Since(begun) > limit {
			s.t.Fatalf("after %v: not so that %s", limit, what)
		}
		time.Sleep(100 * time.Millisecond)
	}
	each := int64(len(s.hosts))
	s.t.Logf("%s: %v, %d kB and %.1f streams for each of %d nodes", what, time.Since(begun).Round(100*time.Millisecond),
		(s.net.bytes.Load()-bytes)/each/1000, float64(s.net.streams.Load()-streams)/float64(each), each)
}

// load is how many bytes each node sends in a second.
func (s *soak) load(over time.Duration) float64 {
	before := s.net.bytes.Load()
	time.Sleep(over)
	synctest.Wait()
	return float64(s.net.bytes.Load()-before) / over.Seconds() / float64(len(s.hosts))
}

// deaths counts the members that anybody has as dead.
func (s *soak) deaths() (dead int) {
	for _, h := range s.hosts {
		for _, m := range h.mesh.View().Members {
			if !m.Alive {
				dead++
			}
		}
	}
	return dead
}

// setCut cuts the first half off from the second, or joins them.
func (s *soak) setCut(cut bool) {
	half := len(s.hosts) / 2
	for _, x := range s.hosts[:half] {
		for _, y := range s.hosts[half:] {
			s.net.setCut(x.addr, y.addr, cut)
		}
	}
}

func TestSoakControlTrafficAtRestIsLittleAndANodeThatJoinsIsKnownSoon(t *testing.T) {
	soakBubble(t, func(s *soak) {
		time.Sleep(3 * time.Minute)
		got := s.load(soakTime(30*time.Minute, 5*time.Minute))
		t.Logf("%.2f kB/s for each of %d nodes at rest", got/1000, len(s.hosts))
		if got > 4000 {
			t.Errorf("%.0f bytes a second, want 4000 at most", got)
		}
		late := s.net.host(len(s.hosts)+1, []int{1, 2, 3})
		s.hosts = append(s.hosts, late)
		late.start()
		s.settle("all know who joined", 3*time.Second)
	})
}

func TestSoakAPartitionHealsWithinTenSeconds(t *testing.T) {
	soakBubble(t, func(s *soak) {
		s.setCut(true)
		time.Sleep(soakTime(time.Hour, 5*time.Minute))
		synctest.Wait()
		half := len(s.hosts) / 2
		if want := 2 * half * (len(s.hosts) - half); s.deaths() != want {
			t.Errorf("%d are dead to each other, want %d: all of the other half", s.deaths(), want)
		}
		s.setCut(false)
		s.settle("all know all after the partition", 10*time.Second)
	})
}

func TestSoakAllThatRestartAtOnceConvergeWithoutAStorm(t *testing.T) {
	soakBubble(t, func(s *soak) {
		for _, keep := range []bool{true, false} {
			time.Sleep(time.Minute)
			for _, h := range s.hosts {
				s.net.remove(h)
				h.cancel()
			}
			for _, h := range s.hosts {
				h.stop()
				if !keep {
					h.cfg.StateDir = t.TempDir()
				}
			}
			time.Sleep(s.net.delay) // until what they have sent is gone
			synctest.Wait()
			bytes, streams := s.net.bytes.Load(), s.net.streams.Load()
			for _, h := range s.hosts {
				h.start()
			}
			s.settle("all know all after all were restarted", 15*time.Second)
			time.Sleep(soakTime(time.Minute, 30*time.Second))
			each := float64(len(s.hosts))
			perNode, opened := float64(s.net.bytes.Load()-bytes)/each, float64(s.net.streams.Load()-streams)/each
			t.Logf("state kept: %v; in all %.0f kB and %.1f streams for each node", keep, perNode/1000, opened)
			if most := 25 * each * 1000; opened > 25 || perNode > most {
				t.Errorf("%.1f streams and %.0f bytes for each node, want 25 and %.0f at most", opened, perNode, most)
			}
		}
		if s.deaths() > 0 {
			t.Errorf("%d are dead", s.deaths())
		}
	})
}

func TestSoakLossOfFivePercentKillsNobody(t *testing.T) {
	soakBubble(t, func(s *soak) {
		s.net.setLoss(0.05)
		for range soakTime(30*time.Minute, 5*time.Minute) / (10 * time.Second) {
			time.Sleep(10 * time.Second)
			synctest.Wait()
			if dead := s.deaths(); dead > 0 {
				t.Fatalf("%d are dead", dead)
			}
		}
		if i := slices.IndexFunc(s.hosts, func(h *fakeHost) bool { return !h.sees(s.hosts...) }); i >= 0 {
			t.Errorf("%s does not know all", s.hosts[i].cfg.Name)
		}
	})
}
