package trust

import (
	"bytes"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/weftnet/weft/trust/vectors"
)

// vectorAuthority is the authority of a seed that counts up.
func vectorAuthority(t testing.TB) *Authority {
	t.Helper()
	a, err := NewAuthority(bytes.NewReader(vectors.Count(0x20, 32)))
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func vectorCertificate(t testing.TB) *Certificate {
	t.Helper()
	c, err := vectorAuthority(t).Sign(testContent(func(c *Certificate) { c.Serial = 7 }), nil)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func vectorRevocations(t testing.TB) (ofKey, ofCertificate *Revocation) {
	t.Helper()
	a := vectorAuthority(t)
	ofKey, err := a.Revoke(Revocation{Fingerprint: testHolder, Time: testNow})
	if err != nil {
		t.Fatal(err)
	}
	if ofCertificate, err = a.Revoke(Revocation{Serial: 7, Time: testNow}); err != nil {
		t.Fatal(err)
	}
	return ofKey, ofCertificate
}

// FuzzCertificate gives a strict node what others say is a certificate: it admits nobody but for the one that the authority signed.
func FuzzCertificate(f *testing.F) {
	signed := vectorCertificate(f)
	f.Add(signed.Raw())
	f.Add(append(bytes.Clone(signed.Raw()), 0))
	strict := NewAdmission(AuthorityKeys{vectorAuthority(f).Public()})
	f.Fuzz(func(t *testing.T, raw []byte) {
		err := strict.Admit(testHolder, "vm-1", raw, testNow)
		if (err == nil) != bytes.Equal(raw, signed.Raw()) {
			t.Errorf("%x: %v", raw, err)
		}
		if c, err := ParseCertificate(raw); err != nil && !errors.Is(err, ErrCertificate) || err == nil && !bytes.Equal(c.Raw(), raw) {
			t.Errorf("%x is read as %+v, %v", raw, c, err)
		}
	})
}

// FuzzSignedCertificate signs what it is given: an authority may sign anything.
func FuzzSignedCertificate(f *testing.F) {
	f.Add(vectorCertificate(f).Raw()[signedHead:])
	a := vectorAuthority(f)
	strict := NewAdmission(AuthorityKeys{a.Public()})
	f.Fuzz(func(t *testing.T, body []byte) {
		c, err := ParseCertificate(a.sign(certificateContext, body))
		if err != nil {
			return
		}
		if err := strict.Admit(c.Fingerprint, c.Name, c.Raw(), testNow); err != nil {
			return
		}
		if testNow.Add(ClockTolerance).Before(c.NotBefore) || !testNow.Before(c.NotAfter) || c.Authority != a.Public().ID() {
			t.Errorf("%+v admits", c)
		}
		for _, p := range c.Subnets {
			if !c.AllowsSubnet(p) {
				t.Errorf("%v is not in %v", p, c.Subnets)
			}
		}
		if again, err := certificateIn(c.PEM()); err != nil || !bytes.Equal(again.Raw(), c.Raw()) {
			t.Errorf("its file reads as %+v, %v", again, err)
		}
	})
}

// certificateIn is ReadCertificate without the file.
func certificateIn(text []byte) (*Certificate, error) {
	raw, err := blockOf(text, blockCertificate, "nobody")
	if err != nil {
		return nil, err
	}
	return ParseCertificate(raw)
}

func FuzzRevocation(f *testing.F) {
	ofKey, ofCertificate := vectorRevocations(f)
	f.Add(ofKey.Raw())
	f.Add(ofCertificate.Raw())
	f.Fuzz(func(t *testing.T, raw []byte) {
		r, err := ParseRevocation(raw)
		if err != nil {
			if !errors.Is(err, ErrRevocation) {
				t.Error(err)
			}
			return
		}
		strict := NewAdmission(AuthorityKeys{vectorAuthority(t).Public()})
		news, err := strict.Revoke(r)
		genuine := bytes.Equal(raw, ofKey.Raw()) || bytes.Equal(raw, ofCertificate.Raw())
		if news != genuine || (err == nil) != genuine {
			t.Errorf("%+v is taken: %v, %v", r, news, err)
		}
	})
}

// FuzzPEM gives whatever text to those who read keys, certificates, revocations and permits.
func FuzzPEM(f *testing.F) {
	a := vectorAuthority(f)
	ofKey, _ := vectorRevocations(f)
	f.Add(a.PEM())
	f.Add(a.Public().PEM())
	f.Add(append(a.Public().PEM(), a.Public().PEM()...))
	f.Add(vectorCertificate(f).PEM())
	f.Add(ofKey.PEM())
	f.Fuzz(func(t *testing.T, text []byte) {
		if keys, err := ParseAuthorityKeys(text); err != nil && !errors.Is(err, ErrAuthority) || err == nil && (len(keys) < 1 || len(keys) > MaxAuthorities) {
			t.Errorf("%d keys, %v", len(keys), err)
		}
		if _, err := ParseAuthority(text); err != nil && !errors.Is(err, ErrAuthorityKey) {
			t.Error(err)
		}
		if _, err := ParseRotationPermitPEM(text); err != nil && !errors.Is(err, ErrPermit) {
			t.Error(err)
		}
		if _, err := ParseRevocationPEM(text); err != nil && !errors.Is(err, ErrRevocation) {
			t.Error(err)
		}
		_, _ = certificateIn(text) // it has no error of its own
	})
}

// FuzzSecrets gives a node its secret file in any condition.
func FuzzSecrets(f *testing.F) {
	one, two := Secret(vectors.Count(0, 32)).Text(), Secret(vectors.Count(1, 32)).Text()
	for _, text := range []string{one, one + "\n" + two + "\n", "# remark\r\n\r\n" + one, one + "\n" + one, strings.Repeat(one+"\n", 3), "\ufeff" + one, ""} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		file, err := ParseSecrets(text)
		if err != nil {
			if !errors.Is(err, ErrSecret) {
				t.Error(err)
			}
			return
		}
		if len(file.Secrets) < 1 || len(file.Secrets) > MaxSecrets || len(file.Secrets) == 2 && file.Secrets[0] == file.Secrets[1] {
			t.Errorf("%d secrets", len(file.Secrets))
		}
		var again []string
		for _, s := range file.Secrets {
			again = append(again, s.Text())
		}
		if other, err := ParseSecrets(strings.Join(again, "\n")); err != nil || !slices.Equal(other.Secrets, file.Secrets) {
			t.Errorf("written anew they read as others, %v", err)
		}
	})
}
