package encap

import (
	"bytes"
	"errors"
	"runtime"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/weftnet/weft/trust"
)

var errNoKeys = errors.New("no keypair of that index")

func TestSessionCarriesPacketsBothWaysAfterOneRoundTrip(t *testing.T) {
	a, b := pair(t)
	establish(t, a, b, start)
	carry(t, a, b, []byte("from a"))
	carry(t, b, a, []byte("from b"))
	if got := a.Agreement(); got != b.Agreement() || !got.Sealed || got.Lanes != 1 || got.Version != 1 {
		t.Errorf("agreement %+v and %+v", got, b.Agreement())
	}
}

func TestResponderSendsNothingBeforeTheFirstAuthenticatedFrame(t *testing.T) {
	a, b := pair(t)
	response, err := b.answer(t, a.initiation(t, start), start)
	if err != nil {
		t.Fatal(err)
	}
	if b.Current() != nil {
		t.Error("responder has current keys without a proof that the initiator has them")
	}
	if err := a.Complete(response, start); err != nil {
		t.Fatal(err)
	}
	carry(t, a, b, []byte("data may come first"))
	b.Confirmed(b.indexes[a.Current().RemoteIndex], start)
	if b.Current() == nil {
		t.Error("responder has no current keys after the first frame")
	}
}

func TestResponseIsNotLongerThanTheInitiation(t *testing.T) {
	a, b := pair(t)
	initiation := a.initiation(t, start)
	response, err := b.answer(t, initiation, start)
	if err != nil || len(response) > len(initiation) {
		t.Errorf("initiation of %d bytes is answered by %d, %v", len(initiation), len(response), err)
	}
}

func TestLostResponseIsRepairedByTheNextInitiation(t *testing.T) {
	a, b := pair(t)
	if _, err := b.answer(t, a.initiation(t, start), start); err != nil { // the response is lost
		t.Fatal(err)
	}
	establish(t, a, b, start.Add(250*time.Millisecond))
	carry(t, a, b, []byte("x"))
	carry(t, b, a, []byte("y"))
	b.Expire(start.Add(time.Minute))
	if len(b.indexes) != 1 {
		t.Errorf("%d indexes are bound after the grace time, want 1", len(b.indexes))
	}
}

func TestKeysOfAnEarlierResponseServeWhenTheLaterOneIsLost(t *testing.T) {
	a, b := pair(t)
	response, err := b.answer(t, a.initiation(t, start), start)
	if err != nil {
		t.Fatal(err)
	}
	if err := a.Complete(response, start); err != nil {
		t.Fatal(err)
	}
	if _, err := b.answer(t, a.initiation(t, start), start); err != nil { // its response is lost
		t.Fatal(err)
	}
	a.probe(t, b, start)
	carry(t, a, b, []byte("x"))
	carry(t, b, a, []byte("y"))
}

func TestSessionTellsWhatItKnowsOfThePeer(t *testing.T) {
	a, b := pair(t)
	if a.Agreement() != (Agreement{}) || a.Remote().Lanes != 0 {
		t.Error("something is known before the first handshake")
	}
	b.local.Settings.Capabilities, b.local.Settings.MTU = 6, 9000
	establish(t, a, b, start)
	if r := a.Remote(); r.Capabilities != 6 || r.MTU != 9000 {
		t.Errorf("%+v", r)
	}
	if got := a.Current().Agreement(); got.Cipher != PreferredCiphers()[0] || got != a.Agreement() {
		t.Errorf("%+v", got)
	}
}

