package firewall

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// segment is the segment size, without options, that a server at addr in to may use for a connection from from.
func (s *site) segment(to, from runner, addr netip.Addr) (size int) {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.t.Context(), patience)
	defer cancel()
	var listener net.Listener
	in := func(where runner, fn func() error) {
		s.t.Helper()
		if err := where.Do(fn); err != nil {
			s.t.Fatal(err)
		}
	}
	in(to, func() (err error) {
		listener, err = new(net.ListenConfig).Listen(ctx, "tcp", netip.AddrPortFrom(addr, 0).String())
		return err
	})
	defer listener.Close()
	in(from, func() error {
		conn, err := new(net.Dialer).DialContext(ctx, "tcp", listener.Addr().String())
		if err == nil {
			s.t.Cleanup(func() { conn.Close() })
		}
		return err
	})
	conn, err := listener.Accept()
	if err != nil {
		s.t.Fatal(err)
	}
	defer conn.Close()
	return sendSegment(s.t, conn.(*net.TCPConn))
}

// sendSegment is what the kernel puts in a segment of a connection, with the timestamps that take 12 bytes of each.
func sendSegment(t *testing.T, conn *net.TCPConn) (size int) {
	t.Helper()
	raw, err := conn.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	_ = raw.Control(func(fd uintptr) {
		var info *unix.TCPInfo
		if info, err = unix.GetsockoptTCPInfo(int(fd), unix.SOL_TCP, unix.TCP_INFO); err == nil {
			size = int(info.Snd_mss) + 12
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	return size
}

func TestForwardedConnectionsAreToldTheSegmentSizeOfTheRoute(t *testing.T) {
	s := newSite(t)
	for i, way := range []string{"-4", "-6"} {
		s.run(s.vm, fmt.Sprintf("ip %s route replace %s dev weft0 mtu 1300", way, peerAddrs[i]))
	}
	for _, c := range []struct {
		clamp Clamp
		want  []int // by family: MTU less IP and TCP header
	}{{ClampOff, []int{1500 - 40, 1500 - 60}}, {ClampOn, []int{1300 - 40, 1300 - 60}}, {ClampAuto, []int{1300 - 40, 1300 - 60}}} {
		want := wanted()
		want.Clamp = c.clamp
		s.set(want)
		families(t, func(t *testing.T, i int) {
			if got := s.segment(s.peer, s.pod, peerAddrs[i]); got != c.want[i] {
				t.Errorf("with clamp %d the peer may send segments of %d bytes, want %d", c.clamp, got, c.want[i])
			}
		})
	}
}

func TestAKernelThatCannotClampIsNamedOnlyWhereItMust(t *testing.T) {
	s := newSite(t)
	s.rules.clamp = clampProbe{probed: true, err: ErrNoClamp}
	want := wanted()
	want.Clamp = ClampAuto
	s.set(want)
	if got := s.ruleset(); strings.Contains(got, "maxseg") || !strings.Contains(got, "masquerade") {
		t.Errorf("ruleset:\n%s", got)
	}
	want.Clamp = ClampOn
	s.do(func() error {
		if _, err := s.rules.Set(want); !errors.Is(err, ErrNoClamp) {
			t.Errorf("err = %v", err)
		}
		return nil
	})
	if got := s.ruleset(); !strings.Contains(got, "masquerade") {
		t.Errorf("without the clamp the other rules are missing, too:\n%s", got)
	}
}
