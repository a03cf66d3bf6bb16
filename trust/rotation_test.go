package trust

import (
	"bytes"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"
)

// vectorPermit counts a day around testNow.
func vectorPermit(t testing.TB, edit ...func(*RotationPermit)) *RotationPermit {
	t.Helper()
	content := RotationPermit{Old: Secret{1}.ID(), New: Secret{2}.ID(), NotBefore: testNow.Add(-12 * time.Hour), NotAfter: testNow.Add(12 * time.Hour)}
	for _, e := range edit {
		e(&content)
	}
	p, err := vectorAuthority(t).PermitRotation(content)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestAPermitReadsAsItWasSigned(t *testing.T) {
	want := vectorPermit(t)
	got, err := ParseRotationPermitPEM(want.PEM())
	if err != nil || !bytes.Equal(got.Raw(), want.Raw()) || got.Old != (Secret{1}).ID() || got.New != (Secret{2}).ID() || !got.NotAfter.Equal(testNow.Add(12*time.Hour)) {
		t.Errorf("read %+v (%v), want %+v", got, err, want)
	}
}

func TestAPermitCountsForItsTwoSecretsInItsTimeAndOfOurAuthorityAlone(t *testing.T) {
	ours, other := AuthorityKeys{vectorAuthority(t).Public()}, AuthorityKeys{newTestAuthority(t).Public()}
	old, next := Secret{1}.ID(), Secret{2}.ID()
	forged := slices.Clone(vectorPermit(t).Raw())
	forged[3] ^= 1
	altered, err := ParseRotationPermit(forged)
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		keys     AuthorityKeys
		permit   *RotationPermit
		from, to SecretID
		at       time.Duration // from testNow
		want     string
	}{
		"in order":                      {keys: ours, from: old, to: next},
		"one of two authorities":        {keys: slices.Concat(other, ours), from: old, to: next},
		"the other way":                 {keys: ours, from: next, to: old, want: "the permit is to go from secret " + old.Short()},
		"to another secret":             {keys: ours, from: old, to: Secret{3}.ID(), want: "and this is from"},
		"of another authority":          {keys: other, from: old, to: next, want: "of another authority"},
		"no authority":                  {from: old, to: next, want: "of another authority"},
		"altered":                       {keys: ours, permit: altered, from: old, to: next, want: "does not match"},
		"by a clock a little behind":    {keys: ours, from: old, to: next, at: -12*time.Hour - ClockTolerance},
		"by a clock that is far behind": {keys: ours, from: old, to: next, at: -12*time.Hour - ClockTolerance - time.Second, want: "set the clock"},
		"the last second":               {keys: ours, from: old, to: next, at: 12*time.Hour - time.Second},
		"at its end":                    {keys: ours, from: old, to: next, at: 12 * time.Hour, want: "expired 2026-03-02 00:00:00 UTC"},
	} {
		p := c.permit
		if p == nil {
			p = vectorPermit(t)
		}
		err := c.keys.Permits(p, c.from, c.to, testNow.Add(c.at))
		if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
}

func TestAPermitThatMakesNoSenseIsNotSigned(t *testing.T) {
	for name, edit := range map[string]func(*RotationPermit){
		"to the same secret":    func(p *RotationPermit) { p.New = p.Old },
		"ends before it begins": func(p *RotationPermit) { p.NotAfter = p.NotBefore },
		"far in the future":     func(p *RotationPermit) { p.NotAfter = time.Unix(maxUnixSeconds+1, 0) },
	} {
		content := RotationPermit{Old: Secret{1}.ID(), New: Secret{2}.ID(), NotBefore: testNow, NotAfter: testNow.Add(time.Hour)}
		edit(&content)
		if p, err := vectorAuthority(t).PermitRotation(content); !errors.Is(err, ErrPermit) {
			t.Errorf("%s: %+v, %v", name, p, err)
		}
	}
}

// FuzzRotationPermit gives a strict node what others say is a permit: it follows with the one alone that the authority signed.
func FuzzRotationPermit(f *testing.F) {
	signed := vectorPermit(f)
	f.Add(signed.Raw())
	f.Add(append(bytes.Clone(signed.Raw()), 0))
	f.Add(vectorCertificate(f).Raw())
	keys := AuthorityKeys{vectorAuthority(f).Public()}
	f.Fuzz(func(t *testing.T, raw []byte) {
		p, err := ParseRotationPermit(raw)
		if err != nil {
			if !errors.Is(err, ErrPermit) {
				t.Error(err)
			}
			return
		}
		if err := keys.Permits(p, p.Old, p.New, testNow); (err == nil) != bytes.Equal(raw, signed.Raw()) {
			t.Errorf("%x: %v", raw, err)
		}
	})
}
