package mesh

import (
	"bytes"
	"errors"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/weftnet/weft/trust"
)

// become ends a host as it may end, and starts it under another identity.
func (h *fakeHost) become(t *testing.T, id *trust.Identity, end func()) {
	t.Helper()
	if err := Succeed(h.cfg.StateDir, h.id, id); err != nil {
		t.Fatal(err)
	}
	end()
	h.net.remove(h)
	time.Sleep(time.Second) // what is on its way to the old one arrives
	synctest.Wait()
	h.id, h.cfg.Identity = id, id
	h.start()
}

func TestASuccessorOwnsAtOnceWhatTheOldIdentityOwnedAndThatOneIsForgotten(t *testing.T) {
	dir := t.TempDir()
	bubble(t, func(t *testing.T, n *fakeNet) {
		a := n.host(1, nil, func(c *Config) { c.Bootstrap = true })
		b := n.host(2, []int{1}, func(c *Config) { c.StateDir, c.Subnet = dir, Subnet{Kind: KindAuto} })
		third := n.host(3, []int{1})
		for _, h := range []*fakeHost{a, b, third} {
			h.start()
		}
		within(t, 20*time.Second, "all see each other", allSee(a, b, third))
		time.Sleep(10 * time.Second)
		was := b.subnets()
		for i, end := range []func(){b.crash, b.stop} {
			b.become(t, testIdentity("successor "+string(rune('0'+i))), end)
			within(t, 5*time.Second, "the successor owns it", func() bool {
				return a.sees(b) && third.sees(b) && slices.Equal(b.subnets(), was)
			})
			for _, h := range []*fakeHost{a, b, third} {
				if got := len(h.mesh.View().Members); got > 3 {
					t.Errorf("%d members at %v", got, h.addr)
				}
				if _, conflicts := Assign(nil, h.mesh.View().Claims, h.mesh.View().Rules, func(trust.Fingerprint) Reach { return Reached }); len(conflicts) > 0 {
					t.Errorf("conflicts: %v", conflicts)
				}
			}
		}
	})
}

// Whoever is replaced twice before a start leaves what the first of the three owned to the last.
func TestASuccessionPassesOnWhatNeverBegan(t *testing.T) {
	dir, ids := t.TempDir(), []*trust.Identity{testIdentity("one"), testIdentity("two"), testIdentity("three")}
	own, err := Sign(ids[0], Claim{Version: 7, Name: "n", Kind: KindAuto, Network: []netip.Prefix{testNetwork}, Since: time.UnixMilli(5)})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, claimFile), encodeClaimFile(own), 0o600); err != nil {
		t.Fatal(err)
	}
	for i := range ids[1:] {
		if err := Succeed(dir, ids[i], ids[i+1]); err != nil {
			t.Fatal(err)
		}
	}
	s := store{dir, slog.New(slog.DiscardHandler), time.Now()}
	claim, _, err := s.load(ids[2].Fingerprint())
	if err != nil || claim != nil {
		t.Fatalf("%v, %v", claim, err)
	}
	first, released, err := s.inherit(ids[2].Fingerprint(), claim)
	if err != nil || first == nil || first.ID() != ids[2].Fingerprint() || !first.Since.Equal(own.Since) || len(released) != 2 {
		t.Fatalf("%+v, %d released, %v", first, len(released), err)
	}
	if p := first.Predecessors; len(p) != 2 || p[0].ID() != ids[1].Fingerprint() || p[1].ID() != own.ID() {
		t.Errorf("%d predecessors", len(p))
	}
	if c := released[0]; c.ID() != own.ID() || c.Version <= own.Version || c.Kind != KindReleased || len(c.Endpoints) > 0 {
		t.Errorf("released %+v", c)
	}
	if first, released, err := s.inherit(ids[0].Fingerprint(), own); first != own || len(released) > 0 || err != nil {
		t.Error("a succession is of use to another identity than the one that it is for")
	}
}

func TestASuccessionThatCannotBeWrittenChangesNothing(t *testing.T) {
	dir, random := t.TempDir(), bytes.NewReader(bytes.Repeat([]byte{7}, 96))
	old, _, err := trust.LoadIdentity(dir, random)
	if err != nil {
		t.Fatal(err)
	}
	claim, err := Sign(old, Claim{Version: 1, Name: "n", Kind: KindAuto, Network: []netip.Prefix{testNetwork}})
	if err != nil {
		t.Fatal(err)
	}
	err = errors.Join(os.WriteFile(filepath.Join(dir, claimFile), encodeClaimFile(claim), 0o600), os.Mkdir(filepath.Join(dir, SuccessionFile), 0o700))
	if err != nil {
		t.Fatal(err)
	}
	_, _, err = trust.ReplaceIdentity(dir, random, func(old, next *trust.Identity) error { return Succeed(dir, old, next) })
	if err == nil {
		t.Error("no error")
	}
	if id, created, err := trust.LoadIdentity(dir, random); err != nil || created || id.Fingerprint() != old.Fingerprint() {
		t.Errorf("the key is another one: %v", err)
	}
}

// usurp starts a host elsewhere with a key that was replaced, and a claim newer than any that its successor can have released.
func (n *fakeNet) usurp(i int, of *fakeHost, old *trust.Identity, seeds []int) *fakeHost {
	n.t.Helper()
	thief := n.host(i, seeds, func(c *Config) { c.Name, c.Subnet, c.StateDir = of.cfg.Name, of.cfg.Subnet, n.t.TempDir() })
	thief.id = old
	claim, err := Sign(old, Claim{
		Version: 1 << 40, Name: of.cfg.Name, Kind: of.cfg.Subnet.Kind, Network: of.cfg.Network, Subnets: of.cfg.Subnet.Prefixes, Since: time.UnixMilli(1),
	})
	if err != nil {
		n.t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(thief.cfg.StateDir, claimFile), encodeClaimFile(claim), 0o600); err != nil {
		n.t.Fatal(err)
	}
	return thief
}

