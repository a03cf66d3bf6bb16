package tun

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/netip"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/weftnet/weft/packet"
	"github.com/weftnet/weft/packet/packettest"
)

// patience bounds what could hang; no test waits for it when all is well.
const patience = 30 * time.Second

var (
	left4, right4 = netip.MustParsePrefix("10.77.0.1/24"), netip.MustParsePrefix("10.77.0.2/24")
	left6, right6 = netip.MustParsePrefix("fd77::1/64"), netip.MustParsePrefix("fd77::2/64")
)

// cable joins two namespaces by a device in each: what comes out of one is written into the other.
type cable struct {
	left, right *namespace
	mtu         int
	knobs       OffloadKnobs
	biggest     atomic.Int64 // batch, in packets
	longest     atomic.Int64 // packet, in bytes
	failed      atomic.Pointer[error]
}

func newCable(t *testing.T, left, right Driver, mtu int) *cable {
	t.Helper()
	c := &cable{left: newNamespace(t), right: newNamespace(t), mtu: mtu}
	c.plug(t, left, right)
	return c
}

// plug opens both devices and moves packets until the returned function is called, or the test ends.
func (c *cable) plug(t *testing.T, left, right Driver) (unplug func()) {
	t.Helper()
	l, _ := c.left.open(t, Options{Name: "weft0", Driver: left, MTU: c.mtu, Offloads: c.knobs})
	r, _ := c.right.open(t, Options{Name: "weft0", Driver: right, MTU: c.mtu, Offloads: c.knobs})
	var loops sync.WaitGroup
	loops.Go(func() { c.move(l, r) })
	loops.Go(func() { c.move(r, l) })
	c.left.up(t, "weft0", left4, left6)
	c.right.up(t, "weft0", right4, right6)
	unplug = sync.OnceFunc(func() {
		_, _ = l.Close(), r.Close()
		loops.Wait()
		if err := c.failed.Load(); err != nil {
			t.Error(*err)
		}
	})
	t.Cleanup(unplug)
	return unplug
}

func (c *cable) fail(err error) { c.failed.CompareAndSwap(nil, &err) }

// move checks every packet on its way: the drivers but super segment what they read, and complete its checksum.
func (c *cable) move(from, to Device) {
	for {
		batch, err := from.Queues()[0].Read()
		if errors.Is(err, os.ErrClosed) {
			return
		}
		if err != nil {
			c.fail(err)
			return
		}
		c.biggest.Store(max(c.biggest.Load(), int64(len(batch))))
		for _, p := range batch {
			if err := c.check(p, from.Driver() == DriverSuper); err != nil {
				c.fail(fmt.Errorf("read from %s (%s): %d bytes, MTU %d: %w", from.Name(), from.Driver(), len(p.Data), c.mtu, err))
			}
			c.longest.Store(max(c.longest.Load(), int64(len(p.Data))))
		}
		written, err := to.Queues()[0].Write(batch)
		// The other side may not be up yet, or closed already.
		if written != len(batch) && !errors.Is(err, unix.EIO) && !errors.Is(err, os.ErrClosed) {
			c.fail(fmt.Errorf("wrote %d of %d: %w", written, len(batch), err))
		}
	}
}

// check reports what is wrong with a packet or, if it may be a superpacket, with its segments.
func (c *cable) check(p packet.Superpacket, whole bool) error {
	if !whole && (p.SegmentSize != 0 || p.Partial()) {
		return errors.New("it is not finished")
	}
	segments, err := segmentsOf(p)
	for _, s := range segments {
		if len(s) > c.mtu {
			err = fmt.Errorf("a segment has %d bytes", len(s))
		}
		err = errors.Join(err, packettest.Verify(s))
	}
	return err
}