func TestIdleSessionTakesLessThan32KiB(t *testing.T) {
	const sessions = 32
	var before, after runtime.MemStats
	keep := make([]*node, 0, 2*sessions)
	la, lb := testLocal(t, 1), testLocal(t, 2)
	runtime.GC()
	runtime.ReadMemStats(&before)
	for range sessions {
		a, b := newNode(la, lb, 1), newNode(lb, la, 1)
		for range 4 { // current, and as many old ones as are kept
			establish(t, a, b, start)
		}
		keep = append(keep, a, b)
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	if each := (after.HeapAlloc - before.HeapAlloc) / uint64(len(keep)); each > 32<<10 {
		t.Errorf("%d bytes", each)
	}
	runtime.KeepAlive(keep)
}

func TestReplayedInitiationIsRefused(t *testing.T) {
	a, b := pair(t)
	first := a.initiation(t, start)
	second := a.initiation(t, start)
	if _, err := b.answer(t, second, start); err != nil {
		t.Fatal(err)
	}
	for _, frame := range [][]byte{first, second} {
		if response, err := b.answer(t, frame, start); !errors.Is(err, ErrReplayedStamp) || response != nil {
			t.Errorf("response %x, error %v", response, err)
		}
	}
}

func TestInitiationIsAnsweredOnce(t *testing.T) {
	a, b := pair(t)
	m, err := b.local.ReadInitiation(a.initiation(t, start))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := b.Accept(m, start); err != nil {
		t.Fatal(err)
	}
	if _, err := b.Accept(m, start); !errors.Is(err, ErrReplayedStamp) {
		t.Errorf("error %v", err)
	}
}

func TestForgedResponseLeavesTheInitiationWaiting(t *testing.T) {
	a, b := pair(t)
	response, err := b.answer(t, a.initiation(t, start), start)
	if err != nil {
		t.Fatal(err)
	}
	for name, at := range map[string]int{"ephemeral key": handshakeHead, "payload": len(response) - macLen - 1} {
		forged := bytes.Clone(response)
		forged[at] ^= 1
		forged = markFor(a.local, forged[:len(forged)-macLen])
		if err := a.Complete(forged, start); !errors.Is(err, ErrAuth) {
			t.Errorf("%s forged: %v", name, err)
		}
	}
	lowOrder := bytes.Clone(response)
	clear(lowOrder[handshakeHead : handshakeHead+32]) // the point of order 1: the library gives up halfway
	if err := a.Complete(markFor(a.local, lowOrder[:len(lowOrder)-macLen]), start); !errors.Is(err, ErrAuth) {
		t.Errorf("low order point: %v", err)
	}
	if err := a.Complete(response, start); err != nil {
		t.Errorf("the true response after the forged ones: %v", err)
	}
}

func TestStrangerIsStoppedByTheMAC(t *testing.T) {
	a, b := pair(t)
	stranger := testLocal(t, 1)
	stranger.Ring = trust.NewRing(testKeys(2)) // another secret
	s := newNode(stranger, b.local, 9)
	if _, err := b.local.ReadInitiation(s.initiation(t, start)); !errors.Is(err, ErrMAC) {
		t.Errorf("initiation of another cluster: %v", err)
	}
	if _, err := a.local.ReadInitiation(a.initiation(t, start)); !errors.Is(err, ErrMAC) {
		t.Errorf("initiation to another node: %v", err)
	}
}

func TestInitiationOfAnotherNodeIsRefused(t *testing.T) {
	_, b := pair(t)
	c := newNode(testLocal(t, 3), b.local, 1)
	if _, err := b.answer(t, c.initiation(t, start), start); !errors.Is(err, ErrPeer) {
		t.Errorf("error %v", err)
	}
}

func TestMismatchIsNamedOnBothSidesAndLeavesNoKeys(t *testing.T) {
	changes := map[string]func(*Settings){
		"network":    func(s *Settings) { s.Network = nil },
		"encryption": func(s *Settings) { s.Encryption = false },
		"version":    func(s *Settings) { s.MinVersion, s.MaxVersion = 2, 3 },
		"cipher":     func(s *Settings) { s.Ciphers = []Cipher{77} },
	}
	for field, change := range changes {
		t.Run(field, func(t *testing.T) {
			a, b := pair(t)
			change(&b.local.Settings)
			response, err := b.answer(t, a.initiation(t, start), start)
			checkMismatch(t, "responder", err, field)
			checkMismatch(t, "initiator", a.Complete(response, start), field)
			if len(a.indexes)+len(b.indexes) != 0 || a.Current() != nil || b.Current() != nil {
				t.Error("keys were kept")
			}
			if len(a.local.indexes.used)+len(b.local.indexes.used) != 0 {
				t.Error("indexes were kept")
			}
		})
	}
}

func checkMismatch(t *testing.T, who string, err error, field string) {
	t.Helper()
	var m *MismatchError
	if !errors.As(err, &m) || m.Field != field || m.Ours == m.Theirs {
		t.Errorf("%s: error %v, want one of %s", who, err, field)
	}
}

func TestRestartedInitiatorGetsASession(t *testing.T) {
	a, b := pair(t)
	establish(t, a, b, start)
	establish(t, a, b, start.Add(time.Minute))
	again := newNode(a.local, b.local, 2)
	establish(t, again, b, start.Add(2*time.Minute))
	carry(t, again, b, []byte("x"))
	carry(t, b, again, []byte("y"))
}

func TestRestartedResponderGetsASession(t *testing.T) {
	a, b := pair(t)
	for i := range 5 {
		establish(t, a, b, start.Add(time.Duration(i)*time.Minute))
	}
	again := newNode(b.local, a.local, 2) // knows nothing of the five generations before
	establish(t, a, again, start.Add(10*time.Minute))
	carry(t, a, again, []byte("x"))
	carry(t, again, a, []byte("y"))
}

func TestRekeyLosesNoPacketInFlight(t *testing.T) {
	a, b := pair(t)
	establish(t, a, b, start)
	var flying [][]byte
	send := func() {
		frame, err := a.Current().SealData(make([]byte, 0, 64), 0, 0, []byte("packet"))
		if err != nil {
			t.Fatal(err)
		}
		flying = append(flying, frame)
	}
	send()
	initiation := a.initiation(t, start.Add(time.Minute))
	send()
	response, err := b.answer(t, initiation, start.Add(time.Minute))
	if err != nil {
		t.Fatal(err)
	}
	carry(t, b, a, []byte("still under the old keys"))
	if err := a.Complete(response, start.Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	carry(t, b, a, []byte("the responder has not seen the new keys in use"))
	send()
	a.probe(t, b, start.Add(time.Minute))
	send()
	for i, frame := range flying {
		if _, err := b.open(frame); err != nil {
			t.Errorf("packet %d: %v", i, err)
		}
	}
}

func TestReplacedKeysEndAfterTheGraceTime(t *testing.T) {
	a, b := pair(t, func(c *SessionConfig) { c.Grace = 10 * time.Second })
	establish(t, a, b, start)
	frame, err := a.Current().SealData(make([]byte, 0, 64), 0, 0, []byte("late"))
	if err != nil {
		t.Fatal(err)
	}
	establish(t, a, b, start.Add(time.Minute))
	b.Expire(start.Add(time.Minute + 9*time.Second))
	if len(b.indexes) != 2 {
		t.Fatal("old keys dropped within the grace time")
	}
	b.Expire(start.Add(time.Minute + 10*time.Second))
	if _, err := b.open(frame); !errors.Is(err, errNoKeys) || len(b.indexes) != 1 {
		t.Errorf("frame of an old key after the grace time: %v", err)
	}
}

func TestInitiatorRekeysByAgeBeforeTheResponder(t *testing.T) {
	a, b := pair(t)
	establish(t, a, b, start)
	for _, c := range []struct {
		after time.Duration
		a, b  bool
	}{{119 * time.Second, false, false}, {120 * time.Second, true, false}, {135 * time.Second, true, true}} {
		if a, b := a.NeedsRekey(start.Add(c.after)), b.NeedsRekey(start.Add(c.after)); a != c.a || b != c.b {
			t.Errorf("after %v: initiator %v, responder %v", c.after, a, b)
		}
	}
}

func TestRekeyByCount(t *testing.T) {
	a, b := pair(t, func(c *SessionConfig) { c.RekeyCount = 10 })
	establish(t, a, b, start)
	for range 10 {
		carry(t, a, b, []byte("x"))
	}
	if !a.NeedsRekey(start) || b.NeedsRekey(start) {
		t.Error("the sender of 10 frames must rekey, and it alone")
	}
	establish(t, a, b, start)
	if a.NeedsRekey(start) {
		t.Error("new keys are worn")
	}
}

func TestKeysAreDroppedAtTheirEnd(t *testing.T) {
	a, b := pair(t)
	establish(t, a, b, start)
	a.Expire(start.Add(3*time.Minute - 1))
	if a.Current() == nil {
		t.Fatal("dropped too early")
	}
	a.Expire(start.Add(3 * time.Minute))
	if a.Current() != nil || len(a.indexes) != 0 || !a.NeedsRekey(start.Add(3*time.Minute)) {
		t.Error("keys are kept past their end")
	}
}

func TestCloseReleasesEveryIndex(t *testing.T) {
	a, b := pair(t)
	establish(t, a, b, start)
	establish(t, b, a, start)
	a.initiation(t, start)
	if _, err := a.answer(t, b.initiation(t, start), start); err != nil {
		t.Fatal(err)
	}
	a.Close()
	if len(a.indexes) != 0 || len(a.local.indexes.used) != 0 || a.Current() != nil {
		t.Errorf("left: %v, %v", a.indexes, a.local.indexes.used)
	}
}

// TestSimultaneousHandshakesSettleOnOneSession lets both ends initiate at any time, and loses, delays and reorders what
// they send. When all is quiet and probes have gone both ways, both ends send under keys of one handshake, and each opens
// what the other sends.
func TestSimultaneousHandshakesSettleOnOneSession(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		a, b := pair(t)
		w := &wire{t: t, now: start}
		ends := [2]*node{a, b}
		for range rapid.IntRange(1, 20).Draw(rt, "steps") {
			w.now = w.now.Add(10 * time.Millisecond)
			from := rapid.IntRange(0, 1).Draw(rt, "end")
			switch rapid.IntRange(0, 4).Draw(rt, "action") {
			case 0:
				w.send(ends[1-from], ends[from].initiation(t, w.now))
			case 1:
				if ends[from].Current() != nil {
					w.sendProbe(ends[from], ends[1-from])
				}
			case 2, 3:
				w.deliver(rapid.IntRange(0, 1<<20).Draw(rt, "which"), ends[from], ends[1-from])
			case 4:
				w.lose(rapid.IntRange(0, 1<<20).Draw(rt, "lost"))
			}
		}
		w.send(b, a.initiation(t, w.now)) // at least one handshake comes to its end
		for len(w.flying) > 0 {
			w.deliver(0, a, b)
		}
		for range 2 {
			w.sendProbe(a, b)
			w.sendProbe(b, a)
			for len(w.flying) > 0 {
				w.deliver(0, a, b)
			}
		}
		if ka, kb := a.Current(), b.Current(); ka.LocalIndex != kb.RemoteIndex || ka.RemoteIndex != kb.LocalIndex {
			rt.Fatalf("a sends under generation %d, b under %d", ka.rank.generation, kb.rank.generation)
		}
		carry(t, a, b, []byte("x"))
		carry(t, b, a, []byte("y"))
	})
}

