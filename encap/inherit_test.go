package encap

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/weftnet/weft/inherit"
	"github.com/weftnet/weft/inherit/inherittest"
)

// leave closes a port that is kept, and returns its sockets.
func leave(t testing.TB, u *UDPPort) []*os.File {
	t.Helper()
	if err := u.Keep(); err != nil {
		t.Fatal(err)
	}
	files := inherittest.Pass(t, "udp", u.Descriptors()...)
	u.Close()
	return files
}

func atPort(listen string, port uint16) string { return fmt.Sprintf("%s:%d", listen, port) }

func TestInheritedPortReceivesWhatCameWhileNobodyRead(t *testing.T) {
	for lanes := 1; lanes <= 3; lanes++ {
		for _, listen := range []string{"", "127.0.0.1"} {
			t.Run(fmt.Sprint(lanes, " lanes at ", listen), func(t *testing.T) {
				a := open(t, UDPOptions{Listen: "127.0.0.1:0"})
				o := UDPOptions{Listen: listen + ":0", Lanes: lanes}
				before := open(t, o)
				o.Listen = atPort(listen, before.Port())
				o.Inherited = leave(t, before.UDPPort)
				for lane := range uint8(lanes) {
					a.Send([]Train{single(at("127.0.0.1", before.Port()), laneFrame(lane))})
				}
				after := open(t, o)
				for lane := range lanes {
					if d := after.next(t, lane); int(d.Data[laneByte]) != lane {
						t.Errorf("frame of lane %d at %d", d.Data[laneByte], lane)
					}
				}
				after.nothing(t)
				if after.Port() != before.Port() || len(after.Lanes()) != lanes {
					t.Errorf("port %d with %d lanes", after.Port(), len(after.Lanes()))
				}
			})
		}
	}
}

func TestInheritedLanesSendFromTheSamePorts(t *testing.T) {
	b := open(t, UDPOptions{Listen: "127.0.0.1:0"})
	sources := func(u *UDPPort) (list []netip.AddrPort) {
		for _, lane := range u.Lanes() {
			lane.Send([]Train{single(at("127.0.0.1", b.Port()), []byte("x"))})
			list = append(list, b.next(t, 0).From.Addr)
		}
		return list
	}
	o := UDPOptions{Listen: "127.0.0.1:0", Lanes: 3}
	u := open(t, o)
	o.Listen = atPort("127.0.0.1", u.Port())
	before := sources(u.UDPPort)
	o.Inherited = leave(t, u.UDPPort)
	after := open(t, o)
	if got := sources(after.UDPPort); fmt.Sprint(got) != fmt.Sprint(before) {
		t.Errorf("sent from %v, before from %v", got, before)
	}
	for _, f := range before[1:] { // nobody reads where only is sent from
		b.Send([]Train{single(Endpoint{Addr: f}, laneFrame(0))})
	}
	b.Send([]Train{single(at("127.0.0.1", after.Port()), laneFrame(0))})
	after.next(t, 0)
	after.nothing(t)
}

func TestClosingAKeptPortWakesReceiveAndLeavesTheSocketsOpen(t *testing.T) {
	o := UDPOptions{Listen: "127.0.0.1:0", Lanes: 2}
	u := open(t, o)
	o.Listen = atPort("127.0.0.1", u.Port())
	if err := u.Keep(); err != nil {
		t.Fatal(err)
	}
	o.Inherited = inherittest.Pass(t, "udp", u.Descriptors()...)
	ended := make(chan error, len(u.conns))
	for _, c := range u.conns {
		go func() {
			_, err := c.Receive()
			ended <- err
		}()
	}
	u.Close()
	for range u.conns {
		if err := <-ended; !errors.Is(err, os.ErrClosed) {
			t.Errorf("Receive: %v", err)
		}
	}
	if _, err := ListenUDP(UDPOptions{Listen: o.Listen}); !errors.Is(err, ErrInUse) {
		t.Errorf("a second process beside those who keep the sockets: %v", err)
	}
	open(t, o)
}

