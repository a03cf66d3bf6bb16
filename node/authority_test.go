package node

import (
	"bytes"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/weftnet/weft/encap"
	"github.com/weftnet/weft/mesh"
	"github.com/weftnet/weft/node/api"
	"github.com/weftnet/weft/node/config"
	"github.com/weftnet/weft/router"
	"github.com/weftnet/weft/trust"
)

// operator has the key of an authority, and its public key in a file.
type operator struct {
	s      *site
	key    *trust.Authority
	public string
}

func (s *site) operator(seed byte) *operator {
	s.t.Helper()
	key, err := trust.NewAuthority(bytes.NewReader(bytes.Repeat([]byte{seed}, 32)))
	must(s.t, err)
	o := &operator{s, key, filepath.Join(s.dir, key.String()+".pub")}
	must(s.t, os.WriteFile(o.public, key.Public().PEM(), 0o644))
	return o
}

// sign makes a certificate for what a machine is configured to be, for a year.
func (o *operator) sign(m *machine, edit ...func(*trust.Certificate)) *trust.Certificate {
	o.s.t.Helper()
	must(o.s.t, os.MkdirAll(m.cfg.StateDir, 0o700))
	id, _, err := trust.LoadIdentity(m.cfg.StateDir, m.random)
	must(o.s.t, err)
	content := trust.Certificate{
		Fingerprint: id.Fingerprint(), Name: m.cfg.Name, Subnets: m.cfg.Subnet.Prefixes, Routes: m.cfg.Routes,
		NotBefore: time.Now(), NotAfter: time.Now().AddDate(1, 0, 0),
	}
	for _, e := range edit {
		e(&content)
	}
	c, err := o.key.Sign(content, rand.Reader)
	must(o.s.t, err)
	return c
}

// certify gives a machine a certificate, and makes it strict.
func (o *operator) certify(m *machine, edit ...func(*trust.Certificate)) {
	o.s.t.Helper()
	m.cfg.Authority, m.cfg.Certificate = o.public, filepath.Join(filepath.Dir(m.cfg.SecretFile), "certificate")
	must(o.s.t, os.WriteFile(m.cfg.Certificate, o.sign(m, edit...).PEM(), 0o644))
}

// strict is so many certified hosts, which route to each other.
func (s *site) strict(o *operator, hosts int) []*machine {
	s.t.Helper()
	for i := range hosts {
		m := s.machine(i + 1)
		o.certify(m)
		m.start()
	}
	within(s.t, 10*time.Second, "all route to all", joinedUp(s.machines...))
	return s.machines
}

func TestAStolenSecretAloneOpensNothing(t *testing.T) {
	bubble(t, lan, func(t *testing.T, s *site) {
		all := s.strict(s.operator(1), 2)
		a, b := all[0], all[1]
		thief := s.machine(3, func(c *config.Config) { c.Join = []string{addrOf(1).String(), addrOf(2).String()} })
		thief.start()
		time.Sleep(time.Minute)
		if len(thief.status().Peers) != 0 || thief.routes(a) || thief.status().Node.Members.Known != 0 {
			t.Errorf("the thief knows %+v", thief.status().Peers)
		}
		for _, m := range all {
			n := m.status().Node
			if n.Members.Known != 1 || n.Claims != 2 || n.Streams.Uncertified == 0 || m.routes(thief) {
				t.Errorf("%s: %d members, %d claims, %d streams refused", m.cfg.Name, n.Members.Known, n.Claims, n.Streams.Uncertified)
			}
			if !slices.ContainsFunc(n.Refused, func(r api.Note) bool { return r.Reason == "it shows no certificate" }) {
				t.Errorf("%s: refused %+v", m.cfg.Name, n.Refused)
			}
		}
		if !joinedUp(a, b)() {
			t.Error("a and b have lost each other")
		}
		if why := thief.status().Node.Refused; len(why) == 0 || why[0].Reason != "it does not admit us: it shows no certificate" {
			t.Errorf("the thief is told %+v", why)
		}
	})
}

