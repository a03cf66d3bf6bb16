package tun

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/weftnet/weft/packet"
	"github.com/weftnet/weft/packet/packettest"
)

// The kernel is the oracle for segments: what a socket sends is read whole and cut by packet.Segmenter, and then read again in
// the segments that the kernel makes. Nothing here waits, but for TCP in the midst of a stream: the kernel sends while a system call of the
// test runs, so that all packets are in the queue when it returns.

const (
	flowPort = 40000 // of the socket
	peerPort = 9
	flowMTU  = 1400
)

// flow is a namespace with a device and a socket, whose peer is the test.
type flow struct {
	t      *testing.T
	q      PolledQueue
	d      Device
	socket int
	to     netip.Prefix // the socket's
	whole  int          // superpackets read so far
	cwr    bool         // one of them had CWR
}

func newFlow(t *testing.T, kind int, to netip.Prefix, knobs OffloadKnobs) *flow {
	t.Helper()
	ns := newNamespace(t)
	ns.sysctl(t, "ipv4.tcp_timestamps", "0")
	ns.sysctl(t, "ipv4.tcp_ecn", "1")
	ns.sysctl(t, "ipv6.auto_flowlabels", "0")
	d, _ := ns.open(t, Options{Name: "weft0", Driver: DriverSuper, MTU: flowMTU, Offloads: knobs})
	ns.up(t, "weft0", to)
	f := &flow{t: t, d: d, q: d.Queues()[0].(PolledQueue), to: to}
	ns.do(t, func() (err error) {
		domain := unix.AF_INET
		if to.Addr().Is6() {
			domain = unix.AF_INET6
		}
		if f.socket, err = unix.Socket(domain, kind|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0); err != nil {
			return err
		}
		t.Cleanup(func() { _ = unix.Close(f.socket) })
		return unix.Bind(f.socket, address(netip.AddrPortFrom(to.Addr(), flowPort)))
	})
	return f
}

func address(a netip.AddrPort) unix.Sockaddr {
	if a.Addr().Is4() {
		return &unix.SockaddrInet4{Addr: a.Addr().As4(), Port: int(a.Port())}
	}
	return &unix.SockaddrInet6{Addr: a.Addr().As16(), Port: int(a.Port())}
}

func (f *flow) try(err error) {
	f.t.Helper()
	if err != nil {
		f.t.Fatal(err)
	}
}

func (f *flow) connect() {
	f.t.Helper()
	err := unix.Connect(f.socket, address(netip.AddrPortFrom(peerOf(f.to), peerPort)))
	if !errors.Is(err, unix.EINPROGRESS) {
		f.try(err)
	}
}

// send gives the socket all of b in one call.
func (f *flow) send(b []byte) {
	f.t.Helper()
	if n, err := unix.Write(f.socket, b); err != nil || n != len(b) {
		f.t.Fatalf("the socket takes %d of %d bytes, %v", n, len(b), err)
	}
}

// segments returns what the socket has sent, cut where it is whole. Each segment is right in itself.
func (f *flow) segments() (all [][]byte) {
	f.t.Helper()
	for {
		batch, err := f.q.TryRead()
		f.try(err)
		if len(batch) == 0 {
			return all
		}
		for _, p := range batch {
			if h, err := packet.Parse(p.Data); err != nil || h.Src != f.to.Addr() || h.Dst != peerOf(f.to) {
				continue // listener reports and the like
			}
			if p.SegmentSize > 0 {
				f.whole++
				f.cwr = f.cwr || header(p.Data).Proto == packet.ProtoTCP && flagsOf(p.Data)&packettest.CWR != 0
			}
			all = append(all, f.cut(p)...)
		}
	}
}

func (f *flow) cut(p packet.Superpacket) [][]byte {
	f.t.Helper()
	segments, err := segmentsOf(p)
	f.try(err)
	for _, s := range segments {
		f.try(packettest.Verify(s))
		if len(s) > flowMTU {
			f.t.Fatalf("a segment has %d bytes", len(s))
		}
	}
	return segments
}

