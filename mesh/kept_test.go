package mesh

import (
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/weftnet/weft/trust"
)

func TestAnAwaitedOwnerKeepsItsSubnetAgainstAnyClaimAndGetsNoOther(t *testing.T) {
	owner, k8s := claimOf(t, "a", KindAuto, 0), claimOf(t, "b", KindK8s, time.Hour)
	awaited := Assignment{subnetOf(9): owner.id}.awaiting(allBut(owner))
	for name, c := range map[string]struct {
		previous Assignment
		want     trust.Fingerprint
	}{
		"held before":     {Assignment{subnetOf(1): owner.id}, owner.id},
		"not held before": {nil, k8s.id},
	} {
		got, conflicts := Assign(c.previous, []*Claim{owner, k8s}, lawsRules, awaited)
		if got[subnetOf(1)] != c.want || len(conflicts) != 1 || conflicts[0].Owner != c.want {
			t.Errorf("%s: assignment %v, conflicts %v", name, got, conflicts)
		}
	}
}

func TestARouteDoesNotGoToAnAwaitedGateway(t *testing.T) {
	lan := netip.MustParsePrefix("192.168.7.0/24")
	route := func(name string, age time.Duration) *Claim {
		return mustSign(t, name, Claim{Name: name, Kind: KindStatic, Network: lawsRules.Network, Routes: []netip.Prefix{lan}, Since: lawsNow.Add(-age)})
	}
	away, there := route("a", time.Hour), route("b", 0)
	kept := Assignment{lan: away.id}
	if got, _ := Assign(kept, []*Claim{away, there}, lawsRules, kept.awaiting(allBut(away))); got[lan] != there.id {
		t.Error("the route goes to a gateway that is not reached")
	}
}

// restarted makes a node that knows node-1 as the owner of its subnet from the run before, and is started anew beside a node that
// claims that subnet with a better claim. The owner is down.
func restarted(t *testing.T, n *fakeNet) (owner, other, node *fakeHost) {
	t.Helper()
	owner = n.host(1, nil)
	node = n.host(2, []int{1, 3}, func(c *Config) { c.StateDir = t.TempDir() })
	other = n.host(3, nil, func(c *Config) { c.Subnet = Subnet{Kind: KindK8s, Prefixes: []netip.Prefix{subnetOf(1)}} })
	owner.start()
	node.start()
	within(t, 10*time.Second, "what is assigned counts", func() bool { return node.mesh.View().Established })
	node.tellOwners(nil)
	synctest.Wait()
	node.crash()
	owner.crash()
	other.start()
	node.start()
	return owner, other, node
}

// assign is the assignment by what gossip reaches.
func (h *fakeHost) assign(previous Assignment) Assignment {
	v := h.mesh.View()
	a, _ := v.Assign(previous, func(id trust.Fingerprint) Reach {
		alive := func(m Member) bool { return m.ID == id && m.Alive }
		if id == h.fp() || slices.ContainsFunc(v.Members, alive) {
			return Reached
		}
		return Unreached
	})
	return a
}

// tellOwners does what the node does with an assignment.
func (h *fakeHost) tellOwners(previous Assignment) { h.mesh.SetOwners(h.assign(previous)) }

func TestAnOwnerThatIsBackInTimeKeepsItsSubnetAtANodeThatIsRestarted(t *testing.T) {
	bubble(t, func(t *testing.T, n *fakeNet) {
		owner, other, node := restarted(t, n)
		within(t, 5*time.Second, "the better claim is known", allSee(node, other))
		time.Sleep(keeping - 6*time.Second)
		owner.start()
		within(t, 5*time.Second, "the owner is back", func() bool { return node.alive(owner) })
		for range 100 {
			time.Sleep(keeping / 50)
			synctest.Wait()
			if got := node.mesh.View().Conflicts; len(got) != 1 || got[0].Owner != owner.fp() || got[0].Loser != other.fp() {
				t.Fatalf("conflicts %v, want that node-1 keeps its subnet", got)
			}
		}
		if v := node.mesh.View(); v.Kept != nil || !v.Established {
			t.Errorf("long after the start: kept %v, established %v", v.Kept, v.Established)
		}
	})
}

