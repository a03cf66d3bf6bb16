package encap

import (
	"errors"
	"testing"

	"github.com/weftnet/weft/trust"
)

// ringOf is a ring of secrets by number, the first first.
func ringOf(secrets ...byte) *trust.Ring {
	var keys []trust.Keys
	for _, s := range secrets {
		keys = append(keys, testKeys(s))
	}
	return trust.NewRing(keys[0], keys[1:]...)
}

// TestHandshakesWhileSecretsChange walks two nodes through a change from secret 1 to 2, in any order of their steps.
func TestHandshakesWhileSecretsChange(t *testing.T) {
	for name, c := range map[string]struct {
		initiator, responder []byte
		want                 error
	}{
		"the responder heard of the new one":   {[]byte{1}, []byte{1, 2}, nil},
		"the initiator uses the new one first": {[]byte{2, 1}, []byte{1, 2}, nil},
		"the responder uses the new one first": {[]byte{1, 2}, []byte{2, 1}, nil},
		"the initiator is done":                {[]byte{2}, []byte{2, 1}, nil},
		"the responder did not hear of it":     {[]byte{2, 1}, []byte{1}, ErrMAC},
		"the initiator was left out":           {[]byte{1}, []byte{2}, ErrMAC},
	} {
		t.Run(name, func(t *testing.T) {
			a, b := pair(t)
			a.local.Ring, b.local.Ring = ringOf(c.initiator...), ringOf(c.responder...)
			if c.want == nil {
				establish(t, a, b, start)
				return
			}
			if _, err := b.local.ReadInitiation(a.initiation(t, start)); !errors.Is(err, c.want) {
				t.Errorf("error %v, want %v", err, c.want)
			}
		})
	}
}

func TestSecretThatChangesInTheMiddleOfAHandshake(t *testing.T) {
	a, b := pair(t)
	a.local.Ring, b.local.Ring = ringOf(1, 2), ringOf(2, 1)
	initiation := a.initiation(t, start)
	a.local.Ring.Set(testKeys(2), testKeys(1)) // between question and answer
	response, err := b.answer(t, initiation, start)
	if err != nil {
		t.Fatal(err)
	}
	if err := a.Complete(response, start); err != nil {
		t.Fatal(err)
	}
}

func TestResponseUnderAnotherSecretThanItsInitiationIsRefused(t *testing.T) {
	a, b := pair(t)
	a.local.Ring, b.local.Ring = ringOf(1, 2), ringOf(1, 2)
	response, err := b.answer(t, a.initiation(t, start), start)
	if err != nil {
		t.Fatal(err)
	}
	key := macKey(a.local.Ring.Find(testKeys(2).ClusterID), a.local.Identity.Fingerprint())
	if err := a.Complete(appendMAC(&key, response[:len(response)-macLen]), start); !errors.Is(err, ErrUnexpected) {
		t.Errorf("error %v", err)
	}
}