// normalized are the segments of a flow without what the kernel chooses anew for each: the first IPv4 identification and the
// first sequence number count as 0. Checksums were verified and are left out.
func normalized(segments [][]byte) (all [][]byte) {
	for _, segment := range segments {
		s, h := bytes.Clone(segment), header(segment)
		if s[0]>>4 == 4 {
			id := binary.BigEndian.Uint16(s[4:]) - binary.BigEndian.Uint16(segments[0][4:])
			binary.BigEndian.PutUint16(s[4:], id)
			clear(s[10:12])
		}
		if h.Proto == packet.ProtoTCP {
			binary.BigEndian.PutUint32(s[h.L4+4:], sequence(segment)-sequence(segments[0]))
			clear(s[h.L4+16 : h.L4+18])
		} else {
			clear(s[h.L4+6 : h.L4+8])
		}
		all = append(all, s)
	}
	return all
}

// header is that of a packet that was verified.
func header(pkt []byte) packet.Header {
	h, _ := packet.Parse(pkt)
	return h
}

func sequence(tcp []byte) uint32 { return binary.BigEndian.Uint32(tcp[header(tcp).L4+4:]) }

func flagsOf(tcp []byte) uint8 { return tcp[header(tcp).L4+13] }

func TestUDPSuperpacketIsCutAsTheKernelDoesIt(t *testing.T) {
	for _, to := range []netip.Prefix{right4, right6} {
		for _, n := range []int{20*1300 + 77, 20 * 1300, 1301} {
			t.Run(fmt.Sprintf("%s %d bytes", to.Addr(), n), func(t *testing.T) {
				send := func(knob Knob) (*flow, [][]byte) {
					f := newFlow(t, unix.SOCK_DGRAM, to, OffloadKnobs{USO: knob})
					f.connect()
					f.try(unix.SetsockoptInt(f.socket, unix.IPPROTO_UDP, unix.UDP_SEGMENT, 1300))
					f.send(noise(7, n))
					return f, normalized(f.segments())
				}
				f, got := send(KnobAuto)
				if slices.Contains(f.d.Offloads(), offload(offloadUSO, nil)) && f.whole != 1 {
					t.Errorf("read %d superpackets, want 1", f.whole)
				}
				f, want := send(KnobOff)
				if f.whole != 0 {
					t.Errorf("with USO off: read %d superpackets", f.whole)
				}
				compareSegments(t, got, want, (n+1299)/1300)
			})
		}
	}
}

func compareSegments(t *testing.T, got, want [][]byte, n int) {
	t.Helper()
	if len(want) != n || len(got) != n {
		t.Fatalf("%d segments of ours and %d of the kernel, want %d", len(got), len(want), n)
	}
	for i := range want {
		if !bytes.Equal(got[i], want[i]) {
			t.Errorf("segment %d:\n%x, of the kernel\n%x", i, got[i][:100], want[i][:100])
		}
	}
}

func TestTCPSuperpacketIsCutAsTheKernelDoesIt(t *testing.T) {
	for _, to := range []netip.Prefix{right4, right6} {
		t.Run(to.Addr().String(), func(t *testing.T) {
			send := func(knob Knob) (*tcpPeer, [][]byte) {
				p := newTCPPeer(t, to, OffloadKnobs{TSO: knob})
				return p, normalized(p.receive(noise(8, 40*1280+77)))
			}
			p, got := send(KnobAuto)
			if p.longest < 5 || !p.cwr {
				t.Errorf("read %d superpackets, the longest of %d segments, with CWR: %v", p.whole, p.longest, p.cwr)
			}
			p, want := send(KnobOff)
			if p.whole != 0 {
				t.Errorf("with TSO off: read %d superpackets", p.whole)
			}
			compareSegments(t, got, want, 41)
			cwr := slices.IndexFunc(want, func(s []byte) bool { return flagsOf(s)&packettest.CWR != 0 })
			last := flagsOf(want[40])
			if cwr < 1 || last != packettest.ACK|packettest.PSH|packettest.FIN {
				t.Errorf("no segment has CWR (%d), or the last one has flags %#x", cwr, last)
			}
		})
	}
}

