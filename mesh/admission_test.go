package mesh

import (
	"bytes"
	"crypto/rand"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"github.com/weftnet/weft/trust"
)

var testAuthority = func() *trust.Authority {
	a, err := trust.NewAuthority(bytes.NewReader(bytes.Repeat([]byte{7}, 32)))
	if err != nil {
		panic(err)
	}
	return a
}()

// certificate is one of testAuthority's for a host: for a day, and for its own subnet.
func (h *fakeHost) certificate(edit ...func(*trust.Certificate)) *trust.Certificate {
	h.net.t.Helper()
	content := trust.Certificate{
		Fingerprint: h.fp(), Name: h.cfg.Name, Subnets: h.cfg.Subnet.Prefixes, Routes: h.cfg.Routes,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
	}
	for _, e := range edit {
		e(&content)
	}
	c, err := testAuthority.Sign(content, rand.Reader)
	if err != nil {
		h.net.t.Fatal(err)
	}
	return c
}

// strict makes host i one that takes certified nodes only, and is certified itself.
func (n *fakeNet) strict(i int, seeds []int, edit ...func(*trust.Certificate)) *fakeHost {
	h := n.host(i, seeds)
	h.cfg.Admission = trust.NewAdmission(trust.AuthorityKeys{testAuthority.Public()})
	h.cfg.Admission.SetOwn(h.certificate(edit...))
	return h
}

// refusedBy is why o does not take part, as h sees it; "": it does.
func (h *fakeHost) refusedBy(o *fakeHost) string {
	m, _ := o.member(h)
	return m.Refused
}

func revoke(t *testing.T, r trust.Revocation) *trust.Revocation {
	t.Helper()
	r.Time = time.Now()
	signed, err := testAuthority.Revoke(r)
	if err != nil {
		t.Fatal(err)
	}
	return signed
}

func TestCertifiedNodesSeeEachOtherThroughSessionsAlone(t *testing.T) {
	bubble(t, func(t *testing.T, n *fakeNet) {
		hosts := []*fakeHost{n.strict(1, nil), n.strict(2, []int{1}), n.strict(3, []int{1}), n.strict(4, []int{2})}
		for _, h := range hosts {
			h.start()
		}
		within(t, 5*time.Second, "all see all", allSee(hosts...))
		time.Sleep(time.Minute)
		if !allSee(hosts...)() || len(hosts[0].mesh.View().Refused) != 0 {
			t.Errorf("a minute later: %+v", hosts[0].mesh.View().Refused)
		}
	})
}

func TestAClaimThatNobodyVouchesForIsNotTakenNorPassedOn(t *testing.T) {
	for name, c := range map[string]struct {
		show func(h *fakeHost) []byte
		want string
	}{
		"none":    {func(*fakeHost) []byte { return nil }, "it shows no certificate"},
		"garbage": {func(*fakeHost) []byte { return []byte("garbage") }, "its certificate cannot be read"},
		"another key's": {func(h *fakeHost) []byte {
			return h.certificate(func(c *trust.Certificate) { c.Fingerprint[0] ^= 1 }).Raw()
		}, "its certificate is for key"},
		"another name's": {func(h *fakeHost) []byte { return h.certificate(func(c *trust.Certificate) { c.Name = "x" }).Raw() }, `its certificate is for the name "x"`},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, n *fakeNet) {
				a, b, stranger := n.strict(1, nil), n.strict(2, []int{1}), n.host(3, nil)
				a.start()
				b.start()
				within(t, 5*time.Second, "both see both", allSee(a, b))
				claim, err := Sign(stranger.id, Claim{
					Version: 1, Name: "node-3", Kind: KindStatic, Network: a.cfg.Network, Subnets: []netip.Prefix{subnetOf(2)},
					Since: time.UnixMilli(1), Certificate: c.show(stranger),
				})
				if err != nil {
					t.Fatal(err)
				}
				for range 3 { // it counts once, however often others pass it on
					a.mesh.mail.post(func(o *owner) { _ = o.merge(claim.raw) })
				}
				within(t, time.Second, "it is refused", func() bool { return a.mesh.Counters().Refused > 0 })
				if n := a.mesh.Counters().Refused; n != 1 {
					t.Errorf("%d claims refused, want 1", n)
				}
				view := a.mesh.View()
				assigned, conflicts := view.Assign(nil, func(trust.Fingerprint) Reach { return Reached })
				if assigned[subnetOf(2)] != b.fp() || len(view.Claims) != 2 {
					t.Errorf("%d claims, %v goes to %s", len(view.Claims), subnetOf(2), assigned[subnetOf(2)].Short())
				}
				if len(conflicts) != 1 || conflicts[0].Kind != ConflictRefused || !strings.Contains(conflicts[0].String(), c.want) {
					t.Errorf("conflicts %v, want one with %q", conflicts, c.want)
				}
				time.Sleep(2 * time.Minute) // several exchanges of all state
				if _, heard := b.member(stranger); heard || b.mesh.Counters().Refused != 0 {
					t.Errorf("b has heard of it (%d claims refused)", b.mesh.Counters().Refused)
				}
			})
		})
	}
}