// segmentsOf are the finished packets that p stands for, in memory of their own.
func segmentsOf(p packet.Superpacket) (segments [][]byte, err error) {
	pkt := clone(&p).Data
	if p.SegmentSize == 0 {
		if p.Partial() {
			err = packet.CompleteChecksum(pkt, p.ChecksumStart, p.ChecksumOffset)
		}
		return [][]byte{pkt}, err
	}
	var s packet.Segmenter
	if err := s.Reset(pkt, p.SegmentSize, p.ChecksumStart, p.ChecksumOffset); err != nil {
		return nil, err
	}
	for {
		b := make([]byte, packet.MaxHeader)
		n, payload, ok := s.Next(b)
		if !ok {
			return segments, nil
		}
		segments = append(segments, append(b[:n], payload...))
	}
}

// stream opens a TCP connection from left to right, sends n bytes each way at the same time, and compares.
func (c *cable) stream(t *testing.T, n int, family netip.Prefix, control func(fd int) error) {
	t.Helper()
	var listener net.Listener
	c.right.do(t, func() (err error) {
		listener, err = net.Listen("tcp", netip.AddrPortFrom(family.Addr(), 0).String())
		return err
	})
	defer func() { _ = listener.Close() }()
	to := listener.Addr().(*net.TCPAddr).AddrPort()
	up, down := noise(1, n), noise(2, n)

	served := make(chan error, 1)
	go func() {
		conn, err := listener.Accept()
		if err == nil {
			err = exchange(conn, down, up)
		}
		served <- err
	}()
	var conn net.Conn
	c.left.do(t, func() (err error) {
		dialer := net.Dialer{Timeout: patience, Control: onSocket(control)}
		conn, err = dialer.DialContext(context.Background(), "tcp", to.String())
		return err
	})
	if err := exchange(conn, up, down); err != nil {
		t.Errorf("left: %v", err)
	}
	if err := <-served; err != nil {
		t.Errorf("right: %v", err)
	}
}

func onSocket(f func(fd int) error) func(string, string, syscall.RawConn) error {
	if f == nil {
		return nil
	}
	return func(_, _ string, c syscall.RawConn) (err error) {
		if e := c.Control(func(fd uintptr) { err = f(int(fd)) }); e != nil {
			return e
		}
		return err
	}
}

// exchange sends out, closes that direction, and compares what comes with want.
func exchange(conn net.Conn, out, want []byte) error {
	defer func() { _ = conn.Close() }()
	if err := conn.SetDeadline(time.Now().Add(patience)); err != nil {
		return err
	}
	sent := make(chan error, 1)
	go func() {
		_, err := conn.Write(out)
		if err == nil {
			err = conn.(*net.TCPConn).CloseWrite()
		}
		sent <- err
	}()
	got, err := io.ReadAll(conn)
	if err := errors.Join(err, <-sent); err != nil {
		return err
	}
	if !bytes.Equal(got, want) {
		return fmt.Errorf("received %d bytes, not the %d that were sent", len(got), len(want))
	}
	return nil
}

func noise(seed uint64, n int) []byte {
	var key [32]byte
	key[0] = byte(seed)
	b := make([]byte, n)
	_, _ = rand.NewChaCha8(key).Read(b)
	return b
}

func TestTCPStreamIsIntactBothWays(t *testing.T) {
	for _, left := range realDrivers() {
		for _, right := range realDrivers() {
			t.Run(string(left+" to "+right), func(t *testing.T) {
				c := newCable(t, left, right, 1390)
				c.stream(t, 3<<20, right4, nil)
				c.stream(t, 3<<20, right6, nil)
				if (left == DriverBatch || right == DriverBatch) && c.biggest.Load() < 2 {
					t.Error("the batch driver never read a superpacket")
				}
				if (left == DriverSuper || right == DriverSuper) && c.longest.Load() < 10000 {
					t.Errorf("the longest packet that super read has %d bytes", c.longest.Load())
				}
			})
		}
	}
}

