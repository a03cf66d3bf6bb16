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

const testLease = 10 * time.Minute

func leased(c *Config) { c.Lease = testLease }

// knows reports whether h has a claim of o, that counts.
func (h *fakeHost) knows(o *fakeHost) bool {
	m, _ := h.member(o)
	return m.Claim != nil
}

// trio starts three nodes that see each other; the lease is short.
func trio(t *testing.T, n *fakeNet, edit ...func(*Config)) (a, b, c *fakeHost) {
	t.Helper()
	edit = append([]func(*Config){leased}, edit...)
	a, b, c = n.host(1, nil, edit...), n.host(2, []int{1}, edit...), n.host(3, []int{1}, edit...)
	for _, h := range []*fakeHost{a, b, c} {
		h.start()
	}
	within(t, 10*time.Second, "all see all", allSee(a, b, c))
	return a, b, c
}

func TestADeadNodeIsKeptAndCalledForALeaseAndThenItsSubnetIsFree(t *testing.T) {
	bubble(t, func(t *testing.T, n *fakeNet) {
		a, b, c := trio(t, n)
		c.crash()
		time.Sleep(testLease - 10*time.Second)
		synctest.Wait()
		if !a.knows(c) || !b.knows(c) || a.assign(nil)[subnetOf(3)] != c.fp() {
			t.Error("it was forgotten before its time")
		}
		called := n.dialed(c)
		within(t, 40*time.Second, "it is forgotten", func() bool { return !a.knows(c) && !b.knows(c) })
		for _, h := range []*fakeHost{a, b} {
			if _, known := h.member(c); known || len(h.mesh.View().Conflicts) > 0 {
				t.Errorf("at %v it is a member: %v; conflicts %v", h.addr, known, h.mesh.View().Conflicts)
			}
		}
		if got, taken := a.assign(nil)[subnetOf(3)]; taken {
			t.Errorf("its subnet goes to %s", got.Short())
		}
		if called < 20 {
			t.Errorf("it was called %d times meanwhile", called)
		}
		called = n.dialed(c)
		time.Sleep(time.Hour)
		synctest.Wait()
		if more := n.dialed(c) - called; more > 0 || a.knows(c) || b.knows(c) {
			t.Errorf("it was called %d times more; a and b know it: %v, %v", more, a.knows(c), b.knows(c))
		}
		c.start()
		within(t, 3*time.Second, "it is welcome with the claim that it had", allSee(a, b, c))
	})
}

func TestALeaseGoesOnOverARestartAndWhatEndedDoesNotComeBackByHearsay(t *testing.T) {
	bubble(t, func(t *testing.T, n *fakeNet) {
		a, b, c := trio(t, n, func(c *Config) {
			c.StateDir = t.TempDir()
			if c.Name == "node-2" {
				c.Lease = time.Hour // it keeps what others have forgotten, as an old build does
			}
		})
		c.crash()
		for range 3 {
			time.Sleep(testLease / 4)
			a.crash()
			a.start()
			within(t, 30*time.Second, "a and b see each other", allSee(a, b))
		}
		if !a.knows(c) {
			t.Error("it was forgotten too early")
		}
		within(t, testLease/4+company, "it is forgotten", func() bool { return !a.knows(c) })
		for range 20 {
			time.Sleep(time.Minute)
			a.crash()
			a.start()
			within(t, 30*time.Second, "a and b see each other", allSee(a, b))
			time.Sleep(time.Minute)
			synctest.Wait()
			if a.knows(c) || !b.knows(c) {
				t.Fatalf("a knows it: %v, b knows it: %v", a.knows(c), b.knows(c))
			}
		}
		c.start()
		within(t, 5*time.Second, "it is back", allSee(a, b, c))
	})
}

func TestALeaseEndsForWhoJoinsLaterWhenItEndsForTheOthers(t *testing.T) {
	bubble(t, func(t *testing.T, n *fakeNet) {
		a, b, c := trio(t, n)
		c.crash()
		time.Sleep(testLease - 2*time.Minute)
		late := n.host(4, []int{2}, leased)
		late.start()
		within(t, 10*time.Second, "late has heard of all", func() bool { return late.sees(a, b) && late.knows(c) })
		within(t, 3*time.Minute, "all have forgotten it", func() bool { return !a.knows(c) && !b.knows(c) && !late.knows(c) })
	})
}

