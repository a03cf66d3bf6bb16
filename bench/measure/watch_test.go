package measure

import (
	"encoding/binary"
	"net"
	"net/netip"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/weftnet/weft/lab"
)

// sink is a UDP socket in the target's To that nobody reads.
func sink(t *testing.T, target Target) (c *net.UDPConn, to netip.AddrPort) {
	t.Helper()
	err := target.To.Do(func() (err error) {
		c, err = net.ListenUDP("udp4", net.UDPAddrFromAddrPort(netip.AddrPortFrom(target.ToAddr, 0)))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c, c.LocalAddr().(*net.UDPAddr).AddrPort()
}

func send(t *testing.T, target Target, to netip.AddrPort, size int) {
	t.Helper()
	err := target.From.Do(func() error {
		c, err := net.DialUDP("udp4", nil, net.UDPAddrFromAddrPort(to))
		if err != nil {
			return err
		}
		defer c.Close()
		_, err = c.Write(make([]byte, size))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

func begin(t *testing.T, target Target) *Watch {
	t.Helper()
	w, err := Begin(t.Context(), target)
	if err != nil {
		t.Fatal(err)
	}
	return w
}

func observe(t *testing.T, w *Watch) Observation {
	t.Helper()
	o, err := w.End(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return o
}

func finding(t *testing.T, o Observation, check string) Finding {
	t.Helper()
	for _, f := range Findings(o) {
		if f.Check == check {
			return f
		}
	}
	t.Fatalf("no finding of %s", check)
	return Finding{}
}

func TestPlainTrafficPassesTheChecks(t *testing.T) {
	target, _ := testTarget(t, lab.Options{})
	w := begin(t, target)
	_, to := sink(t, target)
	send(t, target, to, 1400)
	o := observe(t, w)
	for _, f := range Findings(o) {
		if !f.OK {
			t.Errorf("%+v", f)
		}
	}
	if o.Foreign < 0 || o.Foreign > 1 {
		t.Errorf("foreign = %v", o.Foreign)
	}
}

func TestFragmentsAreFound(t *testing.T) {
	target, _ := testTarget(t, lab.Options{})
	_, to := sink(t, target)
	w := begin(t, target)
	err := target.From.Do(func() error { return sendFragments(to) })
	if err != nil {
		t.Fatal(err)
	}
	testAwait(t, "fragments to be joined", func() bool { return observe(t, w).Counters[CounterReassembly] >= 3 })
	f := finding(t, observe(t, w), CheckFragments)
	if f.OK || !strings.Contains(f.Detail, CounterFragments) || !strings.Contains(f.Detail, CounterReassembly) {
		t.Errorf("%+v", f)
	}
}

// sendFragments sends a datagram of three packets.
func sendFragments(to netip.AddrPort) error {
	c, err := net.DialUDP("udp4", nil, net.UDPAddrFromAddrPort(to))
	if err != nil {
		return err
	}
	defer c.Close()
	raw, err := c.SyscallConn()
	if err != nil {
		return err
	}
	var failed error
	err = raw.Control(func(fd uintptr) {
		failed = unix.SetsockoptInt(int(fd), unix.IPPROTO_IP, unix.IP_MTU_DISCOVER, unix.IP_PMTUDISC_DONT)
	})
	if err != nil || failed != nil {
		return failed
	}
	_, err = c.Write(make([]byte, 3500))
	return err
}

func TestWrongChecksumIsFound(t *testing.T) {
	target, _ := testTarget(t, lab.Options{})
	c, to := sink(t, target)
	defer c.Close()
	w := begin(t, target)
	if err := target.From.Do(func() error { return sendDamaged(to) }); err != nil {
		t.Fatal(err)
	}
	reader := make(chan struct{})
	go func() { // the kernel looks at the checksum of short datagrams when they are read
		defer close(reader)
		c.Read(make([]byte, 100))
	}()
	testAwait(t, "the checksum to be looked at", func() bool { return observe(t, w).Counters[CounterUDPChecksum] > 0 })
	c.Close()
	<-reader
	if f := finding(t, observe(t, w), CheckChecksums); f.OK || !strings.Contains(f.Detail, CounterUDPChecksum+" rose by 1") {
		t.Errorf("%+v", f)
	}
}

// sendDamaged sends a datagram whose checksum is wrong.
func sendDamaged(to netip.AddrPort) error {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.IPPROTO_UDP)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	b := make([]byte, 12)
	binary.BigEndian.PutUint16(b[0:], 9)
	binary.BigEndian.PutUint16(b[2:], to.Port())
	binary.BigEndian.PutUint16(b[4:], uint16(len(b)))
	binary.BigEndian.PutUint16(b[6:], 0xdead)
	return unix.Sendto(fd, b, 0, &unix.SockaddrInet4{Addr: to.Addr().As4()})
}

func TestDatagramsThatASocketHasNoRoomForAreDrops(t *testing.T) {
	target, _ := testTarget(t, lab.Options{})
	c, to := sink(t, target)
	if err := c.SetReadBuffer(1); err != nil { // the kernel's least
		t.Fatal(err)
	}
	w := begin(t, target)
	for range 50 {
		send(t, target, to, 1000)
	}
	testAwait(t, "drops", func() bool {
		o := observe(t, w)
		return o.Counters["UdpRcvbufErrors"] > 0 && o.Counters[CounterDrops] >= o.Counters["UdpRcvbufErrors"]
	})
}

func TestPacketsThatALimitedCableHasNoRoomForAreDrops(t *testing.T) {
	target, _ := testTarget(t, lab.Options{Rate: 100_000})
	_, to := sink(t, target)
	w := begin(t, target)
	testAwait(t, "drops", func() bool {
		for range 50 {
			send(t, target, to, 1400)
		}
		o := observe(t, w)
		return o.Counters[CounterQueue] > 0 && o.Counters[CounterDrops] >= o.Counters[CounterQueue]
	})
}

func TestClosedLabIsAnErrorOfTheWatch(t *testing.T) {
	target, l := testTarget(t, lab.Options{})
	w := begin(t, target)
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if o, err := w.End(t.Context()); err == nil {
		t.Errorf("a closed lab was observed: %v", o)
	}
	if _, err := Begin(t.Context(), target); err == nil {
		t.Error("a closed lab is watched")
	}
}
