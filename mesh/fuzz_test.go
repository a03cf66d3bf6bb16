package mesh

import (
	"bytes"
	"encoding/json"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/hashicorp/memberlist"

	"github.com/weftnet/weft/trust"
	"github.com/weftnet/weft/trust/vectors"
)

// fuzzOwner is the state of a mesh that does not run: what it hears changes it, and nothing is sent.
func fuzzOwner(t testing.TB, a *trust.Admission) *owner {
	t.Helper()
	m, err := New(Config{
		Identity: testIdentity("me"), Boot: trust.BootNonce{1}, Name: "me", Network: testContent().Network,
		Subnet: Subnet{Kind: KindAuto}, Underlay: noUnderlay{}, Admission: a,
	})
	if err != nil {
		t.Fatal(err)
	}
	return m.owner
}

type noUnderlay struct{ Underlay }

// FuzzHeard gives a node messages as gossip brings them, and the state of a push/pull. Signed claims are among the seeds: what
// is made of them does not verify, and changes nothing.
func FuzzHeard(f *testing.F) {
	c := mustSign(f, "a", testContent())
	d := signDeparture(testIdentity("a"), trust.BootNonce{2}, 5)
	n := notice{id: c.id, digest: c.digest, by: memberName{c.id, trust.BootNonce{2}}}.append(nil)
	f.Add(message(messageClaim, c.raw))
	f.Add(message(messageDeparture, d.raw))
	f.Add(message(messageAnnounce, n))
	f.Add(message(messageFetch, n))
	f.Add(message(messageGreeting, append(c.id[:], message(messageClaim, c.raw)...)))
	f.Add(message(messageGreeting, append(c.id[:], message(messageGreeting, c.id[:])...)))
	stone := signTombstone(testIdentity("a"), testIdentity("b").Fingerprint(), 7, 1_700_000_000_000)
	f.Add(message(messageForget, stone.raw))
	s := state{claims: []*Claim{c}, departures: []departure{d}, tombstones: []tombstone{stone}, sightings: []sighting{{id: c.id}}}
	f.Add(s.encode(time.Unix(60, 0)))
	f.Fuzz(func(t *testing.T, b []byte) {
		o := fuzzOwner(t, nil)
		o.message(b)
		o.mergeState(b)
		o.refresh(time.Now())
		for _, heard := range o.set.Claims() {
			if heard.id != c.id || !bytes.Equal(heard.raw, c.raw) {
				t.Errorf("a claim of %s is taken", heard.id)
			}
		}
	})
}

// FuzzHeardStrictly is FuzzHeard at a node with an authority, for claims that are signed by their node: only the one whose
// certificate is the authority's is taken.
func FuzzHeardStrictly(f *testing.F) {
	authority := fuzzAuthority(f)
	begin, end := time.Unix(1_700_000_000, 0), time.Unix(1<<36, 0) // the same in every fuzzing process
	id, content := testIdentity("a"), testContent()
	certificate, err := authority.Sign(trust.Certificate{
		Fingerprint: id.Fingerprint(), Name: content.Name, Subnets: content.Subnets, NotBefore: begin, NotAfter: end, Serial: 7,
	}, nil)
	if err != nil {
		f.Fatal(err)
	}
	revocation, err := authority.Revoke(trust.Revocation{Serial: 7, Time: begin})
	if err != nil {
		f.Fatal(err)
	}
	content.Certificate = certificate.Raw()
	certified := mustSign(f, "a", content)
	f.Add(certified.raw[signatureLen:], []byte{})
	f.Add(mustSign(f, "a", testContent()).raw[signatureLen:], message(messageRevocation, revocation.Raw()))
	f.Fuzz(func(t *testing.T, body, b []byte) {
		o := fuzzOwner(t, trust.NewAdmission(trust.AuthorityKeys{authority.Public()}))
		o.message(message(messageClaim, append(id.Sign(signedBytes(body)), body...)))
		o.message(b)
		o.mergeState(b)
		o.judge(time.Now())
		o.refresh(time.Now())
		for _, heard := range o.admitted() {
			if heard.Certificate == nil || !bytes.Equal(heard.Certificate, certificate.Raw()) || heard.Name != content.Name {
				t.Errorf("%+v is admitted", heard)
			}
		}
	})
}

