package tun

import (
	"fmt"
	"net"
	"net/netip"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"
)

// namespace is a network namespace without a name: it vanishes with the process, whatever happens.
type namespace struct{ handle netns.NsHandle }

func newNamespace(t testing.TB) *namespace {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("needs root: makes network namespaces and TUN devices")
	}
	if _, err := os.Stat(clonePath); err != nil {
		t.Skipf("needs %s: %v", clonePath, err)
	}
	made := make(chan error, 1)
	var n namespace
	go func() {
		runtime.LockOSThread() // and never unlocked: the thread ends with the goroutine
		var err error
		n.handle, err = netns.New()
		made <- err
	}()
	if err := <-made; err != nil {
		t.Skipf("needs network namespaces: %v", err)
	}
	t.Cleanup(func() { _ = n.handle.Close() })
	return &n
}

// do runs f on a thread inside the namespace. f must not call t.FailNow.
func (n *namespace) do(t testing.TB, f func() error) {
	t.Helper()
	done := make(chan error, 1)
	go func() {
		runtime.LockOSThread()
		if err := netns.Set(n.handle); err != nil {
			done <- err
			return
		}
		done <- f()
	}()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
}

// open opens a device in the namespace and closes it at the end of the test.
func (n *namespace) open(t testing.TB, o Options) (Device, *Choice) {
	t.Helper()
	d, c, err := n.tryOpen(t, o)
	if err != nil {
		t.Fatalf("Open(%+v): %v", o, err)
	}
	t.Cleanup(func() { _ = d.Close() })
	return d, c
}

func (n *namespace) tryOpen(t testing.TB, o Options) (d Device, c *Choice, err error) {
	t.Helper()
	n.do(t, func() error {
		d, c, err = Open(o)
		return nil
	})
	return d, c, err
}

// up brings the device up with the addresses, and waits until the kernel takes packets for them: it puts IPv6 addresses to
// use in a work queue, some time after the call.
func (n *namespace) up(t testing.TB, device string, addrs ...netip.Prefix) {
	t.Helper()
	n.do(t, func() error {
		link, err := netlink.LinkByName(device)
		if err != nil {
			return err
		}
		for _, a := range addrs {
			ip := &net.IPNet{IP: a.Addr().AsSlice(), Mask: net.CIDRMask(a.Bits(), a.Addr().BitLen())}
			if err := netlink.AddrReplace(link, &netlink.Addr{IPNet: ip, Flags: unix.IFA_F_NODAD}); err != nil {
				return err
			}
		}
		if err := netlink.LinkSetUp(link); err != nil {
			return err
		}
		return awaitLocal(addrs)
	})
}

// awaitLocal waits until the route to each address is through the loopback interface, always the first of a namespace.
func awaitLocal(addrs []netip.Prefix) error {
	for start := time.Now(); len(addrs) > 0; {
		routes, err := netlink.RouteGet(addrs[0].Addr().AsSlice())
		if err == nil && len(routes) == 1 && routes[0].LinkIndex == 1 {
			addrs = addrs[1:]
		} else if time.Since(start) > patience {
			return fmt.Errorf("%v is not in use: %v, %w", addrs[0], routes, err)
		}
	}
	return nil
}

// sysctl sets a variable below net, such as "ipv4.tcp_timestamps".
func (n *namespace) sysctl(t testing.TB, name, value string) {
	t.Helper()
	n.do(t, func() error {
		return os.WriteFile("/proc/sys/net/"+strings.ReplaceAll(name, ".", "/"), []byte(value), 0)
	})
}

// quiet keeps the kernel from sending what nobody asked for: without IPv6 there are no router solicitations and no reports
// of multicast listeners. It is for interfaces that are made later.
func (n *namespace) quiet(t testing.TB) {
	t.Helper()
	n.sysctl(t, "ipv6.conf.default.disable_ipv6", "1")
}

// link is the interface of that name, or nil.
func (n *namespace) link(t testing.TB, name string) (link netlink.Link) {
	t.Helper()
	n.do(t, func() error {
		link, _ = netlink.LinkByName(name)
		return nil
	})
	return link
}