func TestKnobsCountForInheritedSocketsToo(t *testing.T) {
	o := UDPOptions{Listen: "127.0.0.1:0"}
	u := open(t, o)
	o = UDPOptions{Listen: atPort("127.0.0.1", u.Port()), GRO: KnobOff, Inherited: leave(t, u.UDPPort)}
	u = open(t, o)
	if on, err := unix.GetsockoptInt(u.in.fd, unix.SOL_UDP, unix.UDP_GRO); err != nil || on != 0 {
		t.Errorf("UDP_GRO is %d, %v", on, err)
	}
}

// here is where the sockets of these tests are.
const here = "127.0.0.1"

// refusedSockets is a port that an earlier process opened at made with so many lanes, what became of its sockets, and why they
// are refused by one at here.
type refusedSockets struct {
	made   string // default: here
	lanes  int
	change func(t *testing.T, files []*os.File) []*os.File // nil: nothing
	reason string
}

// foreignSocket replaces what came by another socket, bound to here.
func foreignSocket(typ int) func(*testing.T, []*os.File) []*os.File {
	return func(t *testing.T, files []*os.File) []*os.File {
		inherit.Close(files)
		fd, err := unix.Socket(unix.AF_INET, typ|unix.SOCK_CLOEXEC, 0)
		if err != nil {
			t.Fatal(err)
		}
		f := os.NewFile(uintptr(fd), "udp.0")
		t.Cleanup(func() { f.Close() })
		if err := unix.Bind(fd, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}); err != nil {
			t.Fatal(err)
		}
		return []*os.File{f}
	}
}

// reordered gives the sockets of these numbers, each of them duplicated.
func reordered(numbers ...int) func(*testing.T, []*os.File) []*os.File {
	return func(t *testing.T, files []*os.File) (out []*os.File) {
		for _, i := range numbers {
			if err := inherit.With(files[i], func(fd int) error {
				out = append(out, inherittest.Pass(t, "udp", fd)...)
				return nil
			}); err != nil {
				t.Fatal(err)
			}
		}
		inherit.Close(files)
		return out
	}
}

func noSocket(t *testing.T, files []*os.File) []*os.File {
	inherit.Close(files)
	return []*os.File{inherittest.Null(t)}
}

func shutDown(_ *testing.T, files []*os.File) []*os.File {
	_ = inherit.With(files[0], func(fd int) error { return unix.Shutdown(fd, unix.SHUT_RDWR) }) // ENOTCONN, but done
	return files
}

func connected(t *testing.T, files []*os.File) []*os.File {
	to := &unix.SockaddrInet4{Port: 9, Addr: [4]byte{127, 0, 0, 1}}
	if err := inherit.With(files[0], func(fd int) error { return unix.Connect(fd, to) }); err != nil {
		t.Fatal(err)
	}
	return files
}

func TestInheritedSocketsAreCheckedAndRefusedWithAReason(t *testing.T) {
	for name, c := range map[string]refusedSockets{
		"too few":            {lanes: 2, change: reordered(0), reason: "1 sockets came, 2 lanes have 3"},
		"too many":           {lanes: 1, change: reordered(0, 0), reason: "2 sockets came, 1 lanes have 1"},
		"one twice":          {lanes: 3, change: reordered(0, 1, 2, 1, 4), reason: "sockets 1 and 3 are the same one"},
		"in the wrong order": {lanes: 2, change: reordered(0, 2, 1), reason: "it is bound to port"},
		"a file":             {lanes: 1, change: noSocket, reason: "not a socket"},
		"TCP":                {lanes: 1, change: foreignSocket(unix.SOCK_STREAM), reason: "its type is"},
		"another port":       {lanes: 1, change: foreignSocket(unix.SOCK_DGRAM), reason: "it is bound to port"},
		"another family":     {lanes: 1, made: "[::1]", reason: "its address family is"},
		"all addresses":      {lanes: 1, made: "0.0.0.0", reason: "it is bound to 0.0.0.0"},
		"another address":    {lanes: 1, made: "127.0.0.2", reason: "it is bound to 127.0.0.2"},
		"shut down":          {lanes: 1, change: shutDown, reason: "it was shut down"},
		"connected":          {lanes: 1, change: connected, reason: "it is connected to 127.0.0.1:9"},
	} {
		t.Run(name, c.check)
	}
}

