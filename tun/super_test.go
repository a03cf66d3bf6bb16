package tun

import (
	"bytes"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"runtime"
	"sync"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/weftnet/weft/packet"
	"github.com/weftnet/weft/packet/packettest"
)

var (
	_ Device  = (*super)(nil)
	_ Counted = (*super)(nil)
)

func openSuper(t testing.TB, ns *namespace, o Options) (*super, *superQueue) {
	t.Helper()
	o.Name, o.Driver, o.MTU = "weft0", DriverSuper, max(o.MTU, 1400)
	d, _ := ns.open(t, o)
	s := d.(*super)
	return s, s.each[0]
}

func TestUDPSuperpacketOfManyPiecesArrivesWhole(t *testing.T) {
	for _, to := range []netip.Prefix{right4, right6} {
		t.Run(to.Addr().String(), func(t *testing.T) {
			ns := newNamespace(t)
			d, q := openSuper(t, ns, Options{})
			ns.up(t, "weft0", to)
			socket := ns.udpSocket(t, to.Addr())
			if err := unix.SetsockoptInt(socket.fd, unix.IPPROTO_UDP, unix.UDP_GRO, 1); err != nil {
				t.Fatal(err)
			}
			payload := noise(3, 49*1300+77)
			pkt := packettest.UDP{IP: packettest.IP{Src: peerOf(to), Dst: to.Addr()}, SrcPort: 9, DstPort: socket.port, Payload: payload}.Build()
			p := pieces(superpacket(pkt, 1300, true, 0), len(pkt)-len(payload), 650)
			if n, err := q.Write([]packet.Superpacket{p}); n != 1 || err != nil {
				t.Fatalf("wrote %d, %v", n, err)
			}
			if got := socket.receive(t); !bytes.Equal(got, payload) {
				t.Errorf("received %d bytes in one piece, want %d", len(got), len(payload))
			}
			if c := d.Counters().Written; c.Calls != 1 || c.Segments != 50 || c.Pieces != uint64(len(p.Tail)+1) {
				t.Errorf("counted %+v", c)
			}
		})
	}
}

// TestUDPSuperpacketOfTooManySegmentsArrives writes more segments than the kernel takes in one piece (UDP_MAX_SEGMENTS: 128),
// and then has the writer believe that the kernel takes them.
func TestUDPSuperpacketOfTooManySegmentsArrives(t *testing.T) {
	for name, c := range map[string]struct {
		limit int
		want  WriteCounters
	}{
		"in trains":       {maxUDPSegments, WriteCounters{Calls: 3, Cut: 1}},
		"refused":         {1000, WriteCounters{Calls: 151, Refused: 1}},
		"trains, refused": {140, WriteCounters{Calls: 151, Cut: 1, Refused: 1}},
	} {
		t.Run(name, func(t *testing.T) {
			ns := newNamespace(t)
			d, q := openSuper(t, ns, Options{})
			ns.up(t, "weft0", right4)
			q.writer.maxUDP = c.limit
			socket := ns.udpSocket(t, right4.Addr())
			payload := noise(4, 150*50-1)
			pkt := packettest.UDP{IP: packettest.IP{Src: left4.Addr(), Dst: right4.Addr()}, SrcPort: 9, DstPort: socket.port, Payload: payload}.Build()
			p := pieces(superpacket(pkt, 50, true, 0), len(pkt)-len(payload), 50)
			if n, err := q.Write([]packet.Superpacket{p}); n != 1 || err != nil {
				t.Fatalf("wrote %d, %v", n, err)
			}
			for at := 0; at < len(payload); at += 50 {
				if got := socket.receive(t); !bytes.Equal(got, payload[at:min(at+50, len(payload))]) {
					t.Fatalf("segment %d: %d bytes", at/50, len(got))
				}
			}
			got := d.Counters().Written
			if got.Calls < 3 {
				t.Skip("this kernel takes superpackets of any number of segments")
			}
			if got.Calls != c.want.Calls || got.Cut != c.want.Cut || got.Refused != c.want.Refused || got.Segments != 150 || got.Superpackets != 1 {
				t.Errorf("counted %+v", got)
			}
		})
	}
}