// tcpPeer speaks just enough TCP to take what the socket sends.
type tcpPeer struct {
	*flow
	tcp     packettest.TCP
	longest int // superpacket, in segments
}

// newTCPPeer brings about a connection with ECN, whose window is closed. Timers of the socket do not run out while a test is
// held up: without SACK it has no tail loss probes, and the least timeout is long where the kernel lets us (Linux 6.11).
func newTCPPeer(t *testing.T, to netip.Prefix, knobs OffloadKnobs) *tcpPeer {
	t.Helper()
	f := newFlow(t, unix.SOCK_STREAM, to, knobs)
	f.try(unix.SetsockoptInt(f.socket, unix.SOL_SOCKET, unix.SO_SNDBUF, 1<<20))
	f.connect()
	syn := f.segments()
	if len(syn) != 1 || flagsOf(syn[0]) != packettest.SYN|packettest.ECE|packettest.CWR {
		t.Fatalf("%d packets instead of a SYN: %x", len(syn), syn)
	}
	p := &tcpPeer{flow: f, tcp: packettest.TCP{
		IP:      packettest.IP{Src: peerOf(to), Dst: to.Addr()},
		SrcPort: peerPort, DstPort: flowPort, Seq: 1000, Ack: sequence(syn[0]) + 1,
		Flags: packettest.SYN | packettest.ACK | packettest.ECE, Options: []byte{2, 4, 1280 >> 8, 1280 & 0xff},
	}}
	p.write()
	p.tcp.Seq++
	p.tcp.Flags, p.tcp.Options = packettest.ACK, nil
	if ack := f.segments(); len(ack) != 1 || flagsOf(ack[0]) != packettest.ACK {
		t.Fatalf("%d packets instead of an ACK: %x", len(ack), ack)
	}
	return p
}

func (p *tcpPeer) write() {
	p.t.Helper()
	if _, err := p.q.Write([]packet.Superpacket{{Data: p.tcp.Build()}}); err != nil {
		p.t.Fatal(err)
	}
}

// more waits for segments with a payload that were not acknowledged yet. Mostly they are there at once; but a socket that has much in the
// queue sends on once that was read (tcp_wfree in net/ipv4/tcp_output.c), in a softirq, which on a busy machine is a thread's.
func (p *tcpPeer) more() (segments [][]byte) {
	for deadline := time.Now().Add(5 * time.Second); len(segments) == 0 && time.Now().Before(deadline); time.Sleep(time.Millisecond) {
		segments = slices.DeleteFunc(p.segments(), func(s []byte) bool {
			return len(packettest.Payload(s)) == 0 || int32(sequence(s)-p.tcp.Ack) < 0
		})
	}
	return segments
}

// receive has the socket queue all of b and its FIN, opens the window, and acknowledges what comes, at first with the word
// that there was congestion. It returns the segments with a payload, each once.
func (p *tcpPeer) receive(b []byte) (all [][]byte) {
	p.t.Helper()
	p.send(b)
	p.try(unix.Shutdown(p.socket, unix.SHUT_WR))
	p.tcp.Window = 65535
	for round := 0; ; round++ {
		p.write()
		before := p.whole
		segments := p.more()
		if len(segments) == 0 {
			p.t.Fatalf("the socket stopped after %d segments", len(all))
		}
		if p.whole > before {
			p.longest = max(p.longest, len(segments)/(p.whole-before))
		}
		all = append(all, segments...)
		last := segments[len(segments)-1]
		p.tcp.Ack = sequence(last) + uint32(len(packettest.Payload(last)))
		if flagsOf(last)&packettest.FIN != 0 {
			return all
		}
		p.tcp.Flags = packettest.ACK
		if round == 0 {
			p.tcp.Flags |= packettest.ECE
		}
	}
}