func (c refusedSockets) check(t *testing.T) {
	made := c.made
	if made == "" {
		made = here
	}
	u := open(t, UDPOptions{Listen: made + ":0", Lanes: c.lanes})
	files := leave(t, u.UDPPort)
	if c.change != nil {
		files = c.change(t, files)
	}
	v, err := ListenUDP(UDPOptions{Listen: atPort(here, u.Port()), Lanes: c.lanes, Inherited: files})
	if !errors.Is(err, inherit.ErrRefused) || !strings.Contains(err.Error(), c.reason) || strings.Contains(err.Error(), "\n") {
		t.Errorf("ListenUDP: %v, want %q", err, c.reason)
	}
	if err == nil {
		v.Close()
	}
	inherittest.Closed(t, files)
}

func TestSocketsOfAnotherNamespaceAreRefused(t *testing.T) {
	h := aloneHost(t)
	there := h.listen(UDPOptions{Listen: "127.0.0.1:0"})
	_, err := ListenUDP(UDPOptions{Listen: atPort("127.0.0.1", there.Port()), Inherited: leave(t, there.UDPPort)})
	if !errors.Is(err, inherit.ErrRefused) || !strings.Contains(err.Error(), "another network namespace") {
		t.Errorf("ListenUDP: %v", err)
	}
}

// listenerFile is a listener's socket as another process gets it.
func listenerFile(t testing.TB, ln net.Listener) *os.File {
	t.Helper()
	f, err := ln.(*net.TCPListener).File()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

func TestConnectionsThatCameWhileNobodyAcceptedAreAccepted(t *testing.T) {
	for _, listen := range []string{"127.0.0.1", ""} {
		before, err := ListenTCP(listen + ":0")
		if err != nil {
			t.Fatal(err)
		}
		port := before.Addr().(*net.TCPAddr).AddrPort().Port()
		f := listenerFile(t, before)
		before.Close()
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		conn, err := new(net.Dialer).DialContext(ctx, "tcp", atPort("127.0.0.1", port))
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		after, err := InheritTCP(atPort(listen, port), f)
		if err != nil {
			t.Fatal(err)
		}
		defer after.Close()
		got, err := after.Accept()
		if err != nil {
			t.Fatal(err)
		}
		got.Close()
	}
}

func TestInheritedListenersAreCheckedAndRefusedWithAReason(t *testing.T) {
	ln, err := ListenTCP("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	port := ln.Addr().(*net.TCPAddr).AddrPort().Port()
	u := open(t, UDPOptions{Listen: "127.0.0.1:0"})
	conn, err := net.Dial("tcp", ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	client, err := conn.(*net.TCPConn).File()
	if err != nil {
		t.Fatal(err)
	}
	for reason, c := range map[string]struct {
		listen string
		file   *os.File
	}{
		"it is bound to port":   {atPort("127.0.0.1", port^1), listenerFile(t, ln)},
		"its address family is": {atPort("[::1]", port), listenerFile(t, ln)},
		"it is bound to 127":    {atPort("127.0.0.2", port), listenerFile(t, ln)},
		"its type is":           {atPort("127.0.0.1", u.Port()), inherittest.Pass(t, "udp", u.Descriptors()...)[0]},
		"it does not listen":    {atPort("127.0.0.1", port), client},
	} {
		if _, err := InheritTCP(c.listen, c.file); !errors.Is(err, inherit.ErrRefused) || !strings.Contains(err.Error(), reason) {
			t.Errorf("InheritTCP: %v, want %q", err, reason)
		}
		inherittest.Closed(t, []*os.File{c.file})
	}
}
