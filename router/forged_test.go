package router

import (
	"net/netip"
	"testing"

	"github.com/weftnet/weft/encap"
)

// seen is what authenticated frames of a peer change.
type seen struct {
	path           path
	heard, carried int64
	rx             uint64
	current        *encap.Keypair
	rekeys         uint64
	calls          int // that wait for control
	packets        int
}

func (s *side) seen(p *side) seen {
	known := s.known(p)
	return seen{
		path: *known.path.Load(), heard: known.heard.Load(), carried: known.carried.Load(), rx: known.rx.packets.Load(),
		current: known.session.Current(), rekeys: known.session.History().Rekeys, calls: len(s.router.calls),
		packets: s.router.dev.Load().Device.(*countingDevice).packets,
	}
}

// A frame with a bit flipped may be of the session, come from elsewhere, and be under keys that wait for their first frame: it
// moves no path, confirms nothing, and is counted once.
func TestAForgedFrameMovesNothing(t *testing.T) {
	a, b := hand(t, 1, byHand{lanes: 2}), hand(t, 2, byHand{lanes: 2})
	introduce(t, a, b)
	handshake(t, a, b) // new keys, which are not confirmed to b
	keys := a.known(b).session.Current()
	elsewhere := encap.Endpoint{Addr: netip.MustParseAddrPort("203.0.113.66:9338")}
	before := b.seen(a)
	var forged uint64
	for _, from := range []encap.Endpoint{b.from(a), elsewhere} {
		for lane := range uint8(2) {
			frame, err := keys.SealData(make([]byte, 0, 2000), lane, 0, udp(pod(1), pod(2), "packet"))
			check(t, err)
			for at := range frame[encap.HeaderLen:] {
				bad := append([]byte(nil), frame...)
				bad[encap.HeaderLen+at] ^= 0x10
				b.lane(int(lane)).inbound([]encap.Datagram{{From: from, Data: bad}})
				forged++
			}
		}
	}
	if after := b.seen(a); after != before {
		t.Errorf("forged frames have changed %+v to %+v", before, after)
	}
	if d := b.drops(); d[AuthFailed]+d[Replayed] != forged || len(d) > 2 {
		t.Errorf("dropped %v, want %d as auth-failed, or replayed where the counter is over its end", d, forged)
	}
	frame, err := keys.SealData(make([]byte, 0, 2000), 0, 0, udp(pod(1), pod(2), "packet"))
	check(t, err)
	b.lane(0).inbound([]encap.Datagram{{From: elsewhere, Data: frame}})
	if after := b.seen(a); after.packets != 1 || after.calls != 1 {
		t.Errorf("an honest frame made %+v", after)
	}
}
