package encap_test

import (
	"bytes"
	"crypto/rand"
	"errors"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/weftnet/weft/encap"
	"github.com/weftnet/weft/encap/simnet"
	"github.com/weftnet/weft/trust"
)

func newAuthority(t *testing.T, seed byte) *trust.Authority {
	t.Helper()
	a, err := trust.NewAuthority(bytes.NewReader(bytes.Repeat([]byte{seed}, 32)))
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// certify makes an end show a certificate, for an hour, and take only those of authorities.
func (e *end) certify(t *testing.T, by *trust.Authority, authorities trust.AuthorityKeys, edit ...func(*trust.Certificate)) {
	t.Helper()
	content := trust.Certificate{
		Fingerprint: e.local.Identity.Fingerprint(), Name: e.local.Name,
		NotBefore: time.Now().Add(-time.Minute), NotAfter: time.Now().Add(time.Hour),
	}
	for _, f := range edit {
		f(&content)
	}
	c, err := by.Sign(content, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	admission := trust.NewAdmission(authorities)
	admission.SetOwn(c)
	e.admit(admission)
}

// admit replaces an end's streams by ones with an admission.
func (e *end) admit(a *trust.Admission) {
	if a.Strict() {
		e.local.Settings.Capabilities |= encap.CapStrict
	}
	e.streams = encap.NewStreams(encap.StreamsConfig{
		Local: e.local, Boot: trust.BootNonce{1}, Started: time.Now(), Port: testPort, Dialer: e.host, OnRefused: e.onRefused, Admission: a,
	})
}

func TestCertifiedNodesHaveStreams(t *testing.T) {
	bubble(t, func(t *testing.T, _ *simnet.Network, a, b *end) {
		authority := newAuthority(t, 1)
		keys := trust.AuthorityKeys{authority.Public()}
		a.certify(t, authority, keys)
		b.certify(t, authority, keys)
		dialed, accepted := connected(t, a, b)
		if len(dialed.Remote().Certificate) == 0 || len(accepted.Remote().Certificate) == 0 {
			t.Error("an end does not have the other's certificate")
		}
	})
}

func TestANodeWithACertificateHasStreamsWithOneThatAsksForNone(t *testing.T) {
	bubble(t, func(t *testing.T, _ *simnet.Network, a, b *end) {
		a.certify(t, newAuthority(t, 1), nil)
		connected(t, a, b)
	})
}

// The dialer, the acceptor, or both are strict; the other one's certificate is not as it should be.
func TestAnUncertifiedKeyIsRefusedByBothEnds(t *testing.T) {
	authority, other := newAuthority(t, 1), newAuthority(t, 2)
	keys := trust.AuthorityKeys{authority.Public()}
	for _, c := range []struct {
		name string
		bad  func(t *testing.T, e *end)
		want string
	}{
		{"none", func(*testing.T, *end) {}, "it shows no certificate"},
		{"another authority's", func(t *testing.T, e *end) {
			e.certify(t, other, trust.AuthorityKeys{authority.Public(), other.Public()})
		}, "of another authority"},
		{"another key's", func(t *testing.T, e *end) {
			e.certify(t, authority, keys, func(c *trust.Certificate) { c.Fingerprint[0] ^= 1 })
		}, "its certificate is for key"},
		{"another name's", func(t *testing.T, e *end) {
			e.certify(t, authority, keys, func(c *trust.Certificate) { c.Name = "another" })
		}, `its certificate is for the name "another"`},
		{"one that has expired", func(t *testing.T, e *end) {
			e.certify(t, authority, keys, func(c *trust.Certificate) { c.NotAfter = time.Now() })
		}, "its certificate expired"},
		{"one of tomorrow", func(t *testing.T, e *end) {
			e.certify(t, authority, keys, func(c *trust.Certificate) {
				c.NotBefore, c.NotAfter = time.Now().Add(24*time.Hour), time.Now().Add(48*time.Hour)
			})
		}, "its certificate counts from"},
	} {
		for _, dials := range []bool{true, false} {
			t.Run(c.name, func(t *testing.T) {
				bubble(t, func(t *testing.T, _ *simnet.Network, a, b *end) {
					bad, strict := a, b
					if !dials {
						bad, strict = b, a
					}
					strict.certify(t, authority, keys)
					c.bad(t, bad)
					accepted := b.serve(t)
					_, err := a.streams.Dial(t.Context(), netip.AddrPortFrom(addrB, testPort))
					var refused *encap.RefusedError
					if !errors.As(err, &refused) || refused.Reason != encap.RefusedCertificate || !strings.Contains(refused.Why(), c.want) {
						t.Errorf("the dialer's error is %v, want one with %q", err, c.want)
					}
					if !dials { // the acceptor may be content with the dialer
						return
					}
					time.Sleep(time.Second) // what is under way arrives
					got := b.lastRefused(t)
					if got.Reason != encap.RefusedCertificate || !strings.Contains(got.Why(), c.want) || len(accepted) != 0 {
						t.Errorf("the acceptor refused %v (%d streams accepted)", got, len(accepted))
					}
					if n := b.streams.Counts(); n.Uncertified != 1 || n.Refused+n.Failed+n.Accepted != 0 {
						t.Errorf("counts %+v", n)
					}
				})
			})
		}
	}
}

func TestAnAcceptorWithoutACertificateIsToldByAStrictDialer(t *testing.T) {
	bubble(t, func(t *testing.T, _ *simnet.Network, a, b *end) {
		authority := newAuthority(t, 1)
		a.certify(t, authority, trust.AuthorityKeys{authority.Public()})
		accepted := b.serve(t)
		if _, err := a.streams.Dial(t.Context(), netip.AddrPortFrom(addrB, testPort)); err == nil {
			t.Fatal("a stream with a node that shows no certificate")
		}
		time.Sleep(time.Second) // what is under way arrives
		if got := b.lastRefused(t).Why(); got != "it does not admit us: it shows no certificate" || len(accepted) != 0 {
			t.Errorf("the acceptor says %q and has %d streams", got, len(accepted))
		}
	})
}

func TestARevokedOrBannedKeyHasNoStreams(t *testing.T) {
	for name, shut := range map[string]func(t *testing.T, strict *trust.Admission, by *trust.Authority, id trust.Fingerprint){
		"revoked": func(t *testing.T, strict *trust.Admission, by *trust.Authority, id trust.Fingerprint) {
			r, err := by.Revoke(trust.Revocation{Fingerprint: id, Time: time.Now()})
			if err != nil {
				t.Fatal(err)
			}
			if _, err := strict.Revoke(r); err != nil {
				t.Fatal(err)
			}
		},
		"banned": func(_ *testing.T, strict *trust.Admission, _ *trust.Authority, id trust.Fingerprint) {
			strict.Ban(id, time.Now())
		},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, _ *simnet.Network, a, b *end) {
				authority := newAuthority(t, 1)
				keys := trust.AuthorityKeys{authority.Public()}
				a.certify(t, authority, keys)
				strict := trust.NewAdmission(keys)
				own, err := authority.Sign(trust.Certificate{
					Fingerprint: b.local.Identity.Fingerprint(), Name: b.local.Name, NotAfter: time.Now().Add(time.Hour),
				}, rand.Reader)
				if err != nil {
					t.Fatal(err)
				}
				strict.SetOwn(own)
				b.admit(strict)
				shut(t, strict, authority, a.local.Identity.Fingerprint())
				b.serve(t)
				_, err = a.streams.Dial(t.Context(), netip.AddrPortFrom(addrB, testPort))
				var refused *encap.RefusedError
				if !errors.As(err, &refused) || !strings.Contains(refused.Why(), "revoked") {
					t.Errorf("error %v", err)
				}
			})
		})
	}
}