func TestANodeThatIsAloneForgetsNobody(t *testing.T) {
	bubble(t, func(t *testing.T, n *fakeNet) {
		a, b, c := trio(t, n, func(c *Config) { c.Seeds = slices.Clone(c.Seeds[:min(len(c.Seeds), 1)]) })
		b.crash()
		c.crash()
		time.Sleep(10 * testLease)
		synctest.Wait()
		if !a.knows(b) || !a.knows(c) {
			t.Fatal("it has forgotten the others")
		}
		b.cfg.Seeds = nil // so a has to call
		b.start()
		within(t, 40*time.Second, "a has found b", allSee(a, b))
		within(t, 2*company, "who is still away is forgotten", func() bool { return !a.knows(c) })
	})
}

func TestALeaseDoesNotRunWhileAPathWorks(t *testing.T) {
	bubble(t, func(t *testing.T, n *fakeNet) {
		up := true
		a, _, c := trio(t, n, func(c *Config) {
			if c.Name == "node-1" {
				c.Present = func(id trust.Fingerprint) bool { return up && id == testIdentity("node3").Fingerprint() }
			}
		})
		c.crash()
		time.Sleep(3 * testLease)
		synctest.Wait()
		if !a.knows(c) {
			t.Error("it was forgotten though a path works")
		}
		a.mesh.mail.post(func(*owner) { up = false })
		time.Sleep(testLease - time.Minute)
		synctest.Wait()
		if !a.knows(c) {
			t.Error("its lease did not begin when the path went")
		}
		within(t, 2*time.Minute, "it is forgotten", func() bool { return !a.knows(c) })
	})
}

func TestAFullNetworkReclaimsTheAutomaticSubnetOfWhoIsAwayLongest(t *testing.T) {
	bubble(t, func(t *testing.T, n *fakeNet) {
		var hosts []*fakeHost
		small := auto("10.244.0.0/21", 24)
		for i := 1; i <= 8; i++ {
			h := n.host(i, []int{1, 2}, small, func(c *Config) { c.StateDir = t.TempDir() })
			h.start()
			hosts = append(hosts, h)
		}
		within(t, 10*time.Second, "all own", allOwn(hosts...))
		longest, shorter := hosts[6], hosts[7]
		was := longest.subnets()
		longest.crash()
		time.Sleep(2 * time.Minute)
		shorter.crash()
		time.Sleep(reclaimAfter - 4*time.Minute)
		late := n.host(9, []int{1}, small)
		late.start()
		within(t, 10*time.Second, "the ninth says full", func() bool { return late.mesh.View().SelfState.Phase == SelfFull })
		time.Sleep(90 * time.Second)
		synctest.Wait()
		if len(late.subnets()) > 0 {
			t.Error("it took the subnet of a node that was away for a few minutes")
		}
		within(t, 2*time.Minute, "it has the subnet of who is away longest", func() bool { return slices.Equal(late.subnets(), was) })
		if !hosts[0].knows(shorter) || hosts[0].knows(longest) {
			t.Errorf("known: the longest %v, the shorter %v", hosts[0].knows(longest), hosts[0].knows(shorter))
		}
		time.Sleep(time.Minute)
		shorter.start()
		longest.start()
		within(t, 10*time.Second, "who was away is back", func() bool { return hosts[0].alive(longest) && hosts[0].alive(shorter) })
		within(t, 10*time.Second, "and has no subnet", func() bool { return longest.mesh.View().SelfState.Phase == SelfFull })
		if !slices.Equal(late.subnets(), was) || len(shorter.subnets()) != 1 {
			t.Errorf("the ninth has %v, the shorter %v", late.subnets(), shorter.subnets())
		}
	})
}

