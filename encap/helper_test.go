package encap

import (
	"bytes"
	"crypto/rand"
	"net/netip"
	"testing"
	"time"

	"github.com/weftnet/weft/trust"
)

var start = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

func testSettings() Settings {
	return Settings{
		Network:    []netip.Prefix{netip.MustParsePrefix("10.244.0.0/16")},
		Encryption: true, MinVersion: 1, MaxVersion: 1, Lanes: 1, Ciphers: PreferredCiphers(), MTU: 1500,
	}
}

func testKeys(secret byte) trust.Keys {
	return trust.Secret(bytes.Repeat([]byte{secret}, trust.SecretLen)).Derive()
}

// testLocal is the node of a seed in the cluster of secret 1.
func testLocal(t testing.TB, seed byte) *Local {
	t.Helper()
	id, err := trust.NewIdentity(bytes.Repeat([]byte{seed}, 32))
	if err != nil {
		t.Fatal(err)
	}
	return &Local{Identity: id, Ring: trust.NewRing(testKeys(1)), Settings: testSettings(), Name: string('a' + rune(seed)), Rand: rand.Reader}
}

// testIndexes is what a router does with indexes.
type testIndexes map[uint32]*Keypair

func (x testIndexes) Bind(index uint32, k *Keypair) { x[index] = k }
func (x testIndexes) Release(index uint32)          { delete(x, index) }

// node is one end of a session.
type node struct {
	*Session
	local   *Local
	indexes testIndexes
}

func newNode(l *Local, peer *Local, epoch uint64, change ...func(*SessionConfig)) *node {
	n := &node{local: l, indexes: testIndexes{}}
	cfg := SessionConfig{Local: l, Peer: peer.Identity.Public(), Indexes: n.indexes, Stamp: Stamps(epoch)}
	for _, f := range change {
		f(&cfg)
	}
	n.Session = NewSession(cfg)
	return n
}

func pair(t testing.TB, change ...func(*SessionConfig)) (a, b *node) {
	t.Helper()
	la, lb := testLocal(t, 1), testLocal(t, 2)
	return newNode(la, lb, 1, change...), newNode(lb, la, 1, change...)
}

func (n *node) initiation(t testing.TB, now time.Time) []byte {
	t.Helper()
	frame, err := n.Initiate(now)
	if err != nil {
		t.Fatal(err)
	}
	return frame
}

func (n *node) answer(t testing.TB, frame []byte, now time.Time) ([]byte, error) {
	t.Helper()
	m, err := n.local.ReadInitiation(frame)
	if err != nil {
		t.Fatal(err)
	}
	return n.Accept(m, now)
}

// establish makes a session that a initiated and both ends use.
func establish(t testing.TB, a, b *node, now time.Time) {
	t.Helper()
	response, err := b.answer(t, a.initiation(t, now), now)
	if err != nil {
		t.Fatal(err)
	}
	if err := a.Complete(response, now); err != nil {
		t.Fatal(err)
	}
	a.probe(t, b, now)
	if b.Current() == nil || a.Current() == nil {
		t.Fatal("no session")
	}
}

// probe sends a control frame under the current keys, which confirms them to the other end.
func (n *node) probe(t testing.TB, to *node, now time.Time) {
	t.Helper()
	frame, err := n.Current().SealControl(nil, Probe, ProbeBody{ID: 7}.Append(nil))
	if err != nil {
		t.Fatal(err)
	}
	to.take(t, frame, now)
}

// take receives a control frame as a router does.
func (n *node) take(t testing.TB, frame []byte, now time.Time) {
	t.Helper()
	h, err := ParseHeader(frame)
	if err != nil {
		t.Fatal(err)
	}
	k := n.indexes[h.Index]
	if k == nil {
		t.Fatalf("no keypair of index %d", h.Index)
	}
	if _, _, err := k.OpenControl(bytes.Clone(frame)); err != nil {
		t.Fatal(err)
	}
	n.Confirmed(k, now)
}

// carry sends a data frame from one end to the other and fails the test if it does not arrive.
func carry(t testing.TB, from, to *node, packet []byte) {
	t.Helper()
	frame, err := from.Current().SealData(make([]byte, 0, 2048), 0, 0, packet)
	if err != nil {
		t.Fatal(err)
	}
	got, err := to.open(frame)
	if err != nil || !bytes.Equal(got, packet) {
		t.Fatalf("packet arrived as %x, %v", got, err)
	}
}

// open finds the keypair of a data frame and opens it.
func (n *node) open(frame []byte) ([]byte, error) {
	h, err := ParseHeader(frame)
	if err != nil {
		return nil, err
	}
	k := n.indexes[h.Index]
	if k == nil {
		return nil, errNoKeys
	}
	return k.OpenData(frame)
}

// marked is the mark of a frame that has one.
func marked(t testing.TB, l *Local, frame []byte) Mark {
	t.Helper()
	m, ok := l.Marked(frame)
	if !ok {
		t.Fatal("the frame does not carry the cluster's mark")
	}
	return m
}

// markFor appends the MAC of a handshake frame to a node.
func markFor(to *Local, frame []byte) []byte {
	key := macKey(to.Ring.First(), to.Identity.Fingerprint())
	return appendMAC(&key, frame)
}
