package mesh

import (
	"bytes"
	"errors"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
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