// wire holds the frames on their way.
type wire struct {
	t      *testing.T
	now    time.Time
	flying []flight
}

type flight struct {
	to    *node
	frame []byte
}

func (w *wire) send(to *node, frame []byte) { w.flying = append(w.flying, flight{to, frame}) }

func (w *wire) sendProbe(from, to *node) {
	if from.Current() == nil {
		return
	}
	frame, err := from.Current().SealControl(nil, Probe, nil)
	if err != nil {
		w.t.Fatal(err)
	}
	w.send(to, frame)
}

func (w *wire) lose(which int) {
	if n := len(w.flying); n > 0 {
		w.flying = append(w.flying[:which%n:which%n], w.flying[which%n+1:]...)
	}
}

// deliver hands one frame over, and does what a router does with it.
func (w *wire) deliver(which int, a, b *node) {
	if len(w.flying) == 0 {
		return
	}
	f := w.flying[which%len(w.flying)]
	w.lose(which)
	other := a
	if f.to == a {
		other = b
	}
	h, err := ParseHeader(f.frame)
	if err != nil {
		w.t.Fatal(err)
	}
	switch h.Type {
	case Initiation:
		if response, err := f.to.answer(w.t, f.frame, w.now); err == nil {
			w.send(other, response)
		}
	case Response:
		if f.to.Complete(f.frame, w.now) == nil {
			w.sendProbe(f.to, other)
		}
	default:
		if k := f.to.indexes[h.Index]; k != nil {
			if _, _, err := k.OpenControl(f.frame); err == nil {
				f.to.Confirmed(k, w.now)
			}
		}
	}
}

func TestEveryByteOfAnInitiationIsAuthenticated(t *testing.T) {
	a, b := pair(t)
	frame := a.initiation(t, start)
	for at := range frame[:len(frame)-macLen] {
		forged := bytes.Clone(frame[:len(frame)-macLen])
		forged[at] ^= 0x20 // of the version too; as a member of the cluster can, who knows the key of the MAC
		if _, err := b.local.ReadInitiation(markFor(b.local, forged)); err == nil {
			t.Errorf("byte %d may be altered", at)
		}
	}
}
