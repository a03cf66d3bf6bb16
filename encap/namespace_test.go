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

// What control sends gets over an IPv4 link of the least MTU, unless it is to say what the link takes; also from a socket of both
// families. The lanes' frames are never fragmented.
func TestControlFramesAreFragmentedOverIPv4AndProbesOfSizesAreNot(t *testing.T) {
	for _, listen := range []string{":0", "192.0.2.1:0"} {
		a, b := twoHosts(t, 1500)
		from, to := a.listen(UDPOptions{Listen: listen, Control: true}), b.listen(UDPOptions{Listen: ":0"})
		if from.Control() == nil {
			t.Skipf("no control socket: %+v", from.Features())
		}
		a.setUp("eth0", 576)
		b.setUp("eth0", 576)
		const most = 576 - 28
		frame, fits := make([]byte, 1232), make([]byte, most)
		probe := single(at("192.0.2.2", to.Port()), make([]byte, most+1))
		probe.Whole = true
		fitting := single(at("192.0.2.2", to.Port()), fits)
		fitting.Whole = true
		for range 2 { // a probe changes nothing for what follows it
			if r := from.Control().Send([]Train{probe, fitting}); r.TooBig != 1 || r.Sent != 1 {
				t.Errorf("%s: probes: %+v", listen, r)
			}
			if r := from.Control().Send([]Train{single(at("192.0.2.2", to.Port()), frame)}); r.Sent != 1 {
				t.Errorf("%s: a control frame: %+v", listen, r)
			}
			if frames, _ := gather(t, to, 2); len(frames[0]) != most || len(frames[1]) != len(frame) {
				t.Errorf("%s: frames of %d and %d bytes arrived", listen, len(frames[0]), len(frames[1]))
			}
		}
		if r := from.Send([]Train{single(at("192.0.2.2", to.Port()), frame)}); r.TooBig != 1 {
			t.Errorf("%s: a lane's frame: %+v", listen, r)
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