// What the thief's own router and gossip would say, with everything that it could have overheard: the keys and endpoints of all.
func TestAThiefWhoKnowsAllKeysHasNoSession(t *testing.T) {
	bubble(t, lan, func(t *testing.T, s *site) {
		all := s.strict(s.operator(1), 2)
		thief := s.machine(3)
		thief.start()
		peers := []router.PeerConfig{}
		for i, m := range all {
			peers = append(peers, router.PeerConfig{
				Keys: m.node.identity.Public(), Name: m.cfg.Name, Prefixes: []netip.Prefix{subnetOf(i + 1)},
				Endpoints: []netip.AddrPort{netip.AddrPortFrom(addrOf(i+1), config.DefaultPort)},
			})
		}
		gossip := 0
		for range 100 { // the keeper takes the table back meanwhile
			must(t, thief.node.router.Set(router.Table{Local: []netip.Prefix{subnetOf(3)}, Peers: peers}))
			for _, p := range peers {
				must(t, thief.node.router.SendGossip(p.Keys.Fingerprint(), p.Endpoints, []byte("of the thief")))
				gossip++
			}
			time.Sleep(100 * time.Millisecond)
		}
		barred, unknown := uint64(0), uint64(0)
		for _, m := range all {
			drops := m.status().Node.Drops
			barred, unknown = barred+drops["gossip-barred"], unknown+drops["unknown-peer"]
			if n := m.status().Node; n.Members.Known != 1 || n.Received.Packets != 0 {
				t.Errorf("%s: %d members, %d packets delivered", m.cfg.Name, n.Members.Known, n.Received.Packets)
			}
		}
		if barred != uint64(gossip) || unknown == 0 {
			t.Errorf("%d gossip frames barred of %d, %d initiations of an unknown peer", barred, gossip, unknown)
		}
	})
}

func TestACertificateThatEndsEndsThePathAtOnce(t *testing.T) {
	bubble(t, lan, func(t *testing.T, s *site) {
		o := s.operator(1)
		a, b := s.machine(1), s.machine(2)
		end := time.Now().Add(time.Minute)
		o.certify(a)
		o.certify(b, func(c *trust.Certificate) { c.NotAfter = end })
		a.start()
		b.start()
		within(t, 10*time.Second, "both route", joinedUp(a, b))
		time.Sleep(time.Until(end) - time.Millisecond)
		if !a.routes(b) {
			t.Error("the path ended before its time")
		}
		within(t, 50*time.Millisecond, "a routes to b no more", func() bool { return !a.routes(b) })
		if p := a.peer("node-2"); p.State != api.StateRefused || !strings.HasPrefix(p.Reason, "its certificate expired ") {
			t.Errorf("a says of b: %+v", p)
		}
		if c := a.status().Node.Conflicts; len(c) != 1 || !strings.Contains(c[0].Reason, "its certificate expired") {
			t.Errorf("conflicts %+v", c)
		}
		within(t, tidyPeriod, "b says why", func() bool { return strings.HasPrefix(b.problem("certificate"), "no other node takes this one: ") })
		must(t, os.WriteFile(b.cfg.Certificate, o.sign(b).PEM(), 0o644))
		done, err := b.reload(unchanged)
		must(t, err)
		if len(done.Changed) != 1 || done.Changed[0].Key != "certificate" || b.problem("certificate") != "" {
			t.Errorf("reload: %+v; status says %q", done, b.problem("certificate"))
		}
		within(t, time.Minute, "both route again", joinedUp(a, b))
	})
}

func TestACertificateIsWarnedOfBeforeItsEnd(t *testing.T) {
	for within, left := range map[string]time.Duration{"": expiresSoon + time.Hour, "30 days": expiresSoon - time.Hour, "7 days": expiresVerySoon - time.Hour} {
		bubble(t, lan, func(t *testing.T, s *site) {
			o, m := s.operator(1), s.machine(1)
			o.certify(m, func(c *trust.Certificate) { c.NotAfter = time.Now().Add(left) })
			m.start()
			time.Sleep(2 * tidyPeriod)
			if got := m.problem("certificate"); (got == "") != (within == "") || !strings.Contains(got, within) {
				t.Errorf("with %v left: %q", left, got)
			}
		})
	}
}

