package trust

import "testing"

func TestTheNumberOfANodeIsTheBeginningOfItsFingerprint(t *testing.T) {
	f := Fingerprint{0x01, 0x23, 0x45, 0x67, 0x89, 0xab, 0xcd, 0xef, 0xff}
	if n := f.Number(); n != 0x0123456789abcdef || n.String() != f.Short() {
		t.Errorf("number %s of the node %s", n, f.Short())
	}
}