func TestAPrefixThatTheCertificateDoesNotAllowIsRefusedAlone(t *testing.T) {
	bubble(t, func(t *testing.T, n *fakeNet) {
		a := n.strict(1, nil)
		b := n.strict(2, []int{1}, func(c *trust.Certificate) { c.Routes = []netip.Prefix{netip.MustParsePrefix("192.168.0.0/16")} })
		inside, outside := netip.MustParsePrefix("192.168.7.0/24"), netip.MustParsePrefix("172.16.0.0/24")
		b.cfg.Subnet.Prefixes = []netip.Prefix{subnetOf(2), subnetOf(3)}
		b.cfg.Routes = []netip.Prefix{inside, outside}
		a.start()
		b.start()
		within(t, 5*time.Second, "a sees b", func() bool { return a.sees(b) })
		got, conflicts := a.mesh.View().Assign(nil, func(trust.Fingerprint) Reach { return Reached })
		if got[subnetOf(2)] != b.fp() || got[inside] != b.fp() || len(got) != 3 {
			t.Errorf("assigned %v", got)
		}
		if len(conflicts) != 2 || !strings.HasSuffix(conflicts[0].String(), "of 10.244.3.0/24 is refused: its certificate does not allow it") || conflicts[1].Prefix != outside {
			t.Errorf("conflicts %v", conflicts)
		}
	})
}

func TestAnAutomaticSubnetIsOneThatTheCertificateAllows(t *testing.T) {
	bubble(t, func(t *testing.T, n *fakeNet) {
		allowed := netip.MustParsePrefix("10.244.200.0/22")
		var hosts []*fakeHost
		for i := range 4 {
			h := n.strict(i+1, []int{1}, func(c *trust.Certificate) { c.Subnets = []netip.Prefix{allowed} })
			h.cfg.Subnet, h.cfg.Bootstrap = Subnet{Kind: KindAuto}, i == 0
			h.start()
			hosts = append(hosts, h)
		}
		within(t, 20*time.Second, "all see all", func() bool {
			return allSee(hosts...)() && !slices.ContainsFunc(hosts, func(h *fakeHost) bool { return len(h.subnets()) != 1 })
		})
		for _, h := range hosts {
			if s := h.subnets(); !covers(allowed, s[0]) {
				t.Errorf("%s took %v", h.cfg.Name, s)
			}
		}
	})
}

