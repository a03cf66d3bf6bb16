package encap

import (
	"bytes"
	"math/rand/v2"
	"testing"

	"golang.org/x/sys/unix"
)

// scattered is a train of random bytes, in pieces that lie apart and end anywhere: as a header and a slice of a
// superpacket for each frame do.
func scattered(to Endpoint, size, length int, seed byte) (t Train, all []byte) {
	all = make([]byte, length)
	random := rand.New(rand.NewChaCha8([32]byte{seed}))
	for i := range all {
		all[i] = byte(random.Uint32())
	}
	t = Train{To: to, Size: size}
	for rest := all; len(rest) > 0; {
		n := min(len(rest), 1+random.IntN(1+size/2))
		t.Bufs = append(t.Bufs, bytes.Clone(rest[:n]))
		rest = rest[n:]
	}
	return t, all
}

// collect receives until n bytes have come, and returns the datagrams.
func collect(t testing.TB, u opened, n int) (all []byte, datagrams []Datagram) {
	t.Helper()
	for len(all) < n {
		batch, err := u.Receive()
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range batch {
			all = append(all, d.Data...)
			d.Data = bytes.Clone(d.Data)
			datagrams = append(datagrams, d)
		}
	}
	return all, datagrams
}

// paths are the ways that trains of the kernel tests take: each a port, another, and the address at which it reaches it.
func paths(t *testing.T, o UDPOptions, f func(t *testing.T, a, b opened, addr string)) {
	o.Listen = ":0"
	alone := aloneHost(t)
	left, right := twoHosts(t, 1500)
	for _, p := range []struct {
		name, addr string
		a, b       *host
	}{
		{"loopback IPv4", "192.0.2.1", alone, alone}, {"loopback IPv6", "fd00::1", alone, alone},
		{"veth IPv4", "192.0.2.2", left, right}, {"veth IPv6", "fd00::2", left, right},
	} {
		t.Run(p.name, func(t *testing.T) { f(t, p.a.listen(o), p.b.listen(o), p.addr) })
	}
}

func TestTrainsArriveWholeOverTheKernel(t *testing.T) {
	paths(t, UDPOptions{}, func(t *testing.T, a, b opened, addr string) {
		for _, c := range []struct{ size, length int }{
			{1400, 1400 * 2}, {1400, 1400*46 + 100}, {2, 3}, {7, 100}, {100, 128 * 100}, {1452, 1452 * 45}, {1400, 200_000},
		} {
			train, want := scattered(at(addr, b.Port()), c.size, c.length, byte(c.size))
			r := a.Send([]Train{train})
			frames := (c.length + c.size - 1) / c.size
			if r.Sent != frames || r.Calls != 1 || r.Messages != 1+(c.length-1)/65473 || r.Resent != 0 || r.Err != nil {
				t.Errorf("%+v: %+v", c, r)
			}
			got, datagrams := collect(t, b, c.length)
			if !bytes.Equal(got, want) {
				t.Errorf("%+v: other bytes arrived", c)
			}
			for _, d := range datagrams {
				if d.Size != c.size || len(datagrams) != r.Messages {
					t.Errorf("%+v: %d datagrams, one of %d bytes in frames of %d", c, len(datagrams), len(d.Data), d.Size)
				}
			}
		}
	})
}

func TestTrainsArriveAsFramesWhereTheReceiverJoinsNone(t *testing.T) {
	left, right := twoHosts(t, 1500)
	a, b := left.listen(UDPOptions{Listen: ":0", GSO: KnobOn}), right.listen(UDPOptions{Listen: ":0", GRO: KnobOff})
	train, want := scattered(at("192.0.2.2", b.Port()), 1400, 20*1400+5, 1)
	if r := a.Send([]Train{train}); r.Messages != 1 || r.Sent != 21 {
		t.Errorf("%+v", r)
	}
	got, datagrams := collect(t, b, len(want))
	if !bytes.Equal(got, want) || len(datagrams) != 21 || datagrams[0].Size != 0 {
		t.Errorf("%d datagrams, of %d", len(datagrams), datagrams[0].Size)
	}
}

func TestFramesGoOneByOneWithTheKnobOff(t *testing.T) {
	left, right := twoHosts(t, 1500)
	a, b := left.listen(UDPOptions{Listen: ":0", GSO: KnobOff}), right.listen(UDPOptions{Listen: ":0"})
	train, want := scattered(at("192.0.2.2", b.Port()), 1400, 100*1400, 1)
	if r := a.Send([]Train{train}); r.Messages != 100 || r.Sent != 100 || r.Calls != 2 {
		t.Errorf("%+v", r)
	}
	if got, _ := collect(t, b, len(want)); !bytes.Equal(got, want) {
		t.Error("other bytes arrived")
	}
}

