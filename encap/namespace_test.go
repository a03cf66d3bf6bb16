package encap

import (
	"errors"
	"net"
	"net/netip"
	"os"
	"runtime"
	"testing"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// inNamespace runs f in a network namespace with nothing but a loopback device of MTU 1500 that has some addresses. It
// goes away with the thread.
func inNamespace(t *testing.T, f func()) {
	t.Helper()
	if os.Getuid() != 0 {
		t.Skip("needs root for a network namespace")
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		runtime.LockOSThread() // never unlocked: the thread ends here, and the namespace with it
		if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
			t.Errorf("unshare: %v", err)
			return
		}
		if err := loopback("127.0.0.1/8", "192.0.2.1/32", "192.0.2.2/32", "fd00::1/128", "fd00::2/128"); err != nil {
			t.Errorf("loopback: %v", err)
			return
		}
		f()
	}()
	<-done
}

func loopback(addrs ...string) error {
	lo, err := netlink.LinkByName("lo")
	if err != nil {
		return err
	}
	errs := []error{netlink.LinkSetMTU(lo, 1500), netlink.LinkSetUp(lo)}
	for _, text := range addrs {
		ip, ipnet, err := net.ParseCIDR(text)
		if err != nil {
			return err
		}
		ipnet.IP = ip
		err = netlink.AddrAdd(lo, &netlink.Addr{IPNet: ipnet, Flags: unix.IFA_F_NODAD})
		if !errors.Is(err, unix.EEXIST) {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

func TestOneUnreachableDestinationInABatchDoesNotStopTheOthers(t *testing.T) {
	inNamespace(t, func() {
		a, b := listen6(t), listen6(t)
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
	})
}

func TestFrameOverTheRoutesMTUIsTooBigAndNeverFragmented(t *testing.T) {
	inNamespace(t, func() {
		a, b := listen6(t), listen6(t)
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
	})
}

func TestAnswerLeavesFromTheAddressAddressedInBothFamilies(t *testing.T) {
	inNamespace(t, func() {
		server, client := listen6(t), listen6(t)
		for _, addr := range []string{"192.0.2.2", "fd00::2"} {
			client.Send([]Train{single(at(addr, server.Port()), []byte("question"))})
			_, from := gather(t, server, 1)
			server.Send([]Train{single(from[0], []byte("answer"))})
			_, from = gather(t, client, 1)
			if want := netip.MustParseAddr(addr); from[0].Addr.Addr() != want {
				t.Errorf("answer from %s, want %s", from[0].Addr, want)
			}
		}
	})
}
