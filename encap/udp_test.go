package encap

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
	"pgregory.net/rapid"
)

// opened is a port and its first lane.
type opened struct {
	*UDPPort
	*UDPConn
}

func listen(t testing.TB, at string) opened {
	t.Helper()
	return open(t, UDPOptions{Listen: at})
}

func open(t testing.TB, o UDPOptions) opened {
	t.Helper()
	u, err := ListenUDP(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { u.Close() })
	return opened{u, u.conns[0]}
}

// listen6 is a port for both families; it skips the test where there is no IPv6.
func listen6(t testing.TB) opened {
	t.Helper()
	u := listen(t, ":0")
	if !u.is6 {
		t.Skip("this kernel has no IPv6")
	}
	return u
}

// at is an endpoint on this machine.
func at(addr string, port uint16) Endpoint {
	return Endpoint{Addr: netip.AddrPortFrom(netip.MustParseAddr(addr), port)}
}

func single(to Endpoint, frame []byte) Train { return Train{To: to, Bufs: [][]byte{frame}} }

// framesOf cuts a datagram into its frames.
func framesOf(d Datagram) (frames [][]byte) {
	if d.Size == 0 {
		return [][]byte{d.Data}
	}
	for rest := d.Data; len(rest) > 0; rest = rest[min(d.Size, len(rest)):] {
		frames = append(frames, rest[:min(d.Size, len(rest))])
	}
	return frames
}

// gather receives until n frames have come, and returns copies.
func gather(t testing.TB, u opened, n int) (frames [][]byte, from []Endpoint) {
	t.Helper()
	stop := time.AfterFunc(10*time.Second, func() { u.Close() })
	defer stop.Stop()
	for len(frames) < n {
		batch, err := u.Receive()
		if err != nil {
			t.Fatalf("%d of %d frames came: %v", len(frames), n, err)
		}
		for _, d := range batch {
			for _, f := range framesOf(d) {
				frames = append(frames, bytes.Clone(f))
				from = append(from, d.From)
			}
		}
	}
	return frames, from
}

func TestPortCarriesBothFamilies(t *testing.T) {
	a, b := listen6(t), listen6(t)
	for _, addr := range []string{"127.0.0.1", "::1"} {
		r := a.Send([]Train{single(at(addr, b.Port()), []byte("to "+addr))})
		if r.Sent != 1 || r.Err != nil {
			t.Fatalf("send: %+v", r)
		}
		frames, from := gather(t, b, 1)
		want := Endpoint{Addr: netip.AddrPortFrom(netip.MustParseAddr(addr), a.Port()), Local: netip.MustParseAddr(addr)}
		if string(frames[0]) != "to "+addr || from[0] != want {
			t.Errorf("%q from %+v, want %+v", frames[0], from[0], want)
		}
	}
}

func TestAnswerLeavesFromTheAddressAddressed(t *testing.T) {
	server, client := listen6(t), listen6(t)
	client.Send([]Train{single(at("127.0.0.2", server.Port()), []byte("question"))})
	_, from := gather(t, server, 1)
	if from[0].Local != netip.MustParseAddr("127.0.0.2") {
		t.Fatalf("addressed %s", from[0].Local)
	}
	server.Send([]Train{single(from[0], []byte("answer"))})
	_, from = gather(t, client, 1)
	if from[0].Addr != netip.MustParseAddrPort(fmt.Sprintf("127.0.0.2:%d", server.Port())) {
		t.Errorf("answer from %s", from[0].Addr)
	}
}

func TestIPv4PortAnswersFromTheAddressAddressed(t *testing.T) {
	server, client := listen(t, "0.0.0.0:0"), listen(t, "127.0.0.1:0")
	if server.is6 {
		t.Fatal("a port on 0.0.0.0 is for IPv4")
	}
	client.Send([]Train{single(at("127.0.0.3", server.Port()), []byte("question"))})
	_, from := gather(t, server, 1)
	server.Send([]Train{single(from[0], []byte("answer"))})
	_, from = gather(t, client, 1)
	if from[0].Addr.Addr() != netip.MustParseAddr("127.0.0.3") {
		t.Errorf("answer from %s", from[0].Addr)
	}
}

func TestLostSourceAddressDoesNotStopSending(t *testing.T) {
	a, b := listen6(t), listen6(t)
	to4, to6 := at("127.0.0.1", b.Port()), at("::1", b.Port())
	to4.Local, to6.Local = netip.MustParseAddr("198.51.100.7"), netip.MustParseAddr("2001:db8::7") // not ours
	train := Train{To: to4, Bufs: [][]byte{[]byte("onetwothr")}, Size: 3, ECN: 1}
	r := a.Send([]Train{train, single(to6, []byte("six")), single(at("127.0.0.1", b.Port()), []byte("end"))})
	if r.Sent != 5 || r.Err != nil {
		t.Fatalf("send: %+v", r)
	}
	gather(t, b, 5)
}

