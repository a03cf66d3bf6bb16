package encap

import (
	"errors"
	"net/netip"
	"testing"

	"golang.org/x/sys/unix"
)

func TestOneUnreachableDestinationInABatchDoesNotStopTheOthers(t *testing.T) {
	h := aloneHost(t)
	a, b := h.listen(UDPOptions{Listen: ":0"}), h.listen(UDPOptions{Listen: ":0"})
	for _, away := range []string{"198.51.100.1", "2001:db8::1"} { // no route: there is only loopback
		r := a.Send([]Train{
			single(at("127.0.0.1", b.Port()), []byte("1")),
			{To: at(away, 9338), Bufs: [][]byte{[]byte("22")}, Size: 1},
			single(at("fd00::1", b.Port()), []byte("3")),
		})
		if r.Sent != 2 || r.Unreachable != 2 || !errors.Is(r.Err, unix.ENETUNREACH) {
			t.Errorf("to %s: %+v", away, r)
		}
		gather(t, b, 2)
	}
}

func TestFrameOverTheRoutesMTUIsTooBigAndNeverFragmented(t *testing.T) {
	h := aloneHost(t)
	a, b := h.listen(UDPOptions{Listen: ":0"}), h.listen(UDPOptions{Listen: ":0"})
	for addr, most := range map[string]int{"192.0.2.1": 1500 - 28, "fd00::1": 1500 - 48} {
		to := at(addr, b.Port())
		r := a.Send([]Train{single(to, make([]byte, most+1)), single(to, make([]byte, most))})
		if r.Sent != 1 || r.TooBig != 1 {
			t.Errorf("to %s: %+v", addr, r)
		}
		if frames, _ := gather(t, b, 1); len(frames[0]) != most {
			t.Errorf("to %s: %d bytes arrived", addr, len(frames[0]))
		}
	}
}

func TestAnswerLeavesFromTheAddressAddressedInBothFamilies(t *testing.T) {
	h := aloneHost(t)
	server, client := h.listen(UDPOptions{Listen: ":0"}), h.listen(UDPOptions{Listen: ":0"})
	for _, addr := range []string{"192.0.2.2", "fd00::2"} {
		client.Send([]Train{single(at(addr, server.Port()), []byte("question"))})
		_, from := gather(t, server, 1)
		server.Send([]Train{single(from[0], []byte("answer"))})
		_, from = gather(t, client, 1)
		if want := netip.MustParseAddr(addr); from[0].Addr.Addr() != want {
			t.Errorf("answer from %s, want %s", from[0].Addr, want)
		}
	}
}
