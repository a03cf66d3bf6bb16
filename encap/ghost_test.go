package encap

import (
	"bytes"
	"errors"
	"net"
	"testing"
	"time"

	"github.com/flynn/noise"

	"github.com/weftnet/weft/trust"
)

// ghostOf is a node that does not exist: a member of the cluster claims it with the X25519 key of a victim, which it knows
// from the victim's claim, and a signing key of its own, and with the victim's endpoints.
func ghostOf(victim, attacker *Local) trust.PublicKeys {
	return trust.PublicKeys{DH: victim.Identity.Public().DH, Sign: attacker.Identity.Public().Sign}
}

// haunted is an honest pair with a session, and the session that the first one has to the second one's ghost.
func haunted(t *testing.T) (a, b, ghost *node) {
	t.Helper()
	a, b = pair(t)
	establish(t, a, b, start)
	ghost = &node{local: a.local, indexes: testIndexes{}}
	ghost.Session = NewSession(SessionConfig{
		Local: a.local, Peer: ghostOf(b.local, testLocal(t, 3)), Indexes: ghost.indexes, Stamp: Stamps(9),
	})
	return a, b, ghost
}

// forwarded is a handshake frame as a member of the cluster passes it on: with the mark of another receiver.
func forwarded(frame []byte, to *node) []byte {
	return markFor(to.local, bytes.Clone(frame[:len(frame)-macLen]))
}

func TestInitiationToAGhostWithTheVictimsKeyIsRefusedByTheVictim(t *testing.T) {
	_, b, ghost := haunted(t)
	frame := ghost.initiation(t, start)
	if _, err := b.local.ReadInitiation(frame); !errors.Is(err, ErrMAC) {
		t.Errorf("as the initiator sent it: %v, want ErrMAC", err)
	}
	if _, err := b.local.ReadInitiation(forwarded(frame, b)); !errors.Is(err, ErrAuth) {
		t.Errorf("with the victim's MAC: %v, want ErrAuth", err)
	}
}

func TestAGhostDoesNotDisturbTheHonestSession(t *testing.T) {
	a, b, ghost := haunted(t)
	keysA, keysB := a.Current(), b.Current()
	for i := range 5 {
		frame := ghost.initiation(t, start.Add(time.Duration(i)*time.Second))
		for _, f := range [][]byte{frame, forwarded(frame, b)} {
			if m, err := b.local.ReadInitiation(f); err == nil {
				_, err = b.Accept(m, start)
				t.Errorf("the victim reads it, and accepts: %v", err)
			}
		}
	}
	if a.Current() != keysA || b.Current() != keysB || len(b.indexes) != 1 {
		t.Error("the keys of the honest session were displaced")
	}
	carry(t, a, b, []byte("from a"))
	carry(t, b, a, []byte("from b"))
	establish(t, a, b, start.Add(time.Minute)) // with a stamp below the ghost's
}

func TestInitiationUnderAnotherSigningKeyIsNotTheHonestNodes(t *testing.T) {
	a, b := pair(t)
	payload := a.initiationPayload()
	sign := testLocal(t, 3).Identity.Public().Sign
	payload.Sign = sign[:]
	raw, err := encode(payload)
	if err != nil {
		t.Fatal(err)
	}
	frame, err := a.initiate(&attempt{index: 7, keys: a.local.Ring.First()}, raw, nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := b.answer(t, frame, start); !errors.Is(err, ErrPeer) {
		t.Errorf("error %v, want ErrPeer", err)
	}
}

// TestStreamHelloMustNameTheKeyOfTheHandshake lets each end in turn name keys that are not those of the handshake. A ghost
// in a hello is refused by that; so nobody can speak on a stream as a node whose X25519 key it does not have.
func TestStreamHelloMustNameTheKeyOfTheHandshake(t *testing.T) {
	la, lb, lc := testLocal(t, 1), testLocal(t, 2), testLocal(t, 3)
	public := la.Identity.Public()
	for name, c := range map[string]struct {
		keys trust.PublicKeys
		want error
	}{
		"its own":               {public, nil},
		"another node's":        {lc.Identity.Public(), ErrAuth},
		"a ghost of the reader": {ghostOf(lb, la), ErrAuth},
		"a ghost of another":    {ghostOf(lc, la), ErrAuth},
	} {
		for _, dialer := range []bool{true, false} {
			got, err := exchangeHello(t, la, lb, dialer, c.keys)
			if !errors.Is(err, c.want) || err == nil && got.Keys != public {
				t.Errorf("%s, as dialer %v: %v, want %v", name, dialer, err, c.want)
			}
		}
	}
}

// exchangeHello does a handshake in which liar, as dialer or acceptor, names keys in its hello, and returns what reader
// makes of that hello.
func exchangeHello(t *testing.T, liar, reader *Local, dialer bool, keys trust.PublicKeys) (Hello, error) {
	t.Helper()
	from, to := NewStreams(StreamsConfig{Local: liar}), NewStreams(StreamsConfig{Local: reader})
	mine, theirs := newState(t, from.noiseConfig(newCurve(from.cfg.Local.Identity), from.cfg.Local.Ring.First(), dialer)), newState(t, to.noiseConfig(newCurve(to.cfg.Local.Identity), to.cfg.Local.Ring.First(), !dialer))
	hello := testHello()
	hello.Keys = keys
	raw, err := hello.encode()
	if err != nil {
		t.Fatal(err)
	}
	if dialer {
		pass(t, mine, theirs)
		pass(t, theirs, mine)
	} else {
		pass(t, theirs, mine)
	}
	msg, _, _, err := mine.WriteMessage(nil, raw)
	if err != nil {
		t.Fatal(err)
	}
	h, _, _, err := to.readHello(recordConn(t, msg), theirs)
	return h, err
}

func newState(t *testing.T, cfg noise.Config) *noise.HandshakeState {
	t.Helper()
	state, err := noise.NewHandshakeState(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return state
}

// pass carries an empty handshake message.
func pass(t *testing.T, from, to *noise.HandshakeState) {
	t.Helper()
	msg, _, _, err := from.WriteMessage(nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, _, _, err := to.ReadMessage(nil, msg); err != nil {
		t.Fatal(err)
	}
}

// recordConn is a connection on which one record comes.
func recordConn(t *testing.T, body []byte) net.Conn {
	t.Helper()
	near, far := net.Pipe()
	t.Cleanup(func() { near.Close(); far.Close() })
	go func() { _, _ = far.Write(appendRecord(nil, body)) }() // ends with the pipe
	return near
}