func TestARenewalByReloadKeepsThePath(t *testing.T) {
	bubble(t, lan, func(t *testing.T, s *site) {
		o := s.operator(1)
		all := s.strict(o, 2)
		a, b := all[0], all[1]
		since := a.peer("node-2").Since
		renewed := o.sign(b, func(c *trust.Certificate) { c.NotAfter = c.NotAfter.AddDate(1, 0, 0) })
		must(t, os.WriteFile(b.cfg.Certificate, renewed.PEM(), 0o644))
		_, err := b.reload(unchanged)
		must(t, err)
		within(t, 5*time.Second, "a has the new one", func() bool {
			if !a.routes(b) {
				t.Fatal("the path went")
			}
			i := slices.IndexFunc(a.node.mesh.View().Members, func(m mesh.Member) bool { return m.Name == "node-2" })
			return bytes.Equal(a.node.mesh.View().Members[i].Claim.Certificate, renewed.Raw())
		})
		if got := a.peer("node-2"); got.Since != since || got.State != api.StateUp {
			t.Errorf("the path is up since %v, and was since %v", got.Since, since)
		}
	})
}

func TestARevocationEndsThePathEverywhereAndForGood(t *testing.T) {
	bubble(t, lan, func(t *testing.T, s *site) {
		o := s.operator(1)
		all := s.strict(o, 3)
		a, b, bad := all[0], all[1], all[2]
		r, err := o.key.Revoke(trust.Revocation{Fingerprint: bad.node.identity.Fingerprint(), Time: time.Now()})
		must(t, err)
		done, err := a.node.revoke("", base64.RawURLEncoding.EncodeToString(r.Raw()))
		must(t, err)
		if !done.News {
			t.Error("it is news")
		}
		within(t, time.Second, "nobody routes to it", func() bool { return !a.routes(bad) && !b.routes(bad) })
		b.stop()
		b.start()
		within(t, 10*time.Second, "b is back", joinedUp(a, b))
		time.Sleep(time.Minute)
		if a.routes(bad) || b.routes(bad) || b.status().Node.Trust.Revoked != 1 {
			t.Errorf("after a restart: b knows of %d revocations", b.status().Node.Trust.Revoked)
		}
		if got := bad.status().Node.Refused; !slices.ContainsFunc(got, func(n api.Note) bool { return strings.Contains(n.Reason, "revoked its key") }) {
			t.Errorf("it is told %+v", got)
		}
		if got := bad.problem("certificate"); !strings.Contains(got, "weft key replace") {
			t.Errorf("another certificate would not help, and it says %q", got)
		}
	})
}

func TestARevokedNodeDoesNotStart(t *testing.T) {
	bubble(t, lan, func(t *testing.T, s *site) {
		o := s.operator(1)
		all := s.strict(o, 2)
		a, bad := all[0], all[1]
		r, err := o.key.Revoke(trust.Revocation{Fingerprint: bad.node.identity.Fingerprint(), Time: time.Now()})
		must(t, err)
		_, err = a.node.revoke("", base64.RawURLEncoding.EncodeToString(r.Raw()))
		must(t, err)
		within(t, time.Second, "it knows", func() bool { return bad.status().Node.Trust.Revoked == 1 })
		bad.stop()
		must(t, bad.boot())
		refused := bad.node.refuseRevoked()
		if !errors.Is(refused, config.ErrConfig) || !strings.Contains(refused.Error(), "authority: no other node takes this one, the authority has revoked this node's key ") ||
			!strings.Contains(refused.Error(), "weft key replace") {
			t.Errorf("it is refused with: %v", refused)
		}
	})
}