func TestAnOwnerThatStaysAwayIsAwaitedForTenSecondsAfterTheFirstExchange(t *testing.T) {
	bubble(t, func(t *testing.T, n *fakeNet) {
		_, other, node := restarted(t, n)
		if got := node.assign(nil)[subnetOf(1)]; got == other.fp() || got.IsZero() {
			t.Error("the owner of before is not kept before a peer is heard")
		}
		within(t, 5*time.Second, "the better claim is known", func() bool { return node.mesh.View().Heard && allSee(node, other)() })
		took := within(t, keeping+time.Second, "the better claim counts", func() bool { return node.assign(nil)[subnetOf(1)] == other.fp() })
		if took < keeping-time.Second {
			t.Errorf("the owner was displaced after %v", took)
		}
		within(t, time.Second, "it is said", func() bool {
			got := node.mesh.View().Conflicts
			return len(got) == 1 && got[0].Owner == other.fp() && got[0].Kind == ConflictDisplaced
		})
	})
}

func TestOwnersAreKeptOverARestartThatComesBeforeAnybodyIsHeard(t *testing.T) {
	bubble(t, func(t *testing.T, n *fakeNet) {
		owner, other, node := restarted(t, n)
		other.crash()
		node.crash()
		node.start()
		if got := node.mesh.View().Kept; got[subnetOf(1)] != owner.fp() || got[subnetOf(2)] != node.fp() {
			t.Errorf("kept %v", got)
		}
	})
}

func TestAPeersFileOfAnEarlierBuildHasNoOwnersAndOneWithSenselessOwnersIsSetAside(t *testing.T) {
	for text, damaged := range map[string]bool{
		`{"version":1,"peers":[]}`:                                 false,
		`{"version":1,"peers":[],"owners":{"10.244.1.0/24":"xx"}}`: true,
		`{"version":1,"peers":[],"owners":{"10.244.1.0":"` + testIdentity("b").Fingerprint().String() + `"}}`:             true,
		`{"version":1,"peers":[],"owners":{"10.244.1.0/24":"` + testIdentity("b").Fingerprint().String() + `"},"new":[]}`: false,
	} {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, peersFile), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		m, err := New(testConfig(dir, nil))
		if err != nil {
			t.Fatal(err)
		}
		aside, err := filepath.Glob(filepath.Join(dir, peersFile+".damaged-*"))
		if err != nil || damaged != (len(aside) == 1) || damaged && m.View().Kept != nil {
			t.Errorf("%s: set aside %v, %v; kept %v", text, aside, err, m.View().Kept)
		}
	}
}

func TestAnAssignmentCountsThreeSecondsAfterTheFirstExchangeThoughNothingHappens(t *testing.T) {
	bubble(t, func(t *testing.T, n *fakeNet) {
		a, b := n.host(1, nil), n.host(2, []int{1})
		a.start()
		b.start()
		within(t, time.Second, "a has heard b", func() bool { return a.mesh.View().Heard })
		took := within(t, incumbency+100*time.Millisecond, "it counts", func() bool { return a.mesh.View().Established })
		if took < incumbency-100*time.Millisecond {
			t.Errorf("it counts after %v", took)
		}
		better := n.host(3, []int{1}, func(c *Config) { c.Subnet = Subnet{Kind: KindK8s, Prefixes: []netip.Prefix{subnetOf(2)}} })
		better.start()
		within(t, time.Second, "the better claim is known", func() bool { return a.sees(better) })
		if got := a.mesh.View().Conflicts; len(got) != 1 || got[0].Owner != b.fp() {
			t.Errorf("conflicts %v, want that node-2 keeps its subnet", got)
		}
	})
}

