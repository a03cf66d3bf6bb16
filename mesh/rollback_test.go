package mesh

import (
	"net/netip"
	"os"
	"slices"
	"testing"
	"time"
)

// TestAStateDirectoryThatWasPutBackDoesNotBringAnOldClaimBack restores a backup of the state directory from before the node moved.
func TestAStateDirectoryThatWasPutBackDoesNotBringAnOldClaimBack(t *testing.T) {
	bubble(t, func(t *testing.T, n *fakeNet) {
		dir := t.TempDir()
		a, b := n.host(1, nil, func(c *Config) { c.StateDir = dir }), n.host(2, []int{1})
		a.start()
		b.start()
		within(t, time.Second, "both see both", allSee(a, b))
		backup := t.TempDir()
		if err := os.CopyFS(backup, os.DirFS(dir)); err != nil {
			t.Fatal(err)
		}
		old := claimAt(b, a)
		for i := range 3 {
			at := netip.AddrPortFrom(a.addr, uint16(2000+i))
			a.mesh.SetLocal(Local{Endpoints: []netip.AddrPort{at}})
			within(t, time.Minute, "b hears of the move", func() bool { return slices.Contains(claimAt(b, a).Endpoints, at) })
		}
		before := claimAt(b, a)
		if before.Version <= old.Version {
			t.Fatalf("version %d after %d", before.Version, old.Version)
		}
		a.crash()
		if err := os.RemoveAll(dir); err != nil {
			t.Fatal(err)
		}
		if err := os.CopyFS(dir, os.DirFS(backup)); err != nil {
			t.Fatal(err)
		}
		a.start()
		within(t, time.Minute, "a claims past what b knows", func() bool {
			if c := claimAt(b, a); c.Version < before.Version {
				t.Fatalf("b went back from version %d to %d", before.Version, c.Version)
			}
			return claimAt(b, a).Version > before.Version
		})
		if c := claimAt(b, a); !slices.Equal(c.Endpoints, old.Endpoints) || !c.Since.Equal(before.Since) {
			t.Errorf("endpoints %v since %v, want %v since %v", c.Endpoints, c.Since, old.Endpoints, before.Since)
		}
	})
}

// claimAt is the claim of a host as another knows it; an empty one if it knows none.
func claimAt(h, of *fakeHost) *Claim {
	if m, ok := h.member(of); ok && m.Claim != nil {
		return m.Claim
	}
	return &Claim{}
}