func TestECNAndDSCPArrive(t *testing.T) {
	a, b := listen6(t), listen6(t)
	for _, addr := range []string{"127.0.0.1", "::1"} {
		for ecn := range uint8(4) {
			a.Send([]Train{{To: at(addr, b.Port()), Bufs: [][]byte{{1}}, ECN: ecn, DSCP: 48}})
			batch, err := b.Receive()
			if err != nil || batch[0].ECN != ecn || batch[0].DSCP != 48 {
				t.Errorf("%s: sent %d, got %d and DSCP %d, %v", addr, ecn, batch[0].ECN, batch[0].DSCP, err)
			}
		}
	}
}

func TestTrainsAreCutIntoFramesHoweverTheyAreGathered(t *testing.T) {
	a, b := listen(t, "127.0.0.1:0"), listen(t, "127.0.0.1:0")
	rapid.Check(t, func(rt *rapid.T) {
		var trains []Train
		var want [][]byte
		for range rapid.IntRange(1, 5).Draw(rt, "trains") {
			train, frames := drawTrain(rt, at("127.0.0.1", b.Port()), 60)
			trains, want = append(trains, train), append(want, frames...)
		}
		if r := a.Send(trains); r.Sent != len(want) || r.Err != nil {
			rt.Fatalf("%d frames: %+v", len(want), r)
		}
		got, _ := gather(t, b, len(want))
		for i := range want {
			if !bytes.Equal(got[i], want[i]) {
				rt.Fatalf("frame %d is %x, want %x", i, got[i], want[i])
			}
		}
	})
}

// drawTrain makes a train of frames of one size but the last, cut into buffers anywhere.
func drawTrain(rt *rapid.T, to Endpoint, maxSize int) (Train, [][]byte) {
	size := rapid.IntRange(2, maxSize).Draw(rt, "size")
	all := make([]byte, rapid.IntRange(1, 150*size).Draw(rt, "length"))
	rand.NewChaCha8([32]byte{rapid.Byte().Draw(rt, "seed")}).Read(all)
	all[len(all)-1] |= 0x80 // a last frame of one byte is not to be padding
	train := Train{To: to, Size: size}
	for rest := all; len(rest) > 0; {
		n := rapid.IntRange(0, len(rest)).Draw(rt, "piece")
		piece := rest[:n]
		if rapid.Bool().Draw(rt, "apart") { // else it lies right behind the one before
			piece = bytes.Clone(piece)
		}
		train.Bufs = append(train.Bufs, piece)
		rest = rest[n:]
		if len(train.Bufs) > 8 {
			train.Bufs, rest = append(train.Bufs, rest), nil
		}
	}
	var frames [][]byte
	for rest := all; len(rest) > 0; rest = rest[min(size, len(rest)):] {
		frames = append(frames, rest[:min(size, len(rest))])
	}
	return train, frames
}

func TestFrameInTooManyBuffersIsCountedAndTheOthersGo(t *testing.T) {
	a, b := listen(t, "127.0.0.1:0"), listen(t, "127.0.0.1:0")
	to := at("127.0.0.1", b.Port())
	crumbs := Train{To: to, Size: 2 * maxPieces}
	memory := make([]byte, 2*(2*maxPieces+3)) // every other byte: what lies side by side is one piece
	for i := range 2*maxPieces + 3 {          // one frame in twice as many pieces as may be, one in three
		crumbs.Bufs = append(crumbs.Bufs, memory[2*i:2*i+1])
	}
	if r := a.Send([]Train{crumbs, single(to, []byte{2})}); r.Sent != 2 || r.Failed != 1 || r.Err == nil {
		t.Fatalf("send: %+v", r)
	}
	frames, _ := gather(t, b, 2)
	if len(frames[0]) != 3 {
		t.Errorf("frame of %d bytes", len(frames[0]))
	}
}

func TestLongestAndEmptyDatagramsArriveWhole(t *testing.T) {
	a, b := listen(t, "127.0.0.1:0"), listen(t, "127.0.0.1:0")
	long := bytes.Repeat([]byte("x"), 65507)
	if r := a.Send([]Train{single(at("127.0.0.1", b.Port()), long)}); r.Sent != 1 {
		t.Fatalf("send: %+v", r)
	}
	raw, err := net.DialUDP("udp4", nil, net.UDPAddrFromAddrPort(at("127.0.0.1", b.Port()).Addr))
	if err != nil {
		t.Fatal(err)
	}
	defer raw.Close()
	raw.Write(nil)
	frames, _ := gather(t, b, 2)
	if !bytes.Equal(frames[0], long) || len(frames[1]) != 0 {
		t.Errorf("%d and %d bytes arrived", len(frames[0]), len(frames[1]))
	}
}

func TestOtherFamilyIsUnreachableOnAnIPv4Port(t *testing.T) {
	a, b := listen(t, "127.0.0.1:0"), listen(t, "127.0.0.1:0")
	r := a.Send([]Train{single(at("::1", b.Port()), []byte("six")), single(at("127.0.0.1", b.Port()), []byte("four"))})
	if r.Sent != 1 || r.Unreachable != 1 || !errors.Is(r.Err, unix.EAFNOSUPPORT) {
		t.Errorf("send: %+v", r)
	}
	gather(t, b, 1)
}

