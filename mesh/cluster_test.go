package mesh

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/weftnet/weft/trust"
)

func TestThreeNodesStartedOneAfterAnotherKnowEachOtherWithinHalfASecond(t *testing.T) {
	bubble(t, func(t *testing.T, n *fakeNet) {
		a, b, c := n.host(1, nil), n.host(2, []int{1}), n.host(3, []int{1})
		a.start()
		time.Sleep(700 * time.Millisecond)
		b.start()
		time.Sleep(700 * time.Millisecond)
		c.start()
		took := within(t, 500*time.Millisecond, "all see all", allSee(a, b, c))
		t.Logf("took %v", took)
	})
}

func TestTenNodesStartedAtOnceKnowEachOtherWithinFourSeconds(t *testing.T) {
	bubble(t, func(t *testing.T, n *fakeNet) {
		var hosts []*fakeHost
		for i := 1; i <= 10; i++ {
			hosts = append(hosts, n.host(i, []int{1, 2}))
		}
		for _, h := range hosts {
			h.start()
		}
		took := within(t, 4*time.Second, "all see all", allSee(hosts...))
		t.Logf("took %v", took)
	})
}

func TestStreamsTellHowPeersSeeUs(t *testing.T) {
	bubble(t, func(t *testing.T, n *fakeNet) {
		a, b := n.host(1, nil), n.host(2, []int{1})
		a.start()
		b.start()
		within(t, time.Second, "both see both", allSee(a, b))
		m, _ := b.member(a)
		if want := netip.AddrPortFrom(b.addr, DefaultPort); m.SeesUsAs != want {
			t.Errorf("b: SeesUsAs = %v, want %v", m.SeesUsAs, want)
		}
		m, _ = a.member(b)
		if want := netip.AddrPortFrom(b.addr, DefaultPort); !slices.Contains(m.Observed, want) {
			t.Errorf("a: Observed = %v, want %v in it", m.Observed, want)
		}
	})
}

func TestACrashedNodeIsDeadButNotLeft(t *testing.T) {
	bubble(t, func(t *testing.T, n *fakeNet) {
		a, b, c := n.host(1, nil), n.host(2, []int{1}), n.host(3, []int{1})
		a.start()
		b.start()
		c.start()
		within(t, time.Second, "all see all", allSee(a, b, c))
		c.crash()
		took := within(t, 15*time.Second, "c is dead", func() bool { return !a.alive(c) && !b.alive(c) })
		t.Logf("took %v", took)
		m, _ := a.member(c)
		if m.Left || m.Claim == nil {
			t.Errorf("Left = %v, claim %v: want not left, with claim", m.Left, m.Claim)
		}
	})
}

func TestANodeThatRestartsAtOnceIsSeenAgainWithinASecond(t *testing.T) {
	bubble(t, func(t *testing.T, n *fakeNet) {
		a, b, c := n.host(1, nil), n.host(2, []int{1}), n.host(3, []int{1})
		a.start()
		b.start()
		c.start()
		within(t, time.Second, "all see all", allSee(a, b, c))
		old := b.mesh.View().Self.Version
		b.crash()
		b.start() // without its state directory: it must jump past its old version
		within(t, time.Second, "the new claim of b is known", func() bool {
			m, _ := a.member(b)
			return allSee(a, b, c)() && m.Claim.Version > old && m.Claim.Version == b.mesh.View().Self.Version
		})
		time.Sleep(20 * time.Second) // the old boot is declared dead meanwhile
		synctest.Wait()
		if !allSee(a, b, c)() {
			t.Error("b was lost when its old boot died")
		}
	})
}

func TestASeedThatCameBackIsJoinedAgain(t *testing.T) {
	bubble(t, func(t *testing.T, n *fakeNet) {
		a, b := n.host(1, nil), n.host(2, []int{1})
		a.start()
		b.start()
		within(t, time.Second, "both see both", allSee(a, b))
		a.crash()
		within(t, 15*time.Second, "a is dead", func() bool { return !b.alive(a) })
		time.Sleep(10 * time.Minute)
		synctest.Wait()
		if s := b.mesh.View().Seeds[0]; s.OK || s.LastError == "" || s.Tries == 0 {
			t.Errorf("seed status = %+v, want not OK, with its error", s)
		}
		a.start()
		took := within(t, 10*time.Second, "both see both", allSee(a, b))
		t.Logf("took %v", took)
		within(t, time.Second, "the seed is OK", func() bool {
			s := b.mesh.View().Seeds[0]
			return s.OK && s.Peer == "node-1" && s.LastError == ""
		})
	})
}

func TestAPartitionHealsWithinTenSecondsHoweverLongItWas(t *testing.T) {
	for _, length := range []time.Duration{12 * time.Second, 29 * time.Second, 35 * time.Second, time.Hour} {
		t.Run(length.String(), func(t *testing.T) {
			bubble(t, func(t *testing.T, n *fakeNet) { partition(t, n, length) })
		})
	}
}

