package cnishim

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/weftnet/weft/cni-shim/lease"
)

func TestTwoHundredADDsAtOnceGiveNoAddressTwice(t *testing.T) {
	s := newSite(t)
	const pods = 200
	var calls []call
	for i := range pods {
		calls = append(calls, s.pod(fmt.Sprint("pod-", i), newSpace(t)))
	}
	s.each(calls, "ADD", pods)
	seen := map[netip.Addr]string{}
	for _, r := range s.held() {
		for _, a := range r.Addresses {
			if before := seen[a]; before != "" {
				t.Errorf("%s belongs to %s and %s", a, before, r.Key)
			}
			seen[a] = r.Key.String()
		}
	}
	if len(seen) != 2*pods {
		t.Errorf("%d addresses were given, want %d", len(seen), 2*pods)
	}
	s.each(calls, "DEL", 16)
	if left := s.left(); left != "" {
		t.Errorf("left:\n%s", left)
	}
}

// A process that is killed at any point leaves nothing that GC does not find. In 'make soak' it is a thousand.
func TestSoakProcessesThatAreKilledAnywhereLeaveNothingAfterGC(t *testing.T) {
	s := newSite(t)
	s.lease(func(l *lease.Lease) { l.Subnets = prefixes("10.244.16.0/20", "fd10:244:0:1::/64") }) // none rests for want of others
	rounds := 40
	if os.Getenv("WEFT_SOAK") != "" {
		rounds = 1000
	}
	longest := s.typical()
	var lanes sync.WaitGroup
	next := make(chan int)
	var spaces []*space
	for range 4 {
		n := newSpace(t)
		spaces = append(spaces, n)
		lanes.Go(func() {
			for i := range next {
				c := s.pod(fmt.Sprint("pod-", i), n)
				c.ifname = fmt.Sprint("if", i)
				s.killed(c, i, longest)
			}
		})
	}
	for i := range rounds {
		next <- i
	}
	close(next)
	lanes.Wait()
	s.must(s.pod("gc", nil).as("GC").with("cni.dev/valid-attachments", []any{}))
	if left := s.left(); left != "" {
		t.Errorf("after GC there is left:\n%s", left)
	}
	for _, n := range spaces {
		if rules := n.run(t, "ip rule; ip -6 rule"); strings.Contains(rules, "from 10.244.") || strings.Contains(rules, "from fd10:") {
			t.Errorf("after GC a pod has the rules\n%s", rules)
		}
	}
}

// typical is how long an ADD takes here, so that kills come anywhere in it on any machine.
func (s *site) typical() time.Duration {
	s.t.Helper()
	c := s.pod("first", newSpace(s.t))
	start := time.Now()
	s.must(c)
	took := time.Since(start)
	s.must(c.as("DEL"))
	return took
}

// killed adds a pod, or adds and removes it, and kills the last of these processes somewhere. Half of the pods are removed then, as
// runtimes do it; the others are left to GC.
func (s *site) killed(c call, i int, longest time.Duration) {
	last := c
	if i%2 == 1 {
		if _, err := s.try(c); err == nil {
			last = c.as("DEL")
		}
	}
	cmd, _ := last.command(s.t.Context())
	if err := s.vm.Do(cmd.Start); err != nil {
		s.t.Error(err)
		return
	}
	kill := time.AfterFunc(time.Duration(rand.Int64N(int64(longest)*3/2)), func() { _ = cmd.Process.Kill() })
	err := cmd.Wait()
	kill.Stop()
	if exit := (*exec.ExitError)(nil); errors.As(err, &exit) && exit.Sys().(syscall.WaitStatus).Signal() != syscall.SIGKILL {
		s.t.Errorf("%s of %s: %v", last.operation, last.container, err)
	}
	if i%4 < 2 {
		s.must(c.as("DEL"))
	}
}