func TestWhoHasAReplacedKeyTakesNothingBackWhileTheSuccessorIsDown(t *testing.T) {
	bubble(t, func(t *testing.T, n *fakeNet) {
		a, third := n.host(1, nil), n.host(3, []int{1})
		b := n.host(2, []int{1}, func(c *Config) { c.StateDir = t.TempDir() })
		for _, h := range []*fakeHost{a, b, third} {
			h.start()
		}
		within(t, 10*time.Second, "all see each other", allSee(a, b, third))
		old := b.id
		b.become(t, testIdentity("heir"), b.stop)
		within(t, 10*time.Second, "the successor is known", allSee(a, b, third))
		b.crash()
		within(t, 30*time.Second, "it is dead", func() bool { return !a.alive(b) && !third.alive(b) })
		thief := n.usurp(4, b, old, []int{1})
		thief.start()
		late := n.host(5, []int{1})
		late.start()
		within(t, 20*time.Second, "the thief is refused", func() bool {
			for _, h := range []*fakeHost{a, third, late} {
				if why := thief.refusedBy(h); !strings.HasPrefix(why, "its key was replaced: node-2 ("+b.fp().Short()+")") {
					return false
				}
			}
			return true
		})
		time.Sleep(time.Minute)
		synctest.Wait()
		if s := thief.mesh.View().SelfState; s.Phase != SelfConflict || !strings.Contains(s.Reason, "its key was replaced, node-2 (") {
			t.Errorf("it is told %+v", s)
		}
		for _, h := range []*fakeHost{a, third, late} {
			if got := h.assign(nil)[subnetOf(2)]; got != b.fp() {
				t.Errorf("at %v it goes to %s", h.addr, got.Short())
			}
		}
	})
}

// Who has the old key of a node, and is a member, has the others forget its heir while that is away, and comes then.
func TestAReplacedKeyIsWorthNothingWhenItsHeirIsForgotten(t *testing.T) {
	bubble(t, func(t *testing.T, n *fakeNet) {
		a, third := n.host(1, nil, stated(t)), n.host(3, []int{1}, stated(t))
		b := n.host(2, []int{1}, stated(t))
		for _, h := range []*fakeHost{a, b, third} {
			h.start()
		}
		within(t, 10*time.Second, "all see each other", allSee(a, b, third))
		old := b.id
		b.become(t, testIdentity("heir"), b.stop)
		within(t, 10*time.Second, "the successor is known", allSee(a, b, third))
		b.crash()
		within(t, 30*time.Second, "it is dead", func() bool { return !a.alive(b) && !third.alive(b) })
		if err := third.mesh.Forget(t.Context(), b.fp()); err != nil {
			t.Fatal(err)
		}
		within(t, 10*time.Second, "it is forgotten", func() bool { return !a.knows(b) && !third.knows(b) })
		thief := n.usurp(4, b, old, []int{1})
		thief.start()
		refused := func() bool {
			return strings.HasPrefix(thief.refusedBy(a), "its key was replaced") && strings.HasPrefix(thief.refusedBy(third), "its key was replaced")
		}
		within(t, 20*time.Second, "the thief is refused", refused)
		time.Sleep(2 * time.Second) // a has written down what it knows
		a.crash()
		a.start()
		within(t, 20*time.Second, "it is by who has been restarted, too", func() bool { return a.alive(third) && refused() })
		b.start()
		within(t, 10*time.Second, "the successor is back", func() bool { return a.sees(b) && third.sees(b) })
		if got := a.assign(nil)[subnetOf(2)]; got != b.fp() {
			t.Errorf("its subnet goes to %s", got.Short())
		}
	})
}

// stated gives a host a state directory.
func stated(t *testing.T) func(*Config) {
	return func(c *Config) { c.StateDir = t.TempDir() }
}

func TestASuccessionIsProvenByEachKeyThatWasReplaced(t *testing.T) {
	one, two, three := testIdentity("one"), testIdentity("two"), testIdentity("three")
	first := bequeath(one, two.Fingerprint())
	second := bequeath(two, three.Fingerprint())
	forged := bequeath(three, three.Fingerprint())
	copy(forged.raw, first.raw[:64])
	for name, test := range map[string]struct {
		list []Predecessor
		want bool
	}{
		"none":                {nil, true},
		"one":                 {[]Predecessor{second}, true},
		"one after the other": {[]Predecessor{second, first}, true},
		"in the wrong order":  {[]Predecessor{first, second}, false},
		"with a gap":          {[]Predecessor{first}, false},
		"another's signature": {[]Predecessor{forged}, false},
		"cut off":             {[]Predecessor{{raw: second.raw[:predecessorLen-1]}}, false},
		"too many":            {slices.Repeat([]Predecessor{second}, maxPredecessors+1), false},
	} {
		c, err := Sign(three, Claim{Version: 1, Name: "n", Kind: KindStatic, Network: lawsRules.Network, Predecessors: test.list})
		if (err == nil) != test.want {
			t.Errorf("%s: %v", name, err)
		}
		if err == nil && (len(c.Predecessors) != len(test.list) || len(heirsOf([]*Claim{c})) != len(test.list)) {
			t.Errorf("%s: %d predecessors", name, len(c.Predecessors))
		}
	}
}