func TestAnAutomaticSubnetThatWasAwayForALeaseIsClaimedAnew(t *testing.T) {
	bubble(t, func(t *testing.T, n *fakeNet) {
		wide := auto("10.244.0.0/16", 24)
		a := n.host(1, nil, wide, bootstrap, leased)
		b := n.host(2, []int{1}, wide, leased, func(c *Config) { c.StateDir = t.TempDir() })
		a.start()
		b.start()
		within(t, 10*time.Second, "both own", allOwn(a, b))
		before := b.mesh.View().Self
		b.crash()
		for i, away := range []time.Duration{testLease / 2, 2 * testLease} {
			time.Sleep(away)
			b.start()
			within(t, 10*time.Second, "both own", allOwn(a, b))
			after := b.mesh.View().Self
			if anew := after.Since.After(before.Since); anew != (i == 1) || !slices.Equal(after.Subnets, before.Subnets) {
				t.Errorf("after %v: %v since %v, was %v since %v", away, after.Subnets, after.Since, before.Subnets, before.Since)
			}
			b.crash()
		}
	})
}

func TestDroppedVersionsAreBoundedAndTheOldestGoFirst(t *testing.T) {
	d := dropped{}
	id := func(i int) trust.Fingerprint { return trust.Fingerprint{byte(i >> 8), byte(i)} }
	for i := range maxDropped + 10 {
		d.add(id(i), 1, nil, lawsNow.Add(time.Duration(i)*time.Second))
	}
	if _, oldest := d[id(9)]; oldest || len(d) != maxDropped {
		t.Errorf("%d are kept, the tenth is among them: %v", len(d), oldest)
	}
	c := claimOf(t, "x", KindStatic, 0)
	d.add(c.id, c.Version, c, lawsNow.Add(time.Hour))
	newer := mustSign(t, "x", Claim{Version: c.Version + 1, Name: "x", Kind: KindStatic, Network: []netip.Prefix{testNetwork}})
	if !d.bars(c) || d.bars(newer) || d.bars(c) {
		t.Error("the version that was dropped comes back, or a newer one does not end that")
	}
}

// What a member invents does not push out what is known of heirs, nor is an heir's claim kept under another's name.
func TestHeirsAreTheLastOfWhatWasDroppedToGo(t *testing.T) {
	d, old, next := dropped{}, testIdentity("old"), testIdentity("next")
	heir, err := Sign(next, Claim{
		Version: 1, Name: "x", Kind: KindStatic, Network: []netip.Prefix{testNetwork}, Predecessors: []Predecessor{bequeath(old, next.Fingerprint())},
	})
	if err != nil {
		t.Fatal(err)
	}
	d.add(heir.id, 1, heir, lawsNow)
	for i := range 2 * maxDropped {
		d.add(trust.Fingerprint{byte(i >> 8), byte(i)}, 1, nil, lawsNow.Add(time.Hour))
	}
	if len(d) != maxDropped || heirsOf(d.heirs())[old.Fingerprint()] != heir {
		t.Errorf("%d are kept, the heir is not among them", len(d))
	}
	record := dropRecord{ID: heir.id.String(), Heir: heir.raw}
	if c, err := record.heir(); err != nil || c.id != heir.id {
		t.Errorf("read back: %v", err)
	}
	record.ID = old.Fingerprint().String()
	if _, err := record.heir(); err == nil {
		t.Error("taken under another's name")
	}
}

func TestAPeersFileWithADamagedDropIsSetAside(t *testing.T) {
	fine := trust.Fingerprint{1}.String()
	for _, drop := range []string{`"id":"x"`, `"id":"` + fine + `","heir":"eA=="`} {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, peersFile), []byte(`{"version":1,"peers":[],"dropped":[{"claim_version":1,`+drop+`}]}`), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := New(testConfig(dir, nil)); err != nil {
			t.Fatal(err)
		}
		if aside, err := filepath.Glob(filepath.Join(dir, peersFile+".damaged-*")); err != nil || len(aside) != 1 {
			t.Errorf("%s: set aside %v, %v", drop, aside, err)
		}
	}
}