func TestWithoutAnAuthorityARevocationIsLocal(t *testing.T) {
	bubble(t, lan, func(t *testing.T, s *site) {
		a, b, c := s.trio()
		o := s.operator(1)
		r, err := o.key.Revoke(trust.Revocation{Fingerprint: b.node.identity.Fingerprint(), Time: time.Now()})
		must(t, err)
		if _, err := a.node.revoke("", base64.RawURLEncoding.EncodeToString(r.Raw())); !errors.Is(err, trust.ErrNoAuthority) || !errors.Is(err, config.ErrConfig) {
			t.Errorf("a signed one: %v", err)
		}
		if _, err := a.node.revoke("nobody", ""); !errors.Is(err, ErrUnknownPeer) {
			t.Errorf("of a stranger: %v", err)
		}
		done, err := a.node.revoke("node-2", "")
		must(t, err)
		if !done.News || !strings.HasPrefix(done.What, "node-2 (key ") {
			t.Errorf("%+v", done)
		}
		within(t, time.Second, "a routes to b no more", func() bool { return a.routes(c) })
		time.Sleep(time.Minute)
		if !a.routes(c) || !c.routes(a, b) || a.status().Node.Trust.Banned != 1 {
			t.Errorf("a routes to c alone: %v, c to both: %v", a.routes(c), c.routes(a, b))
		}
		for i := range 3 {
			rotation, err := a.node.secrets.Rotate(t.Context(), []string{"node-2"}, nil)
			must(t, err)
			if !rotation.Done || len(rotation.Nodes) != 2 {
				t.Fatalf("step %d without it: %+v", i+1, rotation)
			}
		}
		if x, y := a.holds(), b.holds(); slices.Equal(x, y) {
			t.Errorf("it has followed to %v", x)
		}
	})
}

func TestNodesWithCertificatesAndWithoutAStrictOneStillWork(t *testing.T) {
	bubble(t, lan, func(t *testing.T, s *site) {
		o := s.operator(1)
		a, b, c := s.machine(1), s.machine(2), s.machine(3)
		o.certify(a)
		o.certify(b)
		c.cfg.Join = []string{addrOf(2).String()}
		b.cfg.Authority = "" // it shows its certificate, and asks for none
		for _, m := range s.machines {
			m.start()
		}
		within(t, 20*time.Second, "a with b, b with c", func() bool { return a.routes(b) && b.routes(a, c) && c.routes(b) })
		time.Sleep(time.Minute)
		if !a.routes(b) || !b.routes(a, c) || !c.routes(b) {
			t.Error("a minute later it is not so")
		}
	})
}

func TestACertificateThatIsNotInOrderIsRefusedWithFileFieldAndRemedy(t *testing.T) {
	for name, test := range map[string]struct {
		spoil func(o, other *operator, m *machine)
		want  []string
	}{
		"none":           {func(_, _ *operator, m *machine) { m.cfg.Certificate = "" }, []string{"authority: ", "has no certificate", "weft authority sign"}},
		"no file":        {func(_, _ *operator, m *machine) { must(m.t, os.Remove(m.cfg.Certificate)) }, []string{"certificate: ", "/certificate: no such file", "weft authority sign"}},
		"garbage":        {func(_, _ *operator, m *machine) { must(m.t, os.WriteFile(m.cfg.Certificate, []byte("x"), 0o644)) }, []string{"certificate: ", "/certificate: ", "it has no PEM block", "weft authority sign"}},
		"another's key":  {func(o, _ *operator, m *machine) { o.certify(m, func(c *trust.Certificate) { c.Fingerprint[0] ^= 1 }) }, []string{"certificate: ", "it is for key ", "sign another one"}},
		"another name":   {func(o, _ *operator, m *machine) { o.certify(m, func(c *trust.Certificate) { c.Name = "x" }) }, []string{"certificate: ", `it is for the name "x", and this node is called "node-1": set name, or sign`}},
		"expired":        {func(o, _ *operator, m *machine) { o.certify(m, until(-time.Minute)) }, []string{"certificate: ", "it expired ", "by this host's clock", "sign a new one, or set the clock"}},
		"a clock behind": {func(o, _ *operator, m *machine) { o.certify(m, from(3*time.Hour)) }, []string{"certificate: ", "it counts from ", "set the clock that is wrong"}},
		"another authority": {func(_, other *operator, m *machine) {
			before := m.cfg.Authority
			other.certify(m)
			m.cfg.Authority = before
		}, []string{"certificate: ", "it is of another authority, ", "ours is "}},
		"another subnet": {func(o, _ *operator, m *machine) { m.cfg.Subnet.Prefixes = []netip.Prefix{subnetOf(9)} }, []string{"certificate: ", "it does not allow subnet 10.244.9.0/24 (it allows 10.244.1.0/24)"}},
		"another route": {func(o, _ *operator, m *machine) {
			m.cfg.Routes = []netip.Prefix{netip.MustParsePrefix("192.168.0.0/24")}
		}, []string{"certificate: ", "it does not allow route 192.168.0.0/24 (it allows none)"}},
		"an automatic subnet": {func(o, _ *operator, m *machine) {
			o.certify(m, func(c *trust.Certificate) { c.Subnets = nil })
			m.cfg.Subnet = config.Subnet{Auto: true}
		}, []string{"certificate: ", "it allows no subnet in network"}},
		"no key": {func(_, _ *operator, m *machine) {
			must(m.t, os.Remove(filepath.Join(m.cfg.StateDir, trust.IdentityFile)))
		}, []string{"certificate: ", "weft authority request"}},
		"no public key": {func(_, _ *operator, m *machine) { m.cfg.Authority = m.cfg.Certificate }, []string{"authority: ", "/certificate: not the public key of an authority", "weft authority new"}},
		"the private key": {func(o, _ *operator, m *machine) { must(m.t, os.WriteFile(o.public, o.key.PEM(), 0o600)) },
			[]string{"authority: ", "it holds the private key, which stays off the nodes"}},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, lan, func(t *testing.T, s *site) {
				o, other, m := s.operator(1), s.operator(2), s.machine(1)
				o.certify(m)
				test.spoil(o, other, m)
				_, err := New(m.cfg, m.platform(), testLogger(t))
				if !errors.Is(err, config.ErrConfig) || strings.Contains(err.Error(), "\n") {
					t.Fatalf("error %v", err)
				}
				if strings.Count(err.Error(), "weft authority new") > 1 {
					t.Errorf("%q says it twice", err)
				}
				for _, part := range test.want {
					if !strings.Contains(err.Error(), part) {
						t.Errorf("%q does not say %q", err, part)
					}
				}
			})
		})
	}
}