func partition(t *testing.T, n *fakeNet, length time.Duration) {
	var hosts []*fakeHost
	for i := 1; i <= 4; i++ {
		hosts = append(hosts, n.host(i, []int{1}))
		hosts[i-1].start()
	}
	within(t, 2*time.Second, "all see all", allSee(hosts...))
	cut := func(on bool) {
		for _, x := range hosts[:2] {
			for _, y := range hosts[2:] {
				n.setCut(x.addr, y.addr, on)
			}
		}
	}
	cut(true)
	time.Sleep(length)
	synctest.Wait()
	if length > 25*time.Second && (hosts[0].alive(hosts[2]) || hosts[3].alive(hosts[1])) {
		t.Error("the other side of the partition is still alive")
	}
	if !hosts[0].alive(hosts[1]) || !hosts[2].alive(hosts[3]) {
		t.Error("the own side of the partition is dead")
	}
	cut(false)
	took := within(t, 10*time.Second, "all see all", allSee(hosts...))
	t.Logf("took %v", took)
}

func TestACutLinkBetweenTwoMembersDoesNotKillThem(t *testing.T) {
	bubble(t, func(t *testing.T, n *fakeNet) {
		a, b, c := n.host(1, nil), n.host(2, []int{1}), n.host(3, []int{1})
		a.start()
		b.start()
		c.start()
		within(t, time.Second, "all see all", allSee(a, b, c))
		n.setCut(a.addr, b.addr, true)
		for range 60 {
			time.Sleep(time.Second)
			synctest.Wait()
			if !a.alive(b) || !b.alive(a) {
				t.Fatal("a and b, which both reach c, lost each other")
			}
		}
	})
}

func TestANodeThatIsTooBusyToSendSuspectsNobody(t *testing.T) {
	bubble(t, func(t *testing.T, n *fakeNet) {
		a, b, c := n.host(1, nil), n.host(2, []int{1}), n.host(3, []int{1})
		a.start()
		b.start()
		c.start()
		within(t, time.Second, "all see all", allSee(a, b, c))
		a.full.Store(true)
		before := n.dialed(b) + n.dialed(c)
		for range 60 {
			time.Sleep(time.Second)
			synctest.Wait()
			if !allSee(a, b, c)() {
				t.Fatal("a node was taken for dead though only the packets of a were not sent")
			}
		}
		if got := a.mesh.Counters().Unsent; got < 60 {
			t.Errorf("%d packets counted as unsent in a minute", got)
		}
		if calls := n.dialed(b) + n.dialed(c) - before; calls > 20 { // exchanges of state, and answers of a on streams
			t.Errorf("%d streams in a minute: a doubts the others", calls)
		}
		if got := b.mesh.Counters().Unsent; got != 0 {
			t.Errorf("b counted %d packets as unsent", got)
		}
	})
}

func TestSetLocalRaisesTheClaimOnlyWhenSomethingChanged(t *testing.T) {
	bubble(t, func(t *testing.T, n *fakeNet) {
		a, b := n.host(1, nil), n.host(2, []int{1})
		a.start()
		b.start()
		within(t, time.Second, "both see both", allSee(a, b))
		local := Local{Endpoints: []netip.AddrPort{netip.AddrPortFrom(a.addr, DefaultPort)}, UnderlayMTU: 1500, MinVersion: 1, MaxVersion: 1}
		before := a.mesh.View().Self
		a.mesh.SetLocal(local)
		synctest.Wait()
		if got := a.mesh.View().Self; got != before {
			t.Errorf("version went from %d to %d though nothing changed", before.Version, got.Version)
		}
		local.UnderlayMTU = 9000
		a.mesh.SetLocal(local)
		within(t, 500*time.Millisecond, "b knows", func() bool {
			m, _ := b.member(a)
			return m.Claim.UnderlayMTU == 9000 && m.Claim.Version == before.Version+1
		})
	})
}

func TestALongClaimIsFetchedByItsDigest(t *testing.T) {
	bubble(t, func(t *testing.T, n *fakeNet) {
		many := func(c *Config) {
			for i := range 200 {
				c.Routes = append(c.Routes, netip.PrefixFrom(netip.AddrFrom4([4]byte{172, 16, byte(i), 0}), 24))
			}
		}
		a, b, c := n.host(1, nil), n.host(2, []int{1}), n.host(3, []int{1}, many)
		a.start()
		b.start()
		within(t, time.Second, "both see both", allSee(a, b))
		c.start()
		took := within(t, time.Second, "all see all", allSee(a, b, c))
		t.Logf("took %v", took)
		m, _ := b.member(c)
		if len(m.Claim.Routes) != 200 || len(m.Claim.raw) <= maxGossipClaim {
			t.Errorf("claim with %d routes in %d bytes", len(m.Claim.Routes), len(m.Claim.raw))
		}
	})
}