func TestCloseWakesReceiveAndEndsSend(t *testing.T) {
	u := listen(t, "127.0.0.1:0")
	port := u.Port()
	done := make(chan error)
	go func() {
		_, err := u.Receive()
		done <- err
	}()
	u.Close()
	if err := <-done; !errors.Is(err, os.ErrClosed) {
		t.Errorf("Receive: %v", err)
	}
	if r := u.Send([]Train{single(at("127.0.0.1", port), []byte("x"))}); r.Failed != 1 || !errors.Is(r.Err, os.ErrClosed) {
		t.Errorf("Send: %+v", r)
	}
	if err := u.Close(); err != nil {
		t.Errorf("second Close: %v", err)
	}
}

func TestPortInUseIsNamed(t *testing.T) {
	u := listen(t, "127.0.0.1:0")
	_, err := ListenUDP(UDPOptions{Listen: fmt.Sprintf("127.0.0.1:%d", u.Port())})
	if !errors.Is(err, ErrInUse) || !strings.Contains(err.Error(), fmt.Sprint(u.Port())) {
		t.Errorf("UDP: %v", err)
	}
	ln, err := ListenTCP("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	if _, err := ListenTCP(ln.Addr().String()); !errors.Is(err, ErrInUse) {
		t.Errorf("TCP: %v", err)
	}
}

func TestListenRefusesWhatIsNoAddress(t *testing.T) {
	for _, text := range []string{"", "9338", "host:9338", "1.2.3.4", ":70000"} {
		if _, err := ListenUDP(UDPOptions{Listen: text}); err == nil || strings.Contains(err.Error(), "\n") {
			t.Errorf("%q: %v", text, err)
		}
	}
}

func TestPortSaysWhatTheKernelGave(t *testing.T) {
	u := listen6(t)
	if rcv, snd := u.Buffers(); rcv < 64<<10 || snd < 64<<10 {
		t.Errorf("buffers %d, %d", rcv, snd)
	}
	states := map[string]FeatureState{}
	for _, f := range u.Features() {
		states[f.Name] = f.State
		if (f.State == FeatureOn) != (f.Reason == "") {
			t.Errorf("%+v: a reason belongs to what is not on", f)
		}
	}
	for _, name := range []string{"pmtu-probe", "reply-source", "ecn", "overflow-count", "ipv6"} {
		if states[name] != FeatureOn {
			t.Errorf("%s is %q", name, states[name])
		}
	}
}

func TestDatagramsThatFindTheBufferFullAreCounted(t *testing.T) {
	a, b := open(t, UDPOptions{Listen: ":0", GSO: KnobOff}), listen6(t)
	if err := unix.SetsockoptInt(b.in.fd, unix.SOL_SOCKET, unix.SO_RCVBUF, 16<<10); err != nil {
		t.Fatal(err)
	}
	const frames = 200
	to := at("127.0.0.1", b.Port())
	if r := a.Send([]Train{{To: to, Bufs: [][]byte{make([]byte, frames*1000)}, Size: 1000}}); r.Sent != frames {
		t.Fatalf("send: %+v", r)
	}
	came, _ := gather(t, b, 1)                 // makes room
	a.Send([]Train{single(to, []byte("end"))}) // and this one tells the count
	for string(came[len(came)-1]) != "end" {
		more, _ := gather(t, b, 1)
		came = append(came, more...)
	}
	if got := b.Overflow(); got == 0 || got != uint64(frames+1-len(came)) {
		t.Errorf("%d of %d came, and %d are counted as dropped", len(came), frames+1, got)
	}
}

func TestSteadyStateAllocatesNothing(t *testing.T) {
	for _, refused := range []bool{false, true} {
		a, b := listen6(t), listen6(t)
		frame := make([]byte, 1400)
		local := netip.MustParseAddr("127.0.0.1")
		from := Endpoint{Addr: netip.AddrPortFrom(local, b.Port()), Local: local}
		if refused {
			a.UDPConn.gso.refuse(from.Addr)
		}
		trains := []Train{
			{To: from, Bufs: [][]byte{frame}, Size: 100, ECN: 2},
			single(at("::1", b.Port()), frame[:100]),
		}
		allocs := testing.AllocsPerRun(200, func() {
			if r := a.Send(trains); r.Sent != 15 || r.Messages == 15 != refused {
				t.Fatalf("send: %+v", r)
			}
			for n := 0; n < 1500; {
				batch, err := b.Receive()
				if err != nil {
					t.Fatal(err)
				}
				for _, d := range batch {
					n += len(d.Data)
				}
			}
		})
		if allocs != 0 {
			t.Errorf("trains refused: %v; %v allocations for 15 frames", refused, allocs)
		}
	}
}

func TestWaitingAllocatesNothing(t *testing.T) {
	u := listen(t, "127.0.0.1:0")
	allocs := testing.AllocsPerRun(100, func() {
		batch, err := u.TryReceive()
		if err = errors.Join(err, u.in.wait(unix.POLLIN, time.Microsecond)); len(batch) > 0 || err != nil {
			t.Fatal(err)
		}
	})
	if allocs != 0 {
		t.Errorf("%v allocations", allocs)
	}
}