func fuzzAuthority(t testing.TB) *trust.Authority {
	t.Helper()
	a, err := trust.NewAuthority(bytes.NewReader(vectors.Count(0x20, 32)))
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// FuzzSignedClaim signs what it is given: members may say anything of themselves. What is wrong in it must cost nobody else
// anything.
func FuzzSignedClaim(f *testing.F) {
	body := mustSign(f, "a", testContent()).raw[signatureLen:]
	f.Add(body)
	f.Add(append(bytes.Clone(body), 0xff))
	id := testIdentity("a")
	heir := testContent()
	heir.Predecessors = []Predecessor{bequeath(testIdentity("c"), id.Fingerprint())}
	f.Add(mustSign(f, "a", heir).raw[signatureLen:])
	other := testContent()
	other.Subnets, other.Routes, other.Cut = []netip.Prefix{subnetOf(2)}, nil, nil
	b := mustSign(f, "b", other)
	f.Fuzz(func(t *testing.T, body []byte) {
		c, err := DecodeClaim(append(id.Sign(signedBytes(body)), body...))
		if err != nil {
			return
		}
		for _, p := range c.Predecessors[min(1, len(c.Predecessors)):] {
			t.Errorf("%s has signed nothing", p.ID().Short())
		}
		if c.Keys.Sign != id.Public().Sign {
			t.Fatal("the claim is of another key than it is signed with")
		}
		rules := Rules{Network: other.Network}
		reach := func(trust.Fingerprint) Reach { return Reached }
		for _, set := range [][]*Claim{{b, c}, {c, b}} {
			a, _ := Assign(Assignment{subnetOf(2): b.id}, set, rules, reach)
			if a[subnetOf(2)] != b.id {
				t.Errorf("a reachable owner lost its subnet to %+v", c)
			}
		}
	})
}

func FuzzMeta(f *testing.F) {
	f.Add(encodeMeta(testContent().Endpoints))
	f.Fuzz(func(t *testing.T, raw []byte) {
		for _, e := range decodeMeta(raw) {
			if checkEndpoint(e) != nil {
				t.Errorf("%x has nodes called at %v", raw, e)
			}
		}
	})
}

// FuzzMember gives memberlist's names and addresses of nodes to what lets them in.
func FuzzMember(f *testing.F) {
	n := memberName{testIdentity("a").Fingerprint(), trust.BootNonce{1}}
	f.Add(n.String(), []byte(syntheticIP(n.id)), encodeMeta(testContent().Endpoints))
	f.Add("", []byte{}, []byte{})
	d := newDelegate(memberName{}, newMailbox())
	f.Fuzz(func(t *testing.T, name string, addr, meta []byte) {
		node := &memberlist.Node{Name: name, Addr: net.IP(addr), Meta: meta}
		if d.NotifyAlive(node) != nil {
			return
		}
		n, ok := parseMemberName(name)
		if !ok || !syntheticIP(n.id).Equal(node.Addr) {
			t.Errorf("%q at %x is let in", name, addr)
		}
		d.NotifyJoin(node)
		d.NotifyLeave(node)
		d.mail.take()
	})
}

func FuzzSeed(f *testing.F) {
	for _, s := range []string{"192.0.2.1", "[2001:db8::1]:9338", "host:1", "2001:db8::1", "a b", ":9338", "host:99999"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, seed string) {
		host, port, err := SplitSeed(seed, DefaultPort)
		if err == nil && (host == "" || port == 0) {
			t.Errorf("%q is host %q, port %d", seed, host, port)
		}
	})
}