func TestASeedThatIsThisNodeItselfIsNotAnError(t *testing.T) {
	bubble(t, func(t *testing.T, n *fakeNet) {
		a := n.host(1, []int{1})
		a.start()
		within(t, time.Second, "the seed is OK", func() bool { return a.mesh.View().Seeds[0].OK })
		if s := a.mesh.View().Seeds[0]; s.Peer != "node-1" || !s.Self || s.LastError != "" {
			t.Errorf("seed status = %+v", s)
		}
	})
}

func TestASeedNameOfAllNodesLeadsToTheOthers(t *testing.T) {
	bubble(t, func(t *testing.T, n *fakeNet) {
		all := func(c *Config) {
			c.Seeds = []string{"weft.example"}
			c.Resolver = fakeResolver{"weft.example": {addrOf(1), addrOf(2), addrOf(3)}}
		}
		a, b, c := n.host(1, nil, all), n.host(2, nil, all), n.host(3, nil, all)
		a.start()
		b.start()
		c.start()
		within(t, 2*time.Second, "all see all", allSee(a, b, c))
	})
}

func TestASeedThatCannotBeResolvedSaysSo(t *testing.T) {
	bubble(t, func(t *testing.T, n *fakeNet) {
		a := n.host(1, nil, func(c *Config) {
			c.Seeds = []string{"nowhere.example:77"}
			c.Resolver = fakeResolver{}
		})
		a.start()
		within(t, time.Second, "it says so", func() bool { return a.mesh.View().Seeds[0].Tries > 1 })
		if got, want := a.mesh.View().Seeds[0].LastError, "look up nowhere.example: no such host"; got != want {
			t.Errorf("LastError = %q, want %q", got, want)
		}
	})
}

type fakeResolver map[string][]netip.Addr

func (r fakeResolver) LookupNetIP(_ context.Context, _, host string) ([]netip.Addr, error) {
	if at, ok := r[host]; ok {
		return at, nil
	}
	return nil, fmt.Errorf("no such host")
}

func TestAMeshRunsOnceAndEndsCleanlyBeforeAnythingHappened(t *testing.T) {
	bubble(t, func(t *testing.T, n *fakeNet) {
		a := n.host(1, []int{2, 3})
		a.start()
		a.stop()
		if err := a.mesh.Run(context.Background()); err == nil {
			t.Error("a second Run worked")
		}
		if err := a.mesh.Leave(context.Background()); err != nil {
			t.Errorf("Leave after Run = %v", err)
		}
	})
}

func TestFivePercentLossKillsNobodyInTenMinutes(t *testing.T) {
	bubble(t, func(t *testing.T, n *fakeNet) {
		var hosts []*fakeHost
		for i := 1; i <= 6; i++ {
			hosts = append(hosts, n.host(i, []int{1}))
			hosts[i-1].start()
		}
		within(t, 2*time.Second, "all see all", allSee(hosts...))
		n.setLoss(0.05)
		for range 600 {
			time.Sleep(time.Second)
			synctest.Wait()
			if !allSee(hosts...)() {
				t.Fatal("somebody lost somebody")
			}
		}
	})
}

func TestNodesThatHaveOnlyStreamsStayMembersAndLearnAllClaims(t *testing.T) {
	bubble(t, func(t *testing.T, n *fakeNet) {
		n.setLoss(1)
		a, b, c := n.host(1, nil), n.host(2, []int{1}), n.host(3, []int{1, 2})
		for _, h := range []*fakeHost{a, b, c} {
			h.start()
			time.Sleep(5 * time.Second)
		}
		within(t, 2*time.Second, "all see all", allSee(a, b, c))
		for range 60 {
			time.Sleep(time.Second)
			synctest.Wait()
			if !allSee(a, b, c)() {
				t.Fatal("somebody lost somebody though streams work")
			}
		}
	})
}

func TestAMemberWithoutAClaimIsAskedForSeldom(t *testing.T) {
	bubble(t, func(t *testing.T, n *fakeNet) {
		a, b := n.host(1, nil), n.host(2, []int{1})
		a.start()
		b.start()
		within(t, time.Second, "both see both", allSee(a, b))
		a.mesh.mail.post(func(o *owner) { o.presence(memberName{id: trust.Fingerprint{1}}, true, nil) })
		synctest.Wait()
		before := n.dialed(b)
		time.Sleep(10 * time.Minute)
		synctest.Wait()
		if calls := n.dialed(b) - before; calls < 10 || calls > 60 {
			t.Errorf("%d exchanges in ten minutes", calls)
		}
	})
}

func TestFortyNodesStartedAtOnceKnowEachOtherWithinTenSeconds(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds of real time")
	}
	bubble(t, func(t *testing.T, n *fakeNet) {
		var hosts []*fakeHost
		for i := 1; i <= 40; i++ {
			hosts = append(hosts, n.host(i, []int{1, 2, 3}))
		}
		for _, h := range hosts {
			h.start()
		}
		took := within(t, 10*time.Second, "all see all", allSee(hosts...))
		t.Logf("took %v", took)
	})
}
