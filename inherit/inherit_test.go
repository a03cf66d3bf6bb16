package inherit_test

import (
	"net/netip"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/weftnet/weft/inherit"
	"github.com/weftnet/weft/inherit/inherittest"
)

func TestOnlyWhatNameWroteIsAName(t *testing.T) {
	if kind, number, ok := inherit.ParseName(inherit.Name("udp", 12)); kind != "udp" || number != 12 || !ok {
		t.Errorf("%q, %d, %v", kind, number, ok)
	}
	for _, name := range []string{"", "udp", "udp.", "udp.x", "udp.-1", "udp.+1", "udp.01", "udp.1.2", "stored"} {
		if _, _, ok := inherit.ParseName(name); ok {
			t.Errorf("%q is a name", name)
		}
	}
}

func TestAMissingOrDoubleNumberIsNamed(t *testing.T) {
	for _, c := range []struct {
		numbers []int
		want    string
	}{
		{[]int{1, 2}, "number 0 is missing"},
		{[]int{2, 0}, "number 1 is missing"},
		{[]int{0, 1, 1, 2}, "number 1 came twice"},
	} {
		if err := inherit.CheckNumbers(c.numbers); err == nil || err.Error() != c.want {
			t.Errorf("%v: %v, want %q", c.numbers, err, c.want)
		}
	}
	if err := inherit.CheckNumbers([]int{2, 0, 1}); err != nil {
		t.Error(err)
	}
}

func TestADetachedDescriptorIsNonBlockingAndEndsWithTheProgram(t *testing.T) {
	null := inherittest.Null(t)
	fd, err := inherit.Detach(null)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0)
	if err != nil || flags&unix.FD_CLOEXEC == 0 {
		t.Errorf("flags of the descriptor %#x, %v", flags, err)
	}
	status, err := unix.FcntlInt(uintptr(fd), unix.F_GETFL, 0)
	if err != nil || status&unix.O_NONBLOCK == 0 {
		t.Errorf("flags of the file %#x, %v", status, err)
	}
	null.Close()
	if _, err := inherit.Detach(null); err == nil {
		t.Error("a closed file was duplicated")
	}
}

// datagrams opens a UDP socket of IPv6 at all addresses.
func datagrams(t *testing.T, only6 int) int {
	t.Helper()
	fd, err := unix.Socket(unix.AF_INET6, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Skip("no IPv6: ", err)
	}
	t.Cleanup(func() { unix.Close(fd) })
	if err := unix.SetsockoptInt(fd, unix.IPPROTO_IPV6, unix.IPV6_V6ONLY, only6); err != nil {
		t.Fatal(err)
	}
	if err := unix.Bind(fd, &unix.SockaddrInet6{}); err != nil {
		t.Fatal(err)
	}
	return fd
}

var everywhere = inherit.Socket{Type: unix.SOCK_DGRAM, Protocols: []int{unix.IPPROTO_UDP}, At: netip.IPv6Unspecified()}

func TestASocketAtAllAddressesMustCarryBothFamilies(t *testing.T) {
	if port, err := everywhere.Check(datagrams(t, 0)); err != nil || port == 0 {
		t.Errorf("port %d, %v", port, err)
	}
	if _, err := everywhere.Check(datagrams(t, 1)); err == nil || !strings.Contains(err.Error(), "IPv6 only") {
		t.Errorf("error %v", err)
	}
}

func TestTheSameSocketTwiceIsNoticedThroughAnyDescriptor(t *testing.T) {
	a, b := datagrams(t, 0), datagrams(t, 0)
	if err := inherit.CheckDistinct([]int{a, b}); err != nil {
		t.Error(err)
	}
	again, err := unix.FcntlInt(uintptr(a), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(again)
	if err := inherit.CheckDistinct([]int{b, a, again}); err == nil || !strings.Contains(err.Error(), "sockets 1 and 2") {
		t.Errorf("error %v", err)
	}
}
