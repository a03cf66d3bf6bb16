package encap

import (
	"errors"
	"net"
	"os"
	"runtime"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"
)

// host is a network namespace of the test's own, and the thread that it lives and dies with.
type host struct {
	t    testing.TB
	work chan func()
	ns   netns.NsHandle
}

// newHost makes a host with nothing but a loopback device, which is down. It skips the test where there is no root.
func newHost(t testing.TB) *host {
	t.Helper()
	if os.Getuid() != 0 {
		t.Skip("needs root for a network namespace")
	}
	h := &host{t: t, work: make(chan func())}
	began, ended := make(chan error), make(chan struct{})
	go func() {
		defer close(ended)
		runtime.LockOSThread() // never unlocked: the thread ends here
		err := unix.Unshare(unix.CLONE_NEWNET)
		if err == nil {
			h.ns, err = netns.Get()
		}
		began <- err
		for f := range h.work {
			f()
		}
	}()
	t.Cleanup(func() {
		close(h.work)
		<-ended
		h.ns.Close()
	})
	if err := <-began; err != nil {
		t.Fatal(err)
	}
	return h
}

// run runs f in the host and returns when it is done.
func (h *host) run(f func() error) {
	h.t.Helper()
	done := make(chan error)
	h.work <- func() { done <- f() }
	if err := <-done; err != nil {
		h.t.Fatal(err)
	}
}

// listen opens a port in the host, which closes with the test.
func (h *host) listen(o UDPOptions) (u opened) {
	h.t.Helper()
	h.run(func() error {
		port, err := ListenUDP(o)
		if err == nil {
			h.t.Cleanup(func() { port.Close() })
			u = opened{port, port.conns[0]}
		}
		return err
	})
	return u
}

// setUp gives a device its MTU and addresses, and brings it up.
func (h *host) setUp(name string, mtu int, addrs ...string) {
	h.t.Helper()
	h.run(func() error {
		link, err := netlink.LinkByName(name)
		if err != nil {
			return err
		}
		errs := []error{netlink.LinkSetMTU(link, mtu), netlink.LinkSetUp(link)}
		for _, text := range addrs {
			ip, ipnet, err := net.ParseCIDR(text)
			if err != nil {
				return err
			}
			ipnet.IP = ip
			err = netlink.AddrAdd(link, &netlink.Addr{IPNet: ipnet, Flags: unix.IFA_F_NODAD})
			if !errors.Is(err, unix.EEXIST) {
				errs = append(errs, err)
			}
		}
		return errors.Join(errs...)
	})
}

// aloneHost is a host whose loopback device has MTU 1500 and some addresses.
func aloneHost(t testing.TB) *host {
	t.Helper()
	h := newHost(t)
	h.setUp("lo", 1500, "127.0.0.1/8", "192.0.2.1/32", "192.0.2.2/32", "fd00::1/128", "fd00::2/128")
	h.await(h, "fd00::1")
	return h
}

// twoHosts are joined by a pair of virtual Ethernet devices of that MTU. One is 192.0.2.1 and fd00::1, the other 192.0.2.2
// and fd00::2.
func twoHosts(t testing.TB, mtu int) (a, b *host) {
	t.Helper()
	a, b = newHost(t), newHost(t)
	a.run(func() error {
		return netlink.LinkAdd(&netlink.Veth{
			LinkAttrs: netlink.LinkAttrs{Name: "eth0"}, PeerName: "eth0", PeerNamespace: netlink.NsFd(b.ns),
		})
	})
	a.setUp("eth0", mtu, "192.0.2.1/24", "fd00::1/64")
	b.setUp("eth0", mtu, "192.0.2.2/24", "fd00::2/64")
	a.await(b, "192.0.2.2")
	a.await(b, "fd00::2")
	return a, b
}

// await sends to an address of another host until something arrives: the kernel makes IPv6 ready in its own time.
func (h *host) await(other *host, addr string) {
	h.t.Helper()
	from, to := h.listen(UDPOptions{Listen: ":0"}), other.listen(UDPOptions{Listen: ":0"})
	defer from.Close()
	defer to.Close()
	for range 1000 {
		from.Send([]Train{single(at(addr, to.Port()), []byte("are you there"))})
		if err := to.in.wait(unix.POLLIN, 10*time.Millisecond); err != nil {
			h.t.Fatal(err)
		}
		if batch, err := to.TryReceive(); err != nil || len(batch) > 0 {
			return
		}
	}
	h.t.Fatalf("%s cannot be reached", addr)
}