// The subnets of a restarted node stay while something lives in them, whatever others claim from whenever on.
func TestARestartedAutoNodeIsAskedWhetherItsSubnetIsInUseBeforeItMoves(t *testing.T) {
	for name, inUse := range map[string]bool{"in use": true, "not in use": false} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, n *fakeNet) {
				a := n.host(1, nil, auto("10.244.0.0/16", 24), bootstrap, func(c *Config) { c.StateDir = t.TempDir() })
				a.start()
				within(t, time.Second, "it owns", allOwn(a))
				own := a.subnets()
				a.cfg.Movable = func(subnets []netip.Prefix) bool {
					if !slices.Equal(subnets, own) {
						t.Errorf("asked for %v, it has %v", subnets, own)
					}
					return !inUse
				}
				a.crash()
				b := n.host(2, []int{1}, func(c *Config) { c.Subnet.Prefixes = own })
				b.start()
				a.start()
				within(t, 5*time.Second, "b is known", func() bool { return a.alive(b) })
				time.Sleep(time.Minute)
				synctest.Wait()
				if stayed := slices.Equal(a.subnets(), own); stayed != inUse {
					t.Errorf("it had %v, has %v", own, a.subnets())
				}
			})
		})
	}
}

func TestARestartedAutoNodeMovesNoSubnetThatItOwnedBeforeTheOthersAreKnown(t *testing.T) {
	bubble(t, func(t *testing.T, n *fakeNet) {
		a := n.host(1, nil, auto("10.244.0.0/16", 24), bootstrap, func(c *Config) { c.StateDir = t.TempDir() })
		a.start()
		within(t, time.Second, "it owns", allOwn(a))
		own := a.subnets()
		a.tellOwners(nil)
		synctest.Wait()
		a.crash()
		b := n.host(2, []int{1}, func(c *Config) { c.Subnet.Prefixes = own })
		b.start()
		a.start()
		within(t, 5*time.Second, "b is known", func() bool { return a.alive(b) })
		took := within(t, keeping+10*time.Second, "it moves", func() bool { return len(a.subnets()) == 1 && !slices.Equal(a.subnets(), own) })
		if took < keeping-time.Second {
			t.Errorf("it moved after %v", took)
		}
	})
}

func TestMessagesThatAreNotInOrderAreCountedOneByOne(t *testing.T) {
	bubble(t, func(t *testing.T, n *fakeNet) {
		a, b := n.host(1, nil), n.host(2, []int{1})
		a.start()
		b.start()
		within(t, time.Second, "both see both", allSee(a, b))
		if got := a.mesh.Counters().Bad; got != 0 {
			t.Fatalf("%d are counted of an honest peer", got)
		}
		claim := mustSign(t, "another", testContent()).raw
		forged := slices.Clone(claim)
		forged[0] ^= 1
		goodbye := signDeparture(b.id, b.boot, uint64(time.Now().UnixMilli()))
		goodbye.raw[departureBody] ^= 1
		for _, m := range [][]byte{
			{}, message(messageClaim, forged), message(messageClaim, claim[:50]), message(messageAnnounce, nil), message(messageFetch, nil),
			message(messageDeparture, nil), message(messageDeparture, goodbye.raw), message(messageGreeting, nil), message(messageRevocation, nil),
			message(messageGreeting, append(make([]byte, 32), message(messageClaim, forged)...)),
		} {
			before := a.mesh.Counters().Bad
			a.mesh.mail.post(func(o *owner) { o.message(m) })
			synctest.Wait()
			if got := a.mesh.Counters().Bad - before; got != 1 {
				t.Errorf("%x is counted %d times", m, got)
			}
		}
		before := a.mesh.Counters().Bad
		a.mesh.mail.post(func(o *owner) {
			o.mergeState(appendItem(appendItem([]byte{stateVersion}, messageClaim, forged), messageClaim, claim))
			o.message(message(99, []byte("of a later weft")))
		})
		synctest.Wait()
		if got := a.mesh.Counters().Bad - before; got != 1 {
			t.Errorf("of a state with one forged claim %d are counted", got)
		}
	})
}