func TestACertificateEndsWhileItRunsAndIsRenewed(t *testing.T) {
	bubble(t, func(t *testing.T, n *fakeNet) {
		end := time.Now().Add(time.Hour)
		a := n.strict(1, nil)
		b := n.strict(2, []int{1}, func(c *trust.Certificate) { c.NotAfter = end })
		a.start()
		b.start()
		within(t, 5*time.Second, "both see both", allSee(a, b))
		time.Sleep(time.Until(end) - time.Millisecond)
		synctest.Wait()
		if !a.sees(b) {
			t.Error("it ended before its time")
		}
		within(t, 10*time.Millisecond, "it has ended", func() bool { return b.refusedBy(a) != "" })
		if why := b.refusedBy(a); !strings.HasPrefix(why, "its certificate expired ") {
			t.Errorf("reason %q", why)
		}
		if got, conflicts := a.mesh.View().Assign(nil, func(trust.Fingerprint) Reach { return Reached }); got[subnetOf(2)] == b.fp() || len(conflicts) != 1 {
			t.Errorf("assigned %v, conflicts %v", got, conflicts)
		}
		if !slices.Equal(b.subnets(), b.cfg.Subnet.Prefixes) {
			t.Error("b has lost its own subnet on its own host")
		}
		time.Sleep(time.Hour)
		b.mesh.SetCertificate(b.certificate())
		within(t, time.Minute, "it counts again", allSee(a, b))
	})
}

func TestARenewedCertificateIsInTheClaimAtOnce(t *testing.T) {
	bubble(t, func(t *testing.T, n *fakeNet) {
		a, b := n.strict(1, nil), n.strict(2, []int{1})
		a.start()
		b.start()
		within(t, 5*time.Second, "both see both", allSee(a, b))
		renewed := b.certificate(func(c *trust.Certificate) { c.NotAfter = c.NotAfter.Add(24 * time.Hour) })
		b.mesh.SetCertificate(renewed)
		within(t, time.Second, "a has it", func() bool {
			if !a.sees(b) {
				t.Fatal("a has lost b meanwhile")
			}
			m, _ := a.member(b)
			return bytes.Equal(m.Claim.Certificate, renewed.Raw())
		})
	})
}

func TestACertificateBeginsToCountByItself(t *testing.T) {
	bubble(t, func(t *testing.T, n *fakeNet) {
		from := time.Now().Add(time.Hour)
		a := n.strict(1, nil)
		b := n.strict(2, nil, func(c *trust.Certificate) { c.NotBefore = from })
		a.start()
		claim, err := Sign(b.id, Claim{
			Version: 1, Name: "node-2", Kind: KindStatic, Network: a.cfg.Network, Subnets: b.cfg.Subnet.Prefixes,
			Certificate: b.cfg.Admission.Own().Raw(),
		})
		if err != nil {
			t.Fatal(err)
		}
		a.mesh.mail.post(func(o *owner) { _ = o.merge(claim.raw) })
		within(t, time.Second, "it waits", func() bool { return strings.HasPrefix(b.refusedBy(a), "its certificate counts from ") })
		time.Sleep(time.Until(from.Add(-trust.ClockTolerance)) - time.Millisecond)
		synctest.Wait()
		if b.refusedBy(a) == "" {
			t.Error("it counts before its time")
		}
		within(t, 10*time.Millisecond, "it counts", func() bool { return len(a.mesh.View().Claims) == 2 })
	})
}

func TestARevocationReachesEverybodyAndSurvivesARestart(t *testing.T) {
	bubble(t, func(t *testing.T, n *fakeNet) {
		dir := t.TempDir()
		a, b, c, away, bad := n.strict(1, nil), n.strict(2, []int{1}), n.strict(3, []int{1}), n.strict(4, []int{1}), n.strict(5, []int{1})
		c.cfg.StateDir = dir
		for _, h := range []*fakeHost{a, b, c, away, bad} {
			h.start()
		}
		within(t, 10*time.Second, "all see all", allSee(a, b, c, away, bad))
		away.crash()
		signed := revoke(t, trust.Revocation{Fingerprint: bad.fp()})
		if news, err := a.mesh.Revoke(signed); !news || err != nil {
			t.Fatalf("revoke: %v, %v", news, err)
		}
		out := func(hosts ...*fakeHost) func() bool {
			return func() bool {
				return !slices.ContainsFunc(hosts, func(h *fakeHost) bool {
					return !strings.Contains(bad.refusedBy(h), "the authority has revoked its key")
				})
			}
		}
		within(t, 2*time.Second, "all know", out(a, b, c))
		away.start()
		within(t, time.Minute, "who was away knows", func() bool { return len(away.cfg.Admission.Revocations()) == 1 })
		c.crash()
		c.cfg.Seeds, c.cfg.Admission = nil, trust.NewAdmission(trust.AuthorityKeys{testAuthority.Public()})
		c.cfg.Admission.SetOwn(c.certificate())
		c.start()
		if len(c.cfg.Admission.Revocations()) != 1 || !slices.Equal(c.cfg.Admission.Revocations()[0].Raw(), signed.Raw()) {
			t.Error("it is not there after the restart")
		}
		if news, err := a.mesh.Revoke(signed); news || err != nil {
			t.Errorf("the same again: %v, %v", news, err)
		}
		time.Sleep(time.Minute)
		if !out(a, b)() {
			t.Error("a minute later it takes part again")
		}
	})
}