// sendTo has the socket send n datagrams of size bytes to the peer.
func (s *socket) sendTo(t testing.TB, n, size int) {
	t.Helper()
	for range n {
		to := &unix.SockaddrInet4{Port: 9, Addr: left4.Addr().As4()}
		if err := unix.Sendto(s.fd, make([]byte, size), 0, to); err != nil {
			t.Fatal(err)
		}
	}
}

func TestDrainIsBounded(t *testing.T) {
	for name, c := range map[string]struct {
		packets, size int
		want          []int
	}{
		"by packets": {100, 100, []int{64, 36, 0}},
		"by bytes":   {20, 60000, []int{18, 2, 0}},
	} {
		t.Run(name, func(t *testing.T) {
			ns := newNamespace(t)
			ns.quiet(t)
			d, q := openSuper(t, ns, Options{MTU: 65535})
			ns.up(t, "weft0", right4)
			ns.udpSocket(t, right4.Addr()).sendTo(t, c.packets, c.size)
			for _, want := range c.want {
				if got := readable(t, q.Descriptor()); got != (want > 0) {
					t.Errorf("readable: %v", got)
				}
				batch, err := q.TryRead()
				if len(batch) != want || err != nil {
					t.Errorf("read %d, %v; want %d", len(batch), err, want)
				}
				for _, p := range batch {
					if len(p.Data) != c.size+28 {
						t.Errorf("a packet of %d bytes", len(p.Data))
					}
				}
			}
			if r := d.Counters().Read; r.Batches != 2 || r.Superpackets != uint64(c.packets) || r.Bytes != uint64(c.packets*(c.size+28)) {
				t.Errorf("counted %+v", r)
			}
		})
	}
}

func TestKernelDropsAreCountedAndTheQueueIsAsLongAsConfigured(t *testing.T) {
	ns := newNamespace(t)
	ns.quiet(t)
	d, q := openSuper(t, ns, Options{QueueLen: 8})
	ns.up(t, "weft0", right4)
	ns.udpSocket(t, right4.Addr()).sendTo(t, 20, 100)
	if batch, err := q.TryRead(); len(batch) != 8 || err != nil {
		t.Errorf("read %d, %v; want 8", len(batch), err)
	}
	ns.do(t, func() error {
		if n, err := d.KernelDrops(); n != 12 || err != nil {
			return fmt.Errorf("the kernel dropped %d, %w; want 12", n, err)
		}
		return nil
	})
}

func TestQueueLengthIsRaisedToTheDefaultOrSetAsConfigured(t *testing.T) {
	ns := newNamespace(t)
	for _, c := range []struct{ configured, want int }{{0, 1000}, {3000, 3000}, {0, 3000}, {50, 50}, {0, 1000}} {
		d, _ := ns.open(t, Options{Name: "weft0", MTU: 1400, QueueLen: c.configured})
		if got := ns.link(t, "weft0").Attrs().TxQLen; got != c.want {
			t.Errorf("configured %d: queue length %d, want %d", c.configured, got, c.want)
		}
		_ = d.Close()
	}
}

func TestDescriptorIsClosedByItsLastUser(t *testing.T) {
	ns := newNamespace(t)
	ns.quiet(t)
	for range 20 {
		d, q := openSuper(t, ns, Options{})
		ns.up(t, "weft0", right4)
		socket := ns.udpSocket(t, right4.Addr())
		var users sync.WaitGroup
		use := func(f func() error) {
			users.Go(func() {
				for {
					err := f()
					if errors.Is(err, os.ErrClosed) {
						return
					}
					if err != nil {
						t.Error(err)
						return
					}
				}
			})
		}
		use(func() error { _, err := q.TryRead(); return err })
		use(func() error { _, err := q.Write([]packet.Superpacket{{Data: testUDP}}); return err })
		socket.sendTo(t, 50, 100)
		_ = d.Close()
		users.Wait()
		if q.guard.state.Load() != guardClosed {
			t.Fatalf("the descriptors are still open: state %#x", q.guard.state.Load())
		}
	}
}