func TestStreamIsIntactWithOffloadsTurnedOff(t *testing.T) {
	for _, driver := range []Driver{DriverBatch, DriverSuper} {
		for name, knobs := range map[string]OffloadKnobs{
			"all": allOff, "reading": {TSO: KnobOff, USO: KnobOff}, "writing": {JoinTCP: KnobOff, JoinUDP: KnobOff},
		} {
			t.Run(string(driver)+" "+name, func(t *testing.T) {
				c := &cable{left: newNamespace(t), right: newNamespace(t), mtu: 1390, knobs: knobs}
				c.plug(t, driver, driver)
				c.stream(t, 1<<20, right4, nil)
				c.stream(t, 1<<20, right6, nil)
				if knobs.TSO == KnobOff && c.longest.Load() > 1390 {
					t.Errorf("with TSO off a packet of %d bytes was read", c.longest.Load())
				}
			})
		}
	}
}

func TestDriverMayChangeOnTheSameDevice(t *testing.T) {
	c := &cable{left: newNamespace(t), right: newNamespace(t), mtu: 1390}
	for _, driver := range []Driver{DriverBatch, DriverPlain, DriverSuper, DriverBatch, DriverSuper, DriverPlain} {
		unplug := c.plug(t, driver, driver)
		c.stream(t, 1<<20, right4, nil)
		c.stream(t, 1<<20, right6, nil)
		unplug()
	}
}

func TestSuperpacketsWithExtensionHeadersAreCutRight(t *testing.T) {
	destinationOptions := []byte{0, 0, 1, 4, 0, 0, 0, 0} // one PadN of 6 bytes
	for _, driver := range realDrivers() {
		t.Run(string(driver), func(t *testing.T) {
			c := newCable(t, driver, driver, 1390)
			c.stream(t, 1<<20, right6, func(fd int) error {
				return unix.SetsockoptString(fd, unix.IPPROTO_IPV6, unix.IPV6_DSTOPTS, string(destinationOptions))
			})
		})
	}
}

func TestTinySegmentsDoNotStopTheStream(t *testing.T) {
	for _, driver := range realDrivers() {
		t.Run(string(driver), func(t *testing.T) {
			c := newCable(t, driver, driver, 1390)
			c.stream(t, 100<<10, right4, func(fd int) error {
				return unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_MAXSEG, 96)
			})
		})
	}
}

// TestSuperpacketsArriveAtTheSocket writes superpackets as another node would hand them over, in pieces and with partial
// checksums, and lets the kernel's socket read them.
func TestUDPSuperpacketsArriveAtTheSocket(t *testing.T) {
	for _, driver := range realDrivers() {
		for _, to := range []netip.Prefix{right4, right6} {
			for _, partial := range []bool{true, false} {
				t.Run(fmt.Sprintf("%s %s partial=%v", driver, to.Addr(), partial), func(t *testing.T) {
					udpSuperpackets(t, driver, to, partial)
				})
			}
		}
	}
}

func udpSuperpackets(t *testing.T, driver Driver, to netip.Prefix, partial bool) {
	ns := newNamespace(t)
	d, _ := ns.open(t, Options{Name: "weft0", Driver: driver, MTU: 1390})
	ns.up(t, "weft0", to)
	var socket net.PacketConn
	ns.do(t, func() (err error) {
		socket, err = net.ListenPacket("udp", netip.AddrPortFrom(to.Addr(), 0).String())
		return err
	})
	defer func() { _ = socket.Close() }()
	_ = socket.SetDeadline(time.Now().Add(patience))

	const segment = 1300
	payload := noise(3, 20*segment+777)
	udp := packettest.UDP{
		IP:      packettest.IP{Src: peerOf(to), Dst: to.Addr()},
		SrcPort: 9, DstPort: socket.LocalAddr().(*net.UDPAddr).AddrPort().Port(), Payload: payload,
	}
	small := udp
	small.Payload = noise(4, 333)
	batch := []packet.Superpacket{superpacket(udp.Build(), segment, partial, 100), superpacket(small.Build(), 0, partial, 0)}
	if n, err := d.Queues()[0].Write(batch); n != 2 || err != nil {
		t.Fatalf("Write: %d, %v", n, err)
	}
	var want [][]byte
	for at := 0; at < len(payload); at += segment {
		want = append(want, payload[at:min(at+segment, len(payload))])
	}
	buf := make([]byte, 1<<16)
	for i, w := range append(want, small.Payload) {
		n, _, err := socket.ReadFrom(buf)
		if err != nil || !bytes.Equal(buf[:n], w) {
			t.Fatalf("datagram %d: %d bytes, want %d, %v", i, n, len(w), err)
		}
	}
}

