package encap

import (
	"bytes"
	"testing"
)

// TestWhatIsShorterThanAnyFrameOfItsTypeCarriesNoMark: a member could have a cookie, which is longer, sent to anybody else.
func TestWhatIsShorterThanAnyFrameOfItsTypeCarriesNoMark(t *testing.T) {
	l := testLocal(t, 2)
	for typ, shortest := range map[Type]int{Initiation: 124, Response: 76} {
		for _, flags := range []uint8{0, FlagCookie} {
			least := shortest
			if flags != 0 {
				least += macLen
			}
			for n := handshakeHead; n <= least; n++ {
				frame := make([]byte, n)
				copy(frame, handshakeFrame(typ, flags, 0, 7))
				end := len(frame) - macLen
				if flags != 0 {
					end -= macLen
				}
				if end > 0 {
					copy(frame[end:], markFor(l, bytes.Clone(frame[:end]))[end:])
				}
				if _, ok := l.Marked(frame); ok != (n == least) {
					t.Errorf("type %d, flags %#x, %d bytes: marked %v", typ, flags, n, ok)
				}
			}
		}
		if typ == Initiation && shortest <= CookieFrameLen {
			t.Errorf("a cookie frame is not shorter than every initiation")
		}
	}
}

func TestMarkIsFoundUnderEitherSecret(t *testing.T) {
	a, b := pair(t)
	frame := a.initiation(t, start)
	for _, secrets := range [][]byte{{1}, {1, 2}, {2, 1}} {
		b.local.Ring = ringOf(secrets...)
		if m := marked(t, b.local, frame); m.Sender != a.pending[0].index || m.MAC != a.pending[0].mac {
			t.Errorf("secrets %v: sender %d, MAC %x", secrets, m.Sender, m.MAC)
		}
	}
	b.local.Ring.Set(testKeys(2)) // the same ring
	if _, ok := b.local.Marked(frame); ok {
		t.Error("a secret that is gone is still taken")
	}
}
