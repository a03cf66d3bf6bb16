package router

import (
	"bytes"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/weftnet/weft/encap"
	"github.com/weftnet/weft/trust"
)

// secretOf is a secret by number; sides begin with number 7.
func secretOf(n byte) trust.Secret { return trust.Secret(bytes.Repeat([]byte{n}, trust.SecretLen)) }

// hold gives a running side other secrets, the first first.
func (s *side) hold(first byte, others ...byte) {
	s.t.Helper()
	var rest []trust.Keys
	for _, n := range others {
		rest = append(rest, secretOf(n).Derive())
	}
	s.local.Ring.Set(secretOf(first).Derive(), rest...)
	if err := s.router.SecretsChanged(); err != nil {
		s.t.Fatal(err)
	}
}

// under checks which secret the keys of a session were made under.
func (s *side) under(t *testing.T, p *side, n byte) {
	t.Helper()
	if got := s.peer(p).Secret; got != secretOf(n).ID() {
		t.Errorf("%s: keys under %s, want secret %d", s.name, got.Short(), n)
	}
}

// arrived ends flows and checks that each packet of theirs came once.
func arrived(t *testing.T, flows ...*flow) {
	t.Helper()
	for _, f := range flows {
		f.end()
	}
	collect(flows...)
	for _, f := range flows {
		if f.lost() != 0 || f.twice() != 0 || len(f.bad) != 0 || len(f.sent) < 100 {
			t.Errorf("%s: of %d packets %d are lost, %d came twice, %d are strange", f.from.name, len(f.sent), f.lost(), f.twice(), len(f.bad))
		}
	}
}

func TestNoPacketIsLostWhileSecretsChangeInAnyOrder(t *testing.T) {
	bubble(t, lan, func(t *testing.T, w *world) {
		a, b := w.side(1), w.side(2)
		w.join(a, b)
		there, back := w.flow(a, b, 2*time.Millisecond), w.flow(b, a, 2*time.Millisecond)
		at := time.Now()
		for i, step := range []func(){
			func() { a.hold(7, 8) }, func() { b.hold(7, 8) },
			func() { b.hold(8, 7) }, func() { a.hold(8, 7) },
			func() { a.hold(8) }, func() { b.hold(8) },
		} {
			step()
			time.Sleep(100 * time.Millisecond)
			if i == 2 {
				a.under(t, b, 8)
				b.under(t, a, 8)
			}
		}
		for range 20 {
			time.Sleep(foreignGrace / 10)
			collect(there, back)
		}
		arrived(t, there, back)
		for _, s := range []*side{a, b} {
			if n, e := s.last(PathDown); n > 0 {
				t.Errorf("%s: %v after %v", s.name, e.Reason, e.at.Sub(at))
			}
			if got := s.peer(a).History.Keys + s.peer(b).History.Keys; got > 3 {
				t.Errorf("%s: %d keypairs for one change of the secret", s.name, got)
			}
		}
	})
}

// The old secret is dropped before the keys that it made are replaced.
func TestASecretThatIsLeftInHasteLosesNoPacketEither(t *testing.T) {
	bubble(t, lan, func(t *testing.T, w *world) {
		a, b := w.side(1), w.side(2)
		w.join(a, b)
		a.hold(7, 8)
		b.hold(7, 8)
		f := w.flow(a, b, 2*time.Millisecond)
		b.hold(8)
		a.hold(8)
		for range 20 {
			time.Sleep(foreignGrace / 10)
			collect(f)
		}
		arrived(t, f)
		a.under(t, b, 8)
	})
}

func TestASessionUnderADroppedSecretEndsAndSaysWhy(t *testing.T) {
	bubble(t, lan, func(t *testing.T, w *world) {
		a, b := w.side(1), w.side(2)
		w.join(a, b)
		a.hold(8)
		time.Sleep(foreignGrace + time.Second)
		if n, e := a.last(PathDown); n == 0 || !strings.Contains(e.Reason, "does not hold any more") {
			t.Errorf("%d paths down, the last for %q", n, e.Reason)
		}
		if a.up(b) || a.peer(b).KeysBorn != (time.Time{}) {
			t.Error("a session under a secret that was dropped is in force")
		}
		a.hold(8, 7) // b calls under 7 still
		within(t, 20*time.Second, "the path is up again", func() bool { return a.up(b) && b.up(a) })
	})
}

func TestOffersTravelInsideTheSessionAlone(t *testing.T) {
	bubble(t, lan, func(t *testing.T, w *world) {
		capable := func(s *side) { s.local.Settings.Capabilities |= encap.CapSecrets }
		a, b, old := w.side(1, capable, clear4), w.side(2, capable, clear4), w.side(3, clear4)
		offer := encap.SecretOffer{ID: 5, Phase: encap.SecretAdd, New: secretOf(8).ID(), Secret: secretOf(8)}
		if err := a.router.SendSecretOffer(b.id(), offer); !errors.Is(err, ErrPeerDown) {
			t.Errorf("without a session: %v", err)
		}
		w.join(a, b, old)
		if err := a.router.SendSecretOffer(old.id(), offer); !errors.Is(err, ErrPeerOlder) {
			t.Errorf("to an older build: %v", err)
		}
		a.tap.record()
		if err := a.router.SendSecretOffer(b.id(), offer); err != nil {
			t.Fatal(err)
		}
		time.Sleep(10 * time.Millisecond)
		if got := b.secretsHeard(); len(got) != 1 || got[0].From != a.id() || got[0].Offer.Secret != offer.Secret {
			t.Errorf("b heard %d messages", len(got))
		}
		secret := secretOf(8)
		for _, f := range a.tap.frames() {
			if encap.Type(f[0]&15) != encap.Control || bytes.Contains(f, secret[:8]) {
				t.Errorf("a frame of type %d shows the secret, or is no control frame", f[0]&15)
			}
		}
		if err := b.router.SendSecretAnswer(a.id(), encap.SecretAnswer{ID: 5, Held: []trust.SecretID{offer.New}}); err != nil {
			t.Fatal(err)
		}
		time.Sleep(10 * time.Millisecond)
		if got := a.secretsHeard(); len(got) != 1 || got[0].Answer.ID != 5 || got[0].Answer.Held[0] != offer.New {
			t.Errorf("a heard %+v", got)
		}
	})
}

// secretsHeard are the frames of rotations that came so far.
func (s *side) secretsHeard() []SecretMessage {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.secrets)
}

func (s *side) onSecret(m SecretMessage) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.secrets = append(s.secrets, m)
}