func TestTrainOverTheRoutesMTUIsTooBigAndNotARefusal(t *testing.T) {
	left, right := twoHosts(t, 1400)
	a, b := left.listen(UDPOptions{Listen: ":0"}), right.listen(UDPOptions{Listen: ":0"})
	for addr, most := range map[string]int{"192.0.2.2": 1400 - 28, "fd00::2": 1400 - 48} {
		to := at(addr, b.Port())
		over, _ := scattered(to, most+1, 30*(most+1)+100, 1)
		fits, want := scattered(to, most, 30*most, 2)
		r := a.Send([]Train{over, fits})
		if r.TooBig != 30 || r.Sent != 31 || r.Resent != 1 || r.Err == nil {
			t.Errorf("to %s: %+v", addr, r)
		}
		if a.UDPConn.gso.refuses(to.Addr) {
			t.Errorf("to %s: trains are taken for refused", addr)
		}
		if got, _ := collect(t, b, len(want)+100); !bytes.Equal(got[100:], want) {
			t.Errorf("to %s: other bytes arrived", addr)
		}
	}
}

func TestTwoPeersInOneSend(t *testing.T) {
	left, right := twoHosts(t, 1500)
	o := UDPOptions{Listen: ":0"}
	a, b, c := left.listen(o), right.listen(o), right.listen(o)
	toB, wantB := scattered(at("192.0.2.2", b.Port()), 1400, 40*1400, 1)
	toC, wantC := scattered(at("fd00::2", c.Port()), 900, 50*900+1, 2)
	if r := a.Send([]Train{toB, toC}); r.Sent != 91 || r.Calls != 1 || r.Messages != 2 {
		t.Errorf("%+v", r)
	}
	gotB, _ := collect(t, b, len(wantB))
	gotC, _ := collect(t, c, len(wantC))
	if !bytes.Equal(gotB, wantB) || !bytes.Equal(gotC, wantC) {
		t.Error("other bytes arrived")
	}
}

func TestTrainsOfAnotherECNAreNotJoined(t *testing.T) {
	paths(t, UDPOptions{}, func(t *testing.T, a, b opened, addr string) {
		var trains []Train
		for ecn := range uint8(4) {
			train, _ := scattered(at(addr, b.Port()), 100, 1000, ecn)
			train.ECN = ecn
			trains = append(trains, train)
		}
		if r := a.Send(trains); r.Messages != 4 {
			t.Errorf("%+v", r)
		}
		_, datagrams := collect(t, b, 4000)
		for i, d := range datagrams {
			if int(d.ECN) != i || d.Size != 100 || len(d.Data) != 1000 {
				t.Errorf("datagram %d: ECN %d, %d bytes in frames of %d", i, d.ECN, len(d.Data), d.Size)
			}
		}
	})
}

func TestPaddingNeverReachesTheReader(t *testing.T) {
	for _, gro := range []Knob{KnobOn, KnobOff} {
		paths(t, UDPOptions{GRO: gro}, func(t *testing.T, a, b opened, addr string) {
			a.UDPConn.gso.padded = true
			train, want := scattered(at(addr, b.Port()), 1000, 10_000, 1)
			a.Send([]Train{train, single(at(addr, b.Port()), []byte("end"))})
			got, datagrams := collect(t, b, len(want)+len("end"))
			if !bytes.Equal(got, append(want, "end"...)) {
				t.Errorf("%d bytes in %d datagrams arrived", len(got), len(datagrams))
			}
		})
	}
}

func TestEveryFrameSizeUpToTheMTUArrives(t *testing.T) {
	paths(t, UDPOptions{}, func(t *testing.T, a, b opened, addr string) {
		for size := 8; size <= 1452; size += 17 {
			train, want := scattered(at(addr, b.Port()), size, 3*size+size/2, byte(size))
			if r := a.Send([]Train{train}); r.Sent != 4 || r.Messages != 1 {
				t.Fatalf("%d bytes: %+v", size, r)
			}
			if got, _ := collect(t, b, len(want)); !bytes.Equal(got, want) {
				t.Fatalf("%d bytes: others arrived", size)
			}
		}
	})
}

func TestRefusedTrainsOfTheRealKernelGoFrameByFrame(t *testing.T) {
	left, right := twoHosts(t, 1500)
	a, b := left.listen(UDPOptions{Listen: ":0"}), right.listen(UDPOptions{Listen: ":0"})
	// Without checksums the kernel refuses trains with EINVAL (udp_send_skb), and takes single datagrams.
	if err := unix.SetsockoptInt(a.in.fd, unix.SOL_SOCKET, unix.SO_NO_CHECK, 1); err != nil {
		t.Fatal(err)
	}
	to := at("192.0.2.2", b.Port())
	for i, want := range []string{"first", "second"} {
		train, all := scattered(to, 1000, 20_000, byte(i))
		r := a.Send([]Train{train})
		if resent := 20 * (1 - i); r.Sent != 20 || r.Resent != resent || r.Err != nil {
			t.Errorf("%s: %+v", want, r)
		}
		if got, _ := collect(t, b, len(all)); !bytes.Equal(got, all) {
			t.Errorf("%s: other bytes arrived", want)
		}
	}
	if err := unix.SetsockoptInt(a.in.fd, unix.SOL_SOCKET, unix.SO_NO_CHECK, 0); err != nil {
		t.Fatal(err)
	}
	a.Renew()
	train, _ := scattered(to, 1000, 20_000, 9)
	if r := a.Send([]Train{train}); r.Messages != 1 || r.Resent != 0 {
		t.Errorf("after Renew: %+v", r)
	}
}