func TestPollingAllocatesNothing(t *testing.T) {
	if raceDetector {
		t.Skip("allocations are not counted under the race detector")
	}
	ns := newNamespace(t)
	_, q := openSuper(t, ns, Options{})
	ns.up(t, "weft0", right4)
	socket := ns.udpSocket(t, right4.Addr())
	if err := unix.Connect(socket.fd, &unix.SockaddrInet4{Port: 9, Addr: left4.Addr().As4()}); err != nil {
		t.Fatal(err)
	}
	batch, payload := discarded(t), make([]byte, 1000)
	if n := testing.AllocsPerRun(50, func() {
		_, _ = unix.Write(socket.fd, payload)
		if in, err := q.TryRead(); len(in) == 0 || err != nil {
			t.Fatalf("read %d, %v", len(in), err)
		}
		if in, err := q.TryRead(); len(in) != 0 || err != nil {
			t.Fatalf("then read %d, %v", len(in), err)
		}
		if n, err := q.Write(batch); n != len(batch) || err != nil {
			t.Fatalf("wrote %d, %v", n, err)
		}
	}); n != 0 {
		t.Errorf("%v allocations, want 0", n)
	}
}

func TestPollingADeletedInterfaceEndsAtOnce(t *testing.T) {
	ns := newNamespace(t)
	_, q := openSuper(t, ns, Options{})
	ns.up(t, "weft0", right4)
	ns.do(t, func() error { return Remove("weft0") })
	if !readable(t, q.Descriptor()) {
		t.Error("who waits for the descriptor is not woken")
	}
	for range 2 {
		if _, err := q.TryRead(); !errors.Is(err, ErrGone) {
			t.Errorf("TryRead: %v", err)
		}
		if n, err := q.Write(packets(3)); n != 0 || !errors.Is(err, ErrGone) {
			t.Errorf("Write: %d, %v", n, err)
		}
	}
}

// TestQueuesKeepFlowsApart sends flows to the peer, and answers one from another queue.
func TestFlowStaysOnItsQueueAndFollowsItsPeer(t *testing.T) {
	ns := newNamespace(t)
	ns.quiet(t)
	d, _ := openSuper(t, ns, Options{Queues: 4})
	ns.up(t, "weft0", right4)
	if len(d.Queues()) != 4 {
		t.Fatalf("%d queues", len(d.Queues()))
	}
	var sockets []*socket
	for range 32 {
		sockets = append(sockets, ns.udpSocket(t, right4.Addr()))
	}
	at := map[uint16]int{}
	used := map[int]bool{}
	for range 5 {
		for _, s := range sockets {
			s.sendTo(t, 1, 100)
			queue := d.queueOf(t, s.port)
			if before, known := at[s.port]; known && before != queue {
				t.Errorf("port %d came from queue %d and then from %d", s.port, before, queue)
			}
			at[s.port], used[queue] = queue, true
		}
	}
	if len(used) < 2 {
		t.Errorf("32 flows use %d queues", len(used))
	}
	s := sockets[0]
	want := (at[s.port] + 1) % 4
	pkt := packettest.UDP{IP: packettest.IP{Src: left4.Addr(), Dst: right4.Addr()}, SrcPort: 9, DstPort: s.port, Payload: []byte("x")}.Build()
	if n, err := d.Queues()[want].Write([]packet.Superpacket{{Data: pkt}}); n != 1 || err != nil {
		t.Fatal(n, err)
	}
	s.sendTo(t, 1, 100)
	if got := d.queueOf(t, s.port); got != want {
		t.Errorf("the flow is on queue %d, want %d, where its peer was last seen", got, want)
	}
}