func until(d time.Duration) func(*trust.Certificate) {
	return func(c *trust.Certificate) { c.NotBefore, c.NotAfter = time.Now().Add(-24*time.Hour), time.Now().Add(d) }
}

func from(d time.Duration) func(*trust.Certificate) {
	return func(c *trust.Certificate) { c.NotBefore = time.Now().Add(d) }
}

func TestACertificateThatIsNotInOrderIsRefusedByAReload(t *testing.T) {
	bubble(t, lan, func(t *testing.T, s *site) {
		o := s.operator(1)
		m := s.strict(o, 1)[0]
		before := m.node.admission.Own()
		must(t, os.WriteFile(m.cfg.Certificate, o.sign(m, until(-time.Minute)).PEM(), 0o644))
		if _, err := m.reload(unchanged); !errors.Is(err, config.ErrConfig) || !strings.Contains(err.Error(), "it expired ") {
			t.Errorf("error %v", err)
		}
		if m.node.admission.Own() != before || !strings.Contains(m.problem("config"), "what runs is unchanged") {
			t.Errorf("status says %q", m.problem("config"))
		}
	})
}

func TestASettingOfAStrictNodeSaysSo(t *testing.T) {
	bubble(t, lan, func(t *testing.T, s *site) {
		m := s.strict(s.operator(1), 1)[0]
		if m.node.local.Settings.Capabilities&encap.CapStrict == 0 {
			t.Error("its capabilities do not")
		}
		got := m.status().Node.Trust
		if len(got.Authorities) != 1 || got.Certificate == nil || got.Certificate.Name != "node-1" {
			t.Errorf("status says %+v", got)
		}
	})
}

func TestAStrictNodeFollowsNobodyToAnotherSecret(t *testing.T) {
	bubble(t, lan, func(t *testing.T, s *site) {
		m := s.strict(s.operator(1), 1)[0]
		other := trust.Secret{9}
		answer := m.node.secrets.Follow(trust.Fingerprint{1}, encap.SecretOffer{
			ID: 1, Phase: encap.SecretAdd, Old: trust.Secret(bytes.Repeat([]byte{7}, trust.SecretLen)).ID(), New: other.ID(), Secret: other,
		})
		if answer.Status != encap.SecretRefused || !strings.Contains(answer.Reason, "the authority has not signed this rotation") || len(m.node.secrets.Held()) != 1 {
			t.Errorf("answer %+v, secrets held: %d", answer, len(m.node.secrets.Held()))
		}
	})
}
