package encap

import (
	"bytes"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/weftnet/weft/trust"
)

func TestBodiesOfARotationSurviveTheWire(t *testing.T) {
	s := trust.Secret{9}
	offer := SecretOffer{ID: 7, Phase: SecretFirst, Old: trust.Secret{8}.ID(), New: s.ID(), Secret: s, Signed: []byte{1}}
	if got, err := ParseSecretOffer(offer.Append([]byte("x"))[1:]); err != nil || !reflect.DeepEqual(got, offer) {
		t.Errorf("another offer, or %v", err)
	}
	answer := SecretAnswer{ID: 7, Status: SecretOther, Held: []trust.SecretID{s.ID()}, Reason: strings.Repeat("x", 500)}
	got, err := ParseSecretAnswer(answer.Append(nil))
	if answer.Reason = answer.Reason[:maxSecretReason]; err != nil || !reflect.DeepEqual(got, answer) {
		t.Errorf("%+v, %v", got, err)
	}
	if n := len(offer.Append(nil)); n > 1000 {
		t.Errorf("an offer has %d bytes", n)
	}
}

func TestALongReasonIsCutBetweenCharacters(t *testing.T) {
	for _, reason := range []string{strings.Repeat("\u00e9", maxSecretReason), "x" + strings.Repeat("\u00e9", maxSecretReason)} {
		got, err := ParseSecretAnswer(SecretAnswer{ID: 1, Reason: reason}.Append(nil))
		if err != nil || !strings.HasPrefix(reason, got.Reason) || len(got.Reason) < maxSecretReason-1 {
			t.Errorf("%d bytes of the reason arrive, %v", len(got.Reason), err)
		}
	}
}

func TestAnOfferShowsItsSecretNowhere(t *testing.T) {
	s := trust.Secret(bytes.Repeat([]byte{'S'}, trust.SecretLen))
	shown := fmt.Sprintf("%v %+v %#v", SecretOffer{Secret: s}, SecretOffer{Secret: s}, SecretOffer{Secret: s})
	if strings.Contains(shown, "83") || strings.Contains(shown, "SSS") || strings.Contains(shown, "0x53") {
		t.Errorf("shown as %s", shown)
	}
}

func TestAnOfferOfASecretUnderAnotherNameIsRefused(t *testing.T) {
	for name, o := range map[string]SecretOffer{
		"another's name": {New: trust.Secret{1}.ID(), Secret: trust.Secret{2}},
		"no phase":       {Phase: 4},
		"long signature": {Signed: make([]byte, 600)},
	} {
		if _, err := ParseSecretOffer(o.Append(nil)); !errors.Is(err, ErrPayload) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := ParseSecretAnswer(SecretAnswer{Held: make([]trust.SecretID, 3)}.Append(nil)); !errors.Is(err, ErrPayload) {
		t.Errorf("three secrets: %v", err)
	}
}

func TestKeysUnderASecretThatIsNoLongerHeldAreClosed(t *testing.T) {
	a, b := pair(t)
	a.local.Ring, b.local.Ring = ringOf(1, 2), ringOf(1, 2)
	establish(t, a, b, start)
	if k := a.Current(); k.Secret != testKeys(1).ClusterID || b.Current().Secret != k.Secret {
		t.Fatalf("keys under %x", k.Secret)
	}
	a.local.Ring.Set(testKeys(2), testKeys(1))
	if a.DropForeign() || a.Current() == nil {
		t.Fatal("keys under a secret that is held are closed")
	}
	establish(t, a, b, start.Add(time.Second))
	if got := a.Current().Secret; got != testKeys(2).ClusterID || len(a.indexes) != 2 {
		t.Fatalf("keys under %x, %d indexes", got, len(a.indexes))
	}
	a.local.Ring.Set(testKeys(2))
	if a.DropForeign() || len(a.indexes) != 1 {
		t.Errorf("%d indexes, want that of the current keys alone", len(a.indexes))
	}
	b.local.Ring.Set(testKeys(3))
	if !b.DropForeign() || b.Current() != nil || len(b.indexes) != 0 {
		t.Errorf("keys under a foreign secret are in force, %d indexes", len(b.indexes))
	}
}
