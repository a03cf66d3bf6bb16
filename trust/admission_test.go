package trust

import (
	"errors"
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

// reason is that of a NotAdmittedError; empty: admitted.
func reason(err error) string {
	refused := new(NotAdmittedError)
	if errors.As(err, &refused) {
		return refused.Reason
	}
	if err != nil {
		return err.Error()
	}
	return ""
}

func (a *Authority) revoke(t *testing.T, content Revocation) *Revocation {
	t.Helper()
	content.Time = testNow
	r, err := a.Revoke(content)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestOnlyAValidCertificateOfTheHolderIsAdmitted(t *testing.T) {
	a, other := newTestAuthority(t), newTestAuthority(t)
	gate := NewAdmission(AuthorityKeys{a.Public()})
	good := a.certify(t)
	impostor := other.certify(t, func(c *Certificate) { c.Serial = good.Serial })
	forged := slices.Concat(impostor.Raw()[:signedHead], good.Raw()[signedHead:])
	for _, c := range []struct {
		name   string
		id     Fingerprint
		called string
		raw    []byte
		at     time.Time
		want   string
	}{
		{"its own", testHolder, "vm-1", good.Raw(), testNow, ""},
		{"none", testHolder, "vm-1", nil, testNow, ReasonMissing},
		{"garbage", testHolder, "vm-1", []byte("garbage"), testNow, ReasonMalformed},
		{"another authority's", testHolder, "vm-1", impostor.Raw(), testNow, ReasonAuthority},
		{"a forged one", testHolder, "vm-1", forged, testNow, ReasonAuthority},
		{"another's", Fingerprint{9}, "vm-1", good.Raw(), testNow, ReasonKey},
		{"one for another name", testHolder, "vm-2", good.Raw(), testNow, ReasonName},
		{"within the tolerance", testHolder, "vm-1", good.Raw(), good.NotBefore.Add(-ClockTolerance), ""},
		{"before it", testHolder, "vm-1", good.Raw(), good.NotBefore.Add(-ClockTolerance - 1), ReasonEarly},
		{"in its last moment", testHolder, "vm-1", good.Raw(), good.NotAfter.Add(-1), ""},
		{"at its end", testHolder, "vm-1", good.Raw(), good.NotAfter, ReasonExpired},
	} {
		if got := reason(gate.Admit(c.id, c.called, c.raw, c.at)); got != c.want {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
}

func TestEachOfTwoAuthoritiesAdmits(t *testing.T) {
	old, next := newTestAuthority(t), newTestAuthority(t)
	gate := NewAdmission(AuthorityKeys{old.Public(), next.Public()})
	for _, a := range []*Authority{old, next} {
		if err := gate.Admit(testHolder, "vm-1", a.certify(t).Raw(), testNow); err != nil {
			t.Error(err)
		}
	}
}

func TestWithoutAnAuthorityEverybodyIsAdmittedButTheBanned(t *testing.T) {
	gate := NewAdmission(nil)
	if err := gate.Admit(testHolder, "vm-1", nil, testNow); err != nil || gate.Strict() || gate.Shut(testHolder) {
		t.Errorf("not admitted: %v", err)
	}
	if !gate.Ban(testHolder, testNow) || gate.Ban(testHolder, testNow) {
		t.Error("a ban is news once")
	}
	if got := reason(gate.Admit(testHolder, "vm-1", nil, testNow)); got != ReasonBanned || !gate.Shut(testHolder) || gate.Shut(Fingerprint{7}) {
		t.Errorf("a banned key: %q", got)
	}
	if none := (*Admission)(nil); none.Strict() || none.Shut(testHolder) || none.Admit(testHolder, "vm-1", nil, testNow) != nil || none.Own() != nil {
		t.Error("no Admission is one that admits everybody")
	}
}

func TestOnlyTheAuthorityRevokes(t *testing.T) {
	a, other := newTestAuthority(t), newTestAuthority(t)
	gate := NewAdmission(AuthorityKeys{a.Public()})
	right := a.revoke(t, Revocation{Fingerprint: testHolder})
	forged, err := ParseRevocation(slices.Concat(other.revoke(t, Revocation{Fingerprint: testHolder}).Raw()[:signedHead], right.Raw()[signedHead:]))
	if err != nil {
		t.Fatal(err)
	}
	asCertificate, err := ParseRevocation(a.sign(certificateContext, right.Raw()[signedHead:]))
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		r    *Revocation
		want error
	}{
		"another authority's":          {other.revoke(t, Revocation{Fingerprint: testHolder}), ErrOtherAuthority},
		"a forged one":                 {forged, ErrForged},
		"one signed as something else": {asCertificate, ErrForged},
	} {
		if news, err := gate.Revoke(c.r); news || !errors.Is(err, c.want) {
			t.Errorf("%s: %v, %v; want %v", name, news, err, c.want)
		}
	}
	if _, err := NewAdmission(nil).Revoke(right); !errors.Is(err, ErrNoAuthority) {
		t.Errorf("without an authority: %v", err)
	}
	if err := gate.Admit(testHolder, "vm-1", a.certify(t).Raw(), testNow); err != nil {
		t.Errorf("none of them counts, but: %v", err)
	}
}

func TestARevokedCertificateMayBeReplacedAndARevokedKeyNot(t *testing.T) {
	a := newTestAuthority(t)
	first, second := a.certify(t), a.certify(t)
	gate := NewAdmission(AuthorityKeys{a.Public()})
	take := func(r Revocation) {
		t.Helper()
		signed := a.revoke(t, r)
		if news, err := gate.Revoke(signed); !news || err != nil {
			t.Fatalf("revoke: %v, %v", news, err)
		}
		if news, err := gate.Revoke(signed); news || err != nil {
			t.Errorf("the same again: %v, %v", news, err)
		}
	}
	admit := func(c *Certificate) string { return reason(gate.Admit(testHolder, "vm-1", c.Raw(), testNow)) }
	take(Revocation{Serial: first.Serial})
	if admit(first) != ReasonRevoked || admit(second) != "" {
		t.Errorf("one certificate revoked: %q and %q", admit(first), admit(second))
	}
	take(Revocation{Fingerprint: testHolder})
	if admit(second) != ReasonRevoked || admit(a.certify(t)) != ReasonRevoked {
		t.Errorf("key revoked: %q", admit(second))
	}
}

// A set of revocations is the same whatever the order, and however often each comes.
func TestRevocationsMergeInAnyOrder(t *testing.T) {
	a := newTestAuthority(t)
	var all []*Revocation
	for i := range 20 {
		all = append(all, a.revoke(t, Revocation{Serial: uint64(i + 1)}), a.revoke(t, Revocation{Fingerprint: Fingerprint{byte(i + 1)}}))
	}
	var first []*Revocation
	for range 10 {
		gate := NewAdmission(AuthorityKeys{a.Public()})
		for range 2 {
			rand.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
			for _, r := range all {
				if _, err := gate.Revoke(r); err != nil {
					t.Fatal(err)
				}
			}
		}
		got := gate.Revocations()
		if first == nil {
			first = got
		}
		if !slices.Equal(got, first) || len(got) != len(all) {
			t.Fatalf("%d revocations in another order than before, or not %d", len(got), len(all))
		}
	}
}

func TestARevocationIsAboutAKeyOrACertificate(t *testing.T) {
	a := newTestAuthority(t)
	for _, r := range []Revocation{{}, {Serial: 1, Fingerprint: testHolder}} {
		if _, err := a.Revoke(r); !errors.Is(err, ErrRevocation) {
			t.Errorf("%+v: %v", r, err)
		}
	}
	for _, r := range []Revocation{{Serial: 7}, {Fingerprint: testHolder}} {
		signed := a.revoke(t, r)
		read, err := ParseRevocationPEM(signed.PEM())
		if err != nil || !slices.Equal(read.Raw(), signed.Raw()) || read.What() != signed.What() {
			t.Errorf("%+v read back: %+v, %v", r, read, err)
		}
	}
}
