package lab

import (
	"net/netip"
	"testing"
)

func TestIsolatedHostReachesNobodyUntilItRejoins(t *testing.T) {
	l := testLab(t, Options{})
	h := testHosts(t, l, "a", "b", "c")
	a, b, c := h[0], h[1], h[2]
	if err := a.Isolate(); err != nil {
		t.Fatal(err)
	}
	for _, addr := range b.Addrs() {
		if !silent(t, a.Namespace, addr) {
			t.Errorf("an isolated host reaches %s", addr)
		}
	}
	if !pings(t, b.Namespace, c.Addr4()) {
		t.Error("the others do not reach each other")
	}
	if err := a.Rejoin(); err != nil {
		t.Fatal(err)
	}
	for _, addr := range b.Addrs() {
		awaitPing(t, a.Namespace, addr)
	}
}

func TestCutSeparatesOnePairBothWaysUntilHealed(t *testing.T) {
	l := testLab(t, Options{})
	h := testHosts(t, l, "a", "b", "c")
	a, b, c := h[0], h[1], h[2]
	if !pings(t, a.Namespace, b.Addr4()) { // so that neighbours are known, as in a mesh at work
		t.Fatal("no way before the cut")
	}
	if err := l.Cut(b, a); err != nil {
		t.Fatal(err)
	}
	assertCut(t, a, b)
	assertCut(t, b, a)
	for _, pair := range [][2]*Host{{a, c}, {c, b}} {
		for _, addr := range pair[1].Addrs() {
			if !pings(t, pair[0].Namespace, addr) {
				t.Errorf("%s does not reach %s", pair[0].Name(), addr)
			}
		}
	}
	if err := l.Heal(a, b); err != nil {
		t.Fatal(err)
	}
	assertJoined(t, a, b)
	assertJoined(t, b, a)
}

func TestCutFollowsAChangeOfAddress(t *testing.T) {
	l := testLab(t, Options{})
	h := testHosts(t, l, "a", "b")
	a, b := h[0], h[1]
	if err := l.Cut(a, b); err != nil {
		t.Fatal(err)
	}
	if err := a.ChangeAddress(); err != nil {
		t.Fatal(err)
	}
	assertCut(t, a, b)
	assertCut(t, b, a)
	if err := l.Heal(a, b); err != nil {
		t.Fatal(err)
	}
	assertJoined(t, a, b)
	assertJoined(t, b, a)
}

func TestHealOfWhatIsNotCutChangesNothing(t *testing.T) {
	l := testLab(t, Options{})
	h := testHosts(t, l, "a", "b")
	if err := l.Heal(h[0], h[1]); err != nil {
		t.Error(err)
	}
	if err := l.Cut(h[0], h[0]); err == nil {
		t.Error("a host was cut from itself")
	}
	assertJoined(t, h[0], h[1])
}

func assertCut(t *testing.T, from, to *Host) {
	t.Helper()
	for _, addr := range to.Addrs() {
		if !silent(t, from.Namespace, addr) {
			t.Errorf("%s reaches %s through a cut", from.Name(), addr)
		}
	}
}

func assertJoined(t *testing.T, from, to *Host) {
	t.Helper()
	for _, addr := range to.Addrs() {
		awaitPing(t, from.Namespace, addr)
	}
}

func TestChangedAddressAnswersAndTheOldOneDoesNot(t *testing.T) {
	l := testLab(t, Options{})
	h := testHosts(t, l, "a", "b")
	a, b := h[0], h[1]
	old := a.Addrs()
	if err := a.ChangeAddress(); err != nil {
		t.Fatal(err)
	}
	assertJoined(t, b, a)
	for _, addr := range old {
		if !silent(t, b.Namespace, addr) {
			t.Errorf("the old address %s still answers", addr)
		}
	}
	chosen := netip.MustParseAddr("192.0.2.77")
	if err := a.ChangeAddress(chosen); err != nil {
		t.Fatal(err)
	}
	if a.Addr4() != chosen || a.Addr6().IsValid() {
		t.Errorf("addresses = %v, want %s alone", a.Addrs(), chosen)
	}
	assertJoined(t, b, a)
}

func TestTakenAndForeignAddressesAreRefused(t *testing.T) {
	l := testLab(t, Options{})
	h := testHosts(t, l, "a", "b")
	before := h[0].Addrs()
	for _, addr := range []netip.Addr{h[1].Addr4(), h[1].Addr6(), netip.MustParseAddr("10.0.0.1"), {}} {
		if err := h[0].ChangeAddress(addr); err == nil {
			t.Errorf("the address %s was taken", addr)
		}
	}
	if after := h[0].Addrs(); len(after) != len(before) || after[0] != before[0] {
		t.Errorf("a refused change left %v, want %v", after, before)
	}
}