// FuzzStateFiles gives a node its state files in any condition: it starts, or says which one is of a newer weft; never from
// half of a file.
func FuzzStateFiles(f *testing.F) {
	c := mustSign(f, "a", testContent())
	peers, err := json.Marshal(peersRecord{Version: fileVersion, Peers: []peerRecord{
		{ID: c.id.String(), Name: c.Name, Observed: c.Endpoints, Claim: c.raw, Seen: lawsNow}, {ID: testIdentity("b").Fingerprint().String(), Heard: true},
	}, Dropped: []dropRecord{{testIdentity("c").Fingerprint().String(), 7, lawsNow, nil}, {c.id.String(), 7, lawsNow, c.raw}}})
	if err != nil {
		f.Fatal(err)
	}
	revoked, err := fuzzAuthority(f).Revoke(trust.Revocation{Fingerprint: c.id, Time: time.Unix(1_700_000_000, 0)})
	if err != nil {
		f.Fatal(err)
	}
	out := encodeFile(revokedRecord{Version: fileVersion, Signed: [][]byte{revoked.Raw()}, Banned: map[string]time.Time{c.id.String(): {}}})
	f.Add(encodeClaimFile(c), peers, out)
	f.Add([]byte(`{"version":2}`), []byte(`{"version":1,"peers":null}`), []byte("{}"))
	f.Add([]byte{}, []byte("null"), []byte(`{"version":1,"signed":[""],"banned":{"x":"y"}}`))
	f.Fuzz(func(t *testing.T, claim, peers, out []byte) {
		dir, err := os.MkdirTemp("", "weft-fuzz")
		if err != nil {
			t.Fatal(err)
		}
		defer os.RemoveAll(dir)
		for i, raw := range [][]byte{claim, peers, out} {
			if err := os.WriteFile(filepath.Join(dir, StateFiles()[i]), raw, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		s := store{dir, slog.New(slog.NewTextHandler(io.Discard, nil)), time.Now()}
		strict := trust.NewAdmission(trust.AuthorityKeys{fuzzAuthority(t).Public()})
		if s.loadRevoked(strict) != nil {
			return
		}
		for _, r := range strict.Revocations() {
			if !bytes.Equal(r.Raw(), revoked.Raw()) {
				t.Errorf("%+v counts", r)
			}
		}
		own, records, err := s.load(c.id)
		if err != nil {
			return
		}
		if own != nil && (own.id != c.id || !slices.Equal(own.raw, c.raw)) {
			t.Errorf("the own claim is of %s", own.id)
		}
		fuzzOwner(t, nil).restorePeers(records)
	})
}

// FuzzSuccession gives a node the file that says whose place it took in any condition: it releases nothing of others', and nothing
// that is not signed.
func FuzzSuccession(f *testing.F) {
	old, next := testIdentity("a"), testIdentity("me")
	record, err := successionRecord{}.succeed(mustSign(f, "a", testContent()), old, next)
	if err != nil {
		f.Fatal(err)
	}
	raw, err := json.Marshal(record)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(raw)
	f.Add([]byte(`{"version":1,"first":"","last":[""]}`))
	f.Add([]byte(`{"version":2}`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		dir, err := os.MkdirTemp("", "weft-fuzz")
		if err != nil {
			t.Fatal(err)
		}
		defer os.RemoveAll(dir)
		if err := os.WriteFile(filepath.Join(dir, SuccessionFile), raw, 0o600); err != nil {
			t.Fatal(err)
		}
		claim, released, err := store{dir: dir}.inherit(next.Fingerprint(), nil)
		if err != nil {
			return
		}
		// Only what the identities signed counts. That need not be what they signed above: inputs are kept over changes of the format.
		if claim != nil && !signedBy(claim, next) {
			t.Errorf("it begins with %+v", claim)
		}
		for _, c := range released {
			if !signedBy(c, old) {
				t.Errorf("%+v is released", c)
			}
		}
	})
}

// signedBy reports whether a claim is of an identity, by its signature.
func signedBy(c *Claim, id *trust.Identity) bool {
	return c.id == id.Fingerprint() && id.Public().Verify(signedBytes(c.raw[signatureLen:]), c.raw[:signatureLen])
}
