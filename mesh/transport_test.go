package mesh

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/memberlist"

	"github.com/weftnet/weft/trust"
)

// stubUnderlay answers with what it is given.
type stubUnderlay struct {
	sendErr error
	stream  Stream
}

func (u stubUnderlay) SendGossip(trust.Fingerprint, []netip.AddrPort, []byte) error { return u.sendErr }

func (u stubUnderlay) DialGossip(context.Context, trust.Fingerprint, []netip.AddrPort) (Stream, error) {
	if u.stream == nil {
		return nil, errRefused
	}
	return u.stream, nil
}

func testTransport(u Underlay) *transport {
	return newTransport(memberName{id: trust.Fingerprint{1}}, u, &book{}, func(Remote) {})
}

// closeNoter notes that it was closed.
type closeNoter struct {
	net.Conn
	remote Remote
	closed bool
}

func (c *closeNoter) Remote() Remote { return c.remote }
func (c *closeNoter) Close() error   { c.closed = true; return nil }

func TestAPacketThatCannotBeSentIsNotTheOtherNodesFailure(t *testing.T) {
	for _, local := range []error{errMailboxFull, &net.OpError{Op: "write", Net: "udp", Err: errRefused}} {
		tr := testTransport(stubUnderlay{sendErr: local})
		name := memberName{id: trust.Fingerprint{2}}
		_, err := tr.WriteToAddress(nil, memberlist.Address{Name: name.String()})
		if !errors.Is(err, local) {
			t.Errorf("error %v does not say why", err)
		}
		if _, remote := err.(*net.OpError); remote { // memberlist looks at the error itself, too
			t.Errorf("memberlist takes %#v as a failure of the node", err)
		}
		if got := tr.unsent.Load(); got != 1 {
			t.Errorf("unsent = %d, want 1", got)
		}
	}
}

func TestAStreamToAnotherNodeThanAskedForIsClosed(t *testing.T) {
	for _, r := range []Remote{{ID: trust.Fingerprint{3}}, {ID: trust.Fingerprint{2}, Boot: trust.BootNonce{1}}} {
		s := &closeNoter{remote: r}
		tr := testTransport(stubUnderlay{stream: s})
		name := memberName{id: trust.Fingerprint{2}}
		if _, err := tr.DialAddressTimeout(memberlist.Address{Name: name.String()}, time.Second); !errors.Is(err, errNotMember) || !s.closed {
			t.Errorf("error %v, closed %v", err, s.closed)
		}
	}
}

func TestShutdownClosesAllStreamsAndRefusesNewOnes(t *testing.T) {
	tr := testTransport(stubUnderlay{})
	delivered, stashed, late := &closeNoter{}, &closeNoter{}, &closeNoter{}
	tr.deliver(delivered)
	if _, err := tr.stashFor("x", stashed); err != nil {
		t.Fatal(err)
	}
	if err := tr.Shutdown(); err != nil {
		t.Fatal(err)
	}
	tr.deliver(late)
	if !delivered.closed || !stashed.closed || !late.closed {
		t.Errorf("closed: delivered %v, stashed %v, late %v", delivered.closed, stashed.closed, late.closed)
	}
	if len(tr.conns) != 0 {
		t.Errorf("%d streams are still tracked", len(tr.conns))
	}
}

func TestAStashedStreamIsTakenOnceOrClosed(t *testing.T) {
	tr := testTransport(stubUnderlay{})
	name := memberName{id: trust.Fingerprint{2}}.String()
	taken, left := &closeNoter{}, &closeNoter{}
	discard, err := tr.stashFor(name, taken)
	if err != nil {
		t.Fatal(err)
	}
	conn, err := tr.DialAddressTimeout(memberlist.Address{Name: name}, time.Second)
	if err != nil {
		t.Fatal(err)
	}
	discard()
	if taken.closed {
		t.Error("a stream in use was closed")
	}
	_ = conn.Close()
	if discard, err = tr.stashFor(name, left); err != nil {
		t.Fatal(err)
	}
	discard()
	if !left.closed || len(tr.conns) != 0 || len(tr.stash) != 0 {
		t.Errorf("closed %v, %d tracked, %d stashed", left.closed, len(tr.conns), len(tr.stash))
	}
}

func TestPacketsBeyondTheQueueAreDroppedAndCounted(t *testing.T) {
	tr := testTransport(stubUnderlay{})
	for range packetQueue + 3 {
		tr.ingest(trust.Fingerprint{2}, []byte("x"))
	}
	if got := tr.dropped.Load(); got != 3 {
		t.Errorf("dropped = %d, want 3", got)
	}
}

func TestTheMailboxIsBoundedForWhatComesFromTheNetworkOnly(t *testing.T) {
	b := newMailbox()
	for range mailboxMessages {
		if !b.offer(1, func(*owner) {}) {
			t.Fatal("refused below the limit")
		}
	}
	if b.offer(1, func(*owner) {}) {
		t.Error("took more than the limit")
	}
	b.post(func(*owner) {})
	if got := len(b.take()); got != mailboxMessages+1 {
		t.Errorf("%d letters", got)
	}
	if b.offer(mailboxBytes+1, func(*owner) {}) {
		t.Error("took more bytes than the limit")
	}
}

func TestNodesWithNamesNotOfOurMakingAreKeptOut(t *testing.T) {
	d := newDelegate(memberName{}, newMailbox())
	name := memberName{id: trust.Fingerprint{0xab}, boot: trust.BootNonce{0xcd}}
	good := memberlist.Node{Name: name.String(), Addr: syntheticIP(name.id)}
	if err := d.NotifyAlive(&good); err != nil {
		t.Errorf("a proper node: %v", err)
	}
	for _, bad := range []string{"", "x", strings.ToUpper(good.Name), good.Name + "0", good.Name[:80], strings.Replace(good.Name, "-", "_", 1)} {
		if d.NotifyAlive(&memberlist.Node{Name: bad, Addr: good.Addr}) == nil {
			t.Errorf("%q was let in", bad)
		}
	}
	if d.NotifyAlive(&memberlist.Node{Name: good.Name, Addr: net.IP{192, 0, 2, 1}}) == nil {
		t.Error("a node with a real address was let in")
	}
}