// superpacket makes the descriptor of pkt. With cut > 0, everything from that byte on is in three pieces of Tail.
func superpacket(pkt []byte, segment int, partial bool, cut int) packet.Superpacket {
	p := packet.Superpacket{Data: pkt, SegmentSize: segment}
	if partial {
		p.ChecksumStart, p.ChecksumOffset = packettest.Partial(pkt)
	}
	if cut > 0 {
		p.Data, p.Tail = pkt[:cut:cut], [][]byte{pkt[cut : cut+1], nil, pkt[cut+1:]}
	}
	return p
}

func peerOf(p netip.Prefix) netip.Addr {
	if p.Addr().Is4() {
		return left4.Addr()
	}
	return left6.Addr()
}

func TestTCPSuperpacketsArriveAtTheSocket(t *testing.T) {
	for _, driver := range realDrivers() {
		for _, to := range []netip.Prefix{right4, right6} {
			for _, partial := range []bool{true, false} {
				t.Run(fmt.Sprintf("%s %s partial=%v", driver, to.Addr(), partial), func(t *testing.T) {
					tcpSuperpackets(t, driver, to, partial)
				})
			}
		}
	}
}

// tcpSuperpackets speaks just enough TCP to bring superpackets to a listening socket.
func tcpSuperpackets(t *testing.T, driver Driver, to netip.Prefix, partial bool) {
	ns := newNamespace(t)
	d, _ := ns.open(t, Options{Name: "weft0", Driver: driver, MTU: 1390})
	ns.up(t, "weft0", to)
	var listener net.Listener
	ns.do(t, func() (err error) {
		listener, err = net.Listen("tcp", netip.AddrPortFrom(to.Addr(), 0).String())
		return err
	})
	defer func() { _ = listener.Close() }()
	tcp := packettest.TCP{
		IP:      packettest.IP{Src: peerOf(to), Dst: to.Addr()},
		SrcPort: 9, DstPort: listener.Addr().(*net.TCPAddr).AddrPort().Port(), Window: 65535, Seq: 1<<32 - 5000,
	}
	write := func(segment, cut int) {
		t.Helper()
		if n, err := d.Queues()[0].Write([]packet.Superpacket{superpacket(tcp.Build(), segment, partial, cut)}); n != 1 || err != nil {
			t.Fatalf("Write: %d, %v", n, err)
		}
	}
	tcp.Flags = packettest.SYN
	write(0, 0)
	tcp.Seq++
	tcp.Ack = synAck(t, d) + 1
	tcp.Flags = packettest.ACK
	write(0, 0)

	want := noise(5, 25000+13) // less than the first receive window
	tcp.Payload, tcp.Flags = want[:13000], packettest.ACK|packettest.PSH
	write(1350, 90)
	tcp.Seq += 13000
	tcp.Payload, tcp.Flags = want[13000:], packettest.ACK|packettest.FIN
	write(1000, 0)

	conn, err := listener.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	_ = conn.SetDeadline(time.Now().Add(patience))
	if got, err := io.ReadAll(conn); err != nil || !bytes.Equal(got, want) {
		t.Fatalf("received %d bytes of %d, %v", len(got), len(want), err)
	}
}

// synAck reads until the kernel answers, and returns its sequence number.
func synAck(t *testing.T, d Device) uint32 {
	t.Helper()
	for {
		batch, err := d.Queues()[0].Read()
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range batch {
			h, err := packet.Parse(p.Data)
			if err != nil || h.Proto != packet.ProtoTCP {
				continue
			}
			seg := p.Data[h.L4:]
			if seg[13] != packettest.SYN|packettest.ACK {
				t.Fatalf("the socket answered with flags %#x", seg[13])
			}
			return uint32(seg[4])<<24 | uint32(seg[5])<<16 | uint32(seg[6])<<8 | uint32(seg[7])
		}
	}
}