// queueOf reads one packet, which must come from that port, and returns the queue where it was.
func (d *super) queueOf(t *testing.T, port uint16) (queue int) {
	t.Helper()
	queue = -1
	for i, q := range d.each {
		batch, err := q.TryRead()
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range batch {
			if got := uint16(p.Data[20])<<8 | uint16(p.Data[21]); got != port || queue >= 0 {
				t.Fatalf("a packet from port %d on queue %d", got, i)
			}
			queue = i
		}
	}
	return queue
}

func TestNumberOfQueuesDecidesWhetherTheDeviceIsAdopted(t *testing.T) {
	single, several := Options{Name: "weft0", MTU: 1400}, Options{Name: "weft0", MTU: 1400, Queues: 3}
	more, batch := several, single
	more.Queues, batch.Driver = 4, DriverBatch
	for _, c := range []struct {
		name          string
		first, second Options
		adopted       bool
	}{
		{"one then several", single, several, false},
		{"several then one", several, single, false},
		{"several then driver batch", several, batch, false},
		{"driver batch then several", batch, several, false},
		{"several then more", several, more, true},
		{"more then several", more, several, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			ns := newNamespace(t)
			d, _ := ns.open(t, c.first)
			_ = d.Close()
			index := ns.link(t, "weft0").Attrs().Index
			d, choice := ns.open(t, c.second)
			if after := ns.link(t, "weft0").Attrs().Index; choice.Adopted != c.adopted || (after == index) != c.adopted {
				t.Errorf("index %d, then %d; choice %+v", index, after, choice)
			}
			if len(d.Queues()) != max(1, c.second.Queues) || choice.Degraded {
				t.Errorf("%d queues, choice %+v", len(d.Queues()), choice)
			}
		})
	}
}

func TestDeviceWithSeveralQueuesIsBusyWhileItIsOpen(t *testing.T) {
	ns := newNamespace(t)
	ns.open(t, Options{Name: "weft0", MTU: 1400, Queues: 2})
	index := ns.link(t, "weft0").Attrs().Index
	for _, queues := range []int{1, 2, 3} {
		_, _, err := ns.tryOpen(t, Options{Name: "weft0", MTU: 1300, Queues: queues})
		if !errors.Is(err, ErrBusy) {
			t.Errorf("%d queues: %v, want ErrBusy", queues, err)
		}
	}
	if a := ns.link(t, "weft0").Attrs(); a.Index != index || a.MTU != 1400 {
		t.Errorf("index %d, then %d, MTU %d", index, a.Index, a.MTU)
	}
	ns.do(t, func() error {
		if err := Removable("weft0"); !errors.Is(err, ErrBusy) {
			t.Errorf("Removable: %v", err)
		}
		return Remove("weft0")
	})
}

func TestCloseWakesTheReadersOfAllQueues(t *testing.T) {
	d, _ := openSuper(t, newNamespace(t), Options{Queues: 3})
	got := make(chan error, 3)
	for _, q := range d.Queues() {
		go func() { _, err := q.Read(); got <- err }()
	}
	_ = d.Close()
	for range 3 {
		if err := <-got; !errors.Is(err, os.ErrClosed) {
			t.Errorf("Read: %v", err)
		}
	}
}

func TestReadWaitsForAPacket(t *testing.T) {
	ns := newNamespace(t)
	ns.quiet(t)
	_, q := openSuper(t, ns, Options{})
	ns.up(t, "weft0", right4)
	socket := ns.udpSocket(t, right4.Addr())
	type result struct {
		n   int
		err error
	}
	got := make(chan result, 1)
	go func() {
		batch, err := q.Read()
		got <- result{len(batch), err}
	}()
	for q.guard.state.Load() == 0 { // until it polls, or is about to
		runtime.Gosched()
	}
	socket.sendTo(t, 1, 100)
	if r := <-got; r.n != 1 || r.err != nil {
		t.Errorf("read %d, %v", r.n, r.err)
	}
}