func TestOnlyTheAuthoritysRevocationsAreTakenFromGossip(t *testing.T) {
	bubble(t, func(t *testing.T, n *fakeNet) {
		a, b := n.strict(1, nil), n.strict(2, []int{1})
		a.start()
		b.start()
		within(t, 5*time.Second, "both see both", allSee(a, b))
		other, err := trust.NewAuthority(rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		forged, err := other.Revoke(trust.Revocation{Fingerprint: b.fp(), Time: time.Now()})
		if err != nil {
			t.Fatal(err)
		}
		right := revoke(t, trust.Revocation{Fingerprint: b.fp()}).Raw()
		for _, raw := range [][]byte{nil, {1}, forged.Raw(), slices.Concat(forged.Raw()[:64], right[64:]), right[:len(right)-1]} {
			a.mesh.mail.post(func(o *owner) { o.message(message(messageRevocation, raw)) })
		}
		time.Sleep(time.Minute)
		if !allSee(a, b)() || len(a.cfg.Admission.Revocations()) != 0 {
			t.Errorf("%d revocations", len(a.cfg.Admission.Revocations()))
		}
	})
}

func TestABanIsLocalAndSurvivesARestart(t *testing.T) {
	bubble(t, func(t *testing.T, n *fakeNet) {
		a, b, c := n.host(1, nil, func(c *Config) { c.StateDir = t.TempDir() }), n.host(2, []int{1}), n.host(3, []int{1, 2})
		for _, h := range []*fakeHost{a, b, c} {
			h.start()
		}
		within(t, 5*time.Second, "all see all", allSee(a, b, c))
		if !a.mesh.Ban(b.fp()) || a.mesh.Ban(b.fp()) || a.mesh.Ban(a.fp()) {
			t.Error("a ban is news once, and none of ourselves")
		}
		banned := func() bool { return strings.HasPrefix(b.refusedBy(a), "this node has revoked its key") }
		within(t, time.Second, "a has no claim of b", banned)
		if !c.sees(a, b) {
			t.Error("c has shut b out, too")
		}
		a.crash()
		a.cfg.Admission = nil
		a.start()
		within(t, 10*time.Second, "after a restart as before", func() bool { return banned() && a.sees(c) })
	})
}

// A property: with strict rules, whatever the order of the claims, nobody has what no certificate allows, and the certified
// have what they would have if the others were not there.
func TestUncertifiedClaimsTakeNothingFromAnybody(t *testing.T) {
	rules := Rules{Network: lawsRules.Network, Strict: true}
	rapid.Check(t, func(t *rapid.T) {
		var certified []*Claim
		all := drawSet(t)
		for i, c := range all {
			if !rapid.Bool().Draw(t, fmt.Sprint("certified ", i)) {
				continue
			}
			allowed := rapid.SliceOfN(rapid.SampledFrom([]netip.Prefix{netip.MustParsePrefix("10.244.0.0/23"), netip.MustParsePrefix("10.244.2.0/24"), netip.MustParsePrefix("172.16.0.0/16")}), 0, 2).Draw(t, "allowed")
			c.certificate = &trust.Certificate{Subnets: allowed, Routes: allowed}
			certified = append(certified, c)
		}
		with, _ := Ownership(rapid.Permutation(all).Draw(t, "order"), rules)
		without, _ := Ownership(certified, rules)
		if len(with) != len(without) {
			t.Fatalf("%v with the others, %v without", with, without)
		}
		for p, id := range with {
			c := certified[slices.IndexFunc(certified, func(c *Claim) bool { return c.id == id })]
			if without[p] != id || !c.certificate.AllowsSubnet(p) {
				t.Fatalf("%v goes to %s, and without the others to %s; allowed %v", p, id.Short(), without[p].Short(), c.certificate.Subnets)
			}
		}
	})
}

func TestANodeThatTakesNoPartKeepsItsNameAlsoWhereItWasMetThroughGossipAlone(t *testing.T) {
	bubble(t, func(t *testing.T, n *fakeNet) {
		end := time.Now().Add(time.Minute)
		a, b := n.strict(1, nil), n.strict(2, []int{1})
		c := n.strict(3, []int{1}, func(c *trust.Certificate) { c.NotAfter = end })
		for _, h := range []*fakeHost{a, b, c} {
			h.start()
		}
		within(t, 5*time.Second, "all see all", allSee(a, b, c))
		b.mesh.mail.post(func(o *owner) { o.members[c.fp()].name = "" }) // as without a stream
		time.Sleep(time.Until(end))
		within(t, time.Second, "b refuses c", func() bool { return c.refusedBy(b) != "" })
		if m, _ := b.member(c); m.Name != "node-3" {
			t.Errorf("b calls it %q", m.Name)
		}
	})
}

func TestAMemberThatShowsNoCertificateAnyMoreIsShutOutAtOnceAndComesBackWithOne(t *testing.T) {
	bubble(t, func(t *testing.T, n *fakeNet) {
		a, b, c := n.strict(1, nil), n.strict(2, []int{1}), n.strict(3, []int{1})
		for _, h := range []*fakeHost{a, b, c} {
			h.start()
		}
		within(t, 10*time.Second, "all see all", allSee(a, b, c))
		certified, own := b.mesh.View().Self, b.cfg.Admission.Own()
		b.mesh.SetCertificate(nil)
		shutOut := func(hosts ...*fakeHost) func() bool {
			return func() bool {
				return !slices.ContainsFunc(hosts, func(h *fakeHost) bool { return b.refusedBy(h) != "it shows no certificate" })
			}
		}
		within(t, time.Second, "a and c shut it out", shutOut(a, c))
		a.mesh.mail.post(func(o *owner) { _ = o.merge(certified.raw) })
		late := n.strict(4, []int{1})
		late.start()
		late.mesh.mail.post(func(o *owner) { _ = o.merge(certified.raw) }) // from a node that was away
		within(t, 10*time.Second, "late has heard of it", shutOut(late))
		time.Sleep(time.Minute)
		if !shutOut(a, c, late)() || a.assign(nil)[subnetOf(2)] == b.fp() {
			t.Error("a minute later it takes part again")
		}
		b.mesh.SetCertificate(own)
		within(t, time.Minute, "it is back", allSee(a, b, c, late))
	})
}

// The order in which a node hears a certified claim and a newer one for which nobody vouches does not matter.
func TestTheNewestWordOfACertifiedNodeCountsInAnyOrder(t *testing.T) {
	bubble(t, func(t *testing.T, n *fakeNet) {
		b := n.strict(2, nil)
		content := Claim{Version: 1, Name: "node-2", Kind: KindStatic, Network: b.cfg.Network, Certificate: b.certificate().Raw()}
		older, _ := Sign(b.id, content)
		content.Version, content.Certificate = 2, nil
		newer, _ := Sign(b.id, content)
		for _, order := range [][]*Claim{{older, newer}, {newer, older}, {newer, older, newer}, {older, newer, older}} {
			o := fuzzOwner(t, trust.NewAdmission(trust.AuthorityKeys{testAuthority.Public()}))
			o.cfg.Network = b.cfg.Network
			for _, c := range order {
				if err := o.merge(c.raw); err != nil {
					t.Fatal(err)
				}
			}
			o.judge(time.Now())
			if c, why := o.claimOf(b.fp()); c != nil || why != "it shows no certificate" {
				t.Errorf("claim %v, reason %q", c, why)
			}
		}
	})
}
