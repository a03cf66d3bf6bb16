package tun

import (
	"errors"
	"net/netip"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/weftnet/weft/packet"
	"github.com/weftnet/weft/packet/packettest"
)

func TestWriteGoesOnAfterARefusedPacket(t *testing.T) {
	for _, driver := range realDrivers() {
		t.Run(string(driver), func(t *testing.T) {
			ns := newNamespace(t)
			d, _ := ns.open(t, Options{Name: "weft0", Driver: driver, MTU: 1400})
			ns.up(t, "weft0", right4)
			socket := ns.udpSocket(t, right4.Addr())
			udp := packettest.UDP{IP: packettest.IP{Src: left4.Addr(), Dst: right4.Addr()}, SrcPort: 9, DstPort: socket.port, Payload: []byte("x")}
			n, err := d.Queues()[0].Write([]packet.Superpacket{
				{Data: udp.Build()},
				{Data: make([]byte, 30)}, // no version: the kernel refuses it
				{},
				{Data: make([]byte, 3000), SegmentSize: 1000}, // nor does it have segments
				{Data: udp.Build()},
			})
			if n != 2 || err == nil {
				t.Errorf("wrote %d, %v; want 2 and why the others did not", n, err)
			}
			for range 2 {
				socket.receive(t)
			}
		})
	}
}

func TestWriteWhileTheInterfaceIsDownIsRefused(t *testing.T) {
	for _, driver := range realDrivers() {
		t.Run(string(driver), func(t *testing.T) {
			d, _ := newNamespace(t).open(t, Options{Name: "weft0", Driver: driver, MTU: 1400})
			if n, err := d.Queues()[0].Write(packets(200)); n != 0 || !errors.Is(err, unix.EIO) {
				t.Errorf("wrote %d, %v; want 0, EIO", n, err)
			}
		})
	}
}

func TestDescriptorIsNotInherited(t *testing.T) {
	for _, driver := range realDrivers() {
		t.Run(string(driver), func(t *testing.T) {
			d, _ := newNamespace(t).open(t, Options{Name: "weft0", Driver: driver, MTU: 1400})
			var f *file
			switch d := d.(type) {
			case *plain:
				f = &d.file
			case *batch:
				f = &d.file
			case *super:
				closedOnExec(t, uintptr(d.each[0].fd))
				closedOnExec(t, uintptr(d.each[0].wake))
				return
			}
			conn, err := f.os.SyscallConn()
			if err != nil {
				t.Fatal(err)
			}
			_ = conn.Control(func(fd uintptr) { closedOnExec(t, fd) })
		})
	}
}

func closedOnExec(t *testing.T, fd uintptr) {
	t.Helper()
	if flags, err := unix.FcntlInt(fd, unix.F_GETFD, 0); err != nil || flags&unix.FD_CLOEXEC == 0 {
		t.Errorf("flags %#x, %v", flags, err)
	}
}

func TestOffloadsAreNamedAndExplained(t *testing.T) {
	for _, driver := range realDrivers() {
		d, _ := newNamespace(t).open(t, Options{Name: "weft0", Driver: driver, MTU: 1400})
		offloads := d.Offloads()
		if len(offloads) == 0 {
			t.Errorf("%s: none", driver)
		}
		for _, o := range offloads {
			if o.Name == "" || (o.State == OffloadOn) != (o.Reason == "") {
				t.Errorf("%s: %+v", driver, o)
			}
		}
	}
}

func TestMovingPacketsAllocatesNothing(t *testing.T) {
	if raceDetector {
		t.Skip("allocations are not counted under the race detector")
	}
	for _, driver := range realDrivers() {
		t.Run(string(driver), func(t *testing.T) {
			ns := newNamespace(t)
			d, _ := ns.open(t, Options{Name: "weft0", Driver: driver, MTU: 1400})
			ns.up(t, "weft0", right4)
			batch, q := discarded(t), d.Queues()[0]
			if n := testing.AllocsPerRun(50, func() {
				if n, err := q.Write(batch); n != len(batch) || err != nil {
					t.Fatalf("wrote %d, %v", n, err)
				}
			}); n != 0 {
				t.Errorf("%v allocations for each write, want 0", n)
			}
			socket := ns.udpSocket(t, right4.Addr())
			to := &unix.SockaddrInet4{Port: 9, Addr: left4.Addr().As4()}
			if err := unix.Connect(socket.fd, to); err != nil {
				t.Fatal(err)
			}
			payload := make([]byte, 1000)
			if n := testing.AllocsPerRun(50, func() {
				if _, err := unix.Write(socket.fd, payload); err != nil {
					t.Fatal(err)
				}
				if _, err := q.Read(); err != nil {
					t.Fatal(err)
				}
			}); n != 0 {
				t.Errorf("%v allocations for each read, want 0", n)
			}
		})
	}
}

// discarded are packets of all kinds that the kernel takes and then drops: their hop limit does not reach beyond us, and
// their destination is not here.
func discarded(t *testing.T) []packet.Superpacket {
	t.Helper()
	ip := packettest.IP{Src: left4.Addr(), Dst: netip.MustParseAddr("192.0.2.1"), TTL: 1}
	udp := packettest.UDP{IP: ip, Payload: make([]byte, 20000)}
	tcp := packettest.TCP{IP: ip, Flags: packettest.ACK, Payload: make([]byte, 20000)}
	return []packet.Superpacket{
		superpacket(udp.Build(), 1300, true, 100),
		superpacket(tcp.Build(), 1300, true, 0),
		superpacket(tcp.Build()[:20+20+1000], 0, false, 500),
		{Data: testUDP},
	}
}

// socket is a UDP socket without the runtime's poller, so that its cost does not show.
type socket struct {
	fd   int
	port uint16
}

func (n *namespace) udpSocket(t testing.TB, addr netip.Addr) *socket {
	t.Helper()
	s := new(socket)
	n.do(t, func() (err error) {
		domain := unix.AF_INET
		if addr.Is6() {
			domain = unix.AF_INET6
		}
		if s.fd, err = unix.Socket(domain, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0); err != nil {
			return err
		}
		timeout := unix.NsecToTimeval(int64(patience))
		if err := unix.SetsockoptTimeval(s.fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &timeout); err != nil {
			return err
		}
		if err := unix.Bind(s.fd, address(netip.AddrPortFrom(addr, 0))); err != nil {
			return err
		}
		name, err := unix.Getsockname(s.fd)
		switch name := name.(type) {
		case *unix.SockaddrInet4:
			s.port = uint16(name.Port)
		case *unix.SockaddrInet6:
			s.port = uint16(name.Port)
		}
		return err
	})
	t.Cleanup(func() { _ = unix.Close(s.fd) })
	return s
}

func (s *socket) receive(t testing.TB) []byte {
	t.Helper()
	b := make([]byte, 1<<16)
	n, err := unix.Read(s.fd, b)
	if err != nil {
		t.Fatalf("receive: %v", err)
	}
	return b[:n]
}
