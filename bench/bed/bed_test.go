package bed

import (
	"context"
	"errors"
	"maps"
	"net"
	"net/netip"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/weftnet/weft/bench/measure"
	"github.com/weftnet/weft/lab"
)

// ownMTU is what each subject leaves of 1500.
var ownMTU = map[string]int{
	"underlay": 1500, "host-gw": 1500, "vxlan": 1450, "weft-plain-clear": 1464, "weft-plain-sealed": 1440,
	"weft-batch-clear": 1464, "weft-batch-sealed": 1440, "weft-super-clear": 1464, "weft-super-sealed": 1440, "wireguard-go": 1420, "wireguard": 1420,
}

func TestEverySubjectCarriesPacketsOfItsMTUAndNoLarger(t *testing.T) {
	for _, s := range All() {
		t.Run(s.Name(), func(t *testing.T) {
			b := testBed(t, Options{}, s)
			if b.Target.MTU != ownMTU[s.Name()] {
				t.Errorf("MTU %d, want %d", b.Target.MTU, ownMTU[s.Name()])
			}
			assertPasses(t, b.Target, b.Target.MTU)
			if err := send(t, b.Target, b.Target.MTU+1); !errors.Is(err, unix.EMSGSIZE) {
				t.Errorf("a packet of %d bytes: %v, want it to be too long", b.Target.MTU+1, err)
			}
			assertAddressing(t, b)
		})
	}
}

// assertAddressing checks that the traffic goes where the package says.
func assertAddressing(t *testing.T, b *Bed) {
	t.Helper()
	want := [2]string{"10.90.1.10", "10.90.2.10"}
	spaces := []string{"a", "b", "a-pod", "b-pod", "switch"}
	if b.Subject == Subject(underlay{}) {
		want = [2]string{"192.0.2.10", "192.0.2.11"}
		spaces = []string{"a", "b", "switch"}
	}
	if got := [2]string{b.Target.FromAddr.String(), b.Target.ToAddr.String()}; got != want {
		t.Errorf("from and to %v, want %v", got, want)
	}
	var got []string
	for _, space := range b.Target.Spaces {
		got = append(got, space.Name())
	}
	if !slices.Equal(got, spaces) {
		t.Errorf("spaces %v, want %v", got, spaces)
	}
}

func TestHostsWithPodsReachEachOtherByTheirOwnOverlayAddresses(t *testing.T) {
	for _, s := range All() {
		t.Run(s.Name(), func(t *testing.T) {
			b := testBed(t, Options{}, s)
			hosts := b.Target.Hosts
			if !hasPods(s) {
				if hosts != (measure.HostPair{}) {
					t.Errorf("%+v, want none", hosts)
				}
				return
			}
			target := b.Target
			target.From, target.To, target.FromAddr, target.ToAddr = hosts.From, hosts.To, hosts.FromAddr, hosts.ToAddr
			if got := [2]string{hosts.FromAddr.String(), hosts.ToAddr.String()}; got != [2]string{"10.90.1.1", "10.90.2.1"} {
				t.Errorf("from and to %v", got)
			}
			assertPasses(t, target, b.Target.MTU)
			assertPasses(t, reversed(target), b.Target.MTU)
		})
	}
}

func TestOverlayMTUIsTheSameForAllWhenAskedFor(t *testing.T) {
	const mtu = 1400
	for _, s := range All() {
		if !hasPods(s) {
			continue
		}
		t.Run(s.Name(), func(t *testing.T) {
			b := testBed(t, Options{OverlayMTU: mtu}, s)
			if b.Target.MTU != mtu {
				t.Errorf("MTU %d, want %d", b.Target.MTU, mtu)
			}
			assertPasses(t, b.Target, mtu)
		})
	}
}

func TestLargestOverlayMTUThatCheckAllowsPasses(t *testing.T) {
	for _, s := range All() {
		for _, underlay := range []int{1500, 9000} {
			t.Run(s.Name(), func(t *testing.T) {
				if !hasPods(s) {
					t.Skip("no pods")
				}
				_, most := overlayMTU(s, underlay)
				b := testBed(t, Options{MTU: underlay, OverlayMTU: most}, s)
				assertPasses(t, b.Target, most)
			})
		}
	}
}

func TestRoutersAreTheProcessesOfBothHosts(t *testing.T) {
	for _, s := range All() {
		t.Run(s.Name(), func(t *testing.T) {
			b := testBed(t, Options{}, s)
			pids := b.Target.Routers()
			if !userspace(s) {
				if len(pids) != 0 || b.Target.Restart != nil {
					t.Errorf("routers %v, restart %t, want none", pids, b.Target.Restart != nil)
				}
				if err := b.Running.Restart(soon(t)); !errors.Is(err, ErrNoRouter) {
					t.Errorf("restart: %v, want ErrNoRouter", err)
				}
				return
			}
			if len(pids) != 2 || pids[0] == pids[1] {
				t.Errorf("routers %v, want two", pids)
			}
			for _, pid := range pids {
				if err := syscall.Kill(pid, 0); err != nil {
					t.Errorf("router %d: %v", pid, err)
				}
			}
		})
	}
}

func TestRestartExchangesTheRouterOfBAndTrafficFlowsAgain(t *testing.T) {
	for _, s := range All() {
		if !userspace(s) {
			continue
		}
		t.Run(s.Name(), func(t *testing.T) {
			b := testBed(t, Options{}, s)
			before := b.Target.Routers()
			if err := b.Target.Restart(soon(t)); err != nil {
				t.Fatal(err)
			}
			after := b.Target.Routers()
			if len(after) != 2 || after[0] != before[0] || after[1] == before[1] {
				t.Errorf("routers %v after %v: want the second exchanged", after, before)
			}
			// From b first: who sends to a WireGuard that was restarted notices only after 15 s (KEEPALIVE + REKEY_TIMEOUT).
			assertPasses(t, reversed(b.Target), b.Target.MTU)
			assertPasses(t, b.Target, b.Target.MTU)
			if err := b.Running.Ended(); err != nil {
				t.Errorf("after a restart: %v", err)
			}
		})
	}
}

func TestRoutersMayBeAskedForDuringARestart(t *testing.T) {
	b := testBed(t, Options{}, wireguardGo{})
	done := make(chan error, 1)
	go func() { done <- b.Target.Restart(soon(t)) }()
	for {
		if err := b.Running.Ended(); err != nil {
			t.Errorf("a router that is being restarted counts as ended: %v", err)
		}
		if n := len(b.Target.Routers()); n != 1 && n != 2 {
			t.Errorf("%d routers during a restart", n)
		}
		select {
		case err := <-done:
			if err != nil {
				t.Error(err)
			}
			return
		default:
		}
	}
}

func TestAnInterruptionWhileABedIsMadeLeavesNothing(t *testing.T) {
	s := interrupting{Subject: weft{driver: "batch", sealed: true}}
	needLab(t, s.Subject)
	_, err := New(s.context(interrupted), Options{Binary: binary(t, s.Subject)}, &s)
	if !errors.Is(err, context.Canceled) {
		t.Errorf("%v, want it to be cancelled", err)
	}
	assertGone(t, s.id, nil)
}

func TestBedsOfAllSubjectsStandBesideEachOther(t *testing.T) {
	var beds []*Bed
	for _, s := range []Subject{vxlan{}, weft{driver: "batch"}, weft{driver: "batch", sealed: true}, wireguardGo{}} {
		beds = append(beds, testBed(t, Options{}, s))
	}
	for _, b := range beds {
		assertPasses(t, b.Target, b.Target.MTU)
	}
}

func TestARouterThatDiedIsNamed(t *testing.T) {
	for _, s := range []Subject{weft{driver: "batch"}, wireguardGo{}} {
		t.Run(s.Name(), func(t *testing.T) {
			b := testBed(t, Options{}, s)
			if err := b.Running.Ended(); err != nil {
				t.Fatalf("while all run: %v", err)
			}
			pid := b.Target.Routers()[0]
			if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
				t.Fatal(err)
			}
			await(t, "the end is seen", func() error {
				if b.Running.Ended() == nil {
					return errors.New("not yet")
				}
				return nil
			})
			if err := b.Running.Ended(); !strings.Contains(err.Error(), "host a") || !strings.Contains(err.Error(), "killed") {
				t.Errorf("%v: want host and reason", err)
			}
			if left := b.Target.Routers(); slices.Contains(left, pid) || len(left) != 1 {
				t.Errorf("routers %v, want that of b alone", left)
			}
		})
	}
}

func TestASubjectThatDoesNotConnectIsAnErrorAndLeavesNothing(t *testing.T) {
	needLab(t, hostGW{})
	var broken unconnected
	ctx, cancel := context.WithTimeout(interrupted, 300*time.Millisecond)
	defer cancel()
	_, err := New(ctx, Options{}, &broken)
	if !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "unconnected") || !strings.Contains(err.Error(), "10.90.2.10") {
		t.Errorf("%v: want the subject and who is not reached", err)
	}
	assertGone(t, broken.id, nil)
}

func TestABedWhoseSubjectPanicsIsRemoved(t *testing.T) {
	needLab(t, hostGW{})
	broken := unconnected{panics: true}
	func() {
		defer func() {
			if recover() == nil {
				t.Error("the panic did not arrive")
			}
		}()
		New(interrupted, Options{}, &broken)
	}()
	assertGone(t, broken.id, nil)
}

func TestMissingExecutableIsSaidBeforeAnythingRuns(t *testing.T) {
	for _, s := range []Subject{weft{driver: "batch"}, wireguardGo{}} {
		needLab(t, s)
		for _, path := range []string{"", "/nonexistent/weft"} {
			_, err := New(interrupted, Options{Binary: path}, s)
			if err == nil || !strings.Contains(err.Error(), "executable") || !strings.Contains(err.Error(), s.Name()) {
				t.Errorf("%s with binary %q: %v, want it to be named", s.Name(), path, err)
			}
		}
	}
}

func TestDetailsSayHowTheSubjectRuns(t *testing.T) {
	want := map[string][]string{
		"vxlan":             {"vni", "port", "device"},
		"weft-batch-clear":  {"version", "driver", "encryption", "path", "endpoint"},
		"weft-super-clear":  {"version", "driver", "encryption", "path", "endpoint", "pods-gso-max-size"},
		"weft-plain-sealed": {"version", "driver", "encryption", "path", "cipher"},
		"wireguard-go":      {"port", "cipher", "keepalive"},
	}
	for name, keys := range want {
		t.Run(name, func(t *testing.T) {
			s, err := ByName(name)
			if err != nil {
				t.Fatal(err)
			}
			b := testBed(t, Options{}, s)
			details, err := b.Running.Details(soon(t))
			if err != nil {
				t.Fatal(err)
			}
			for _, key := range keys {
				if details[key] == "" {
					t.Errorf("no %s in %v", key, slices.Sorted(maps.Keys(details)))
				}
			}
			if name == "weft-batch-clear" && details["cipher"] != "" {
				t.Errorf("cipher %s of what is not sealed", details["cipher"])
			}
		})
	}
}

// userspace reports whether a subject has routers in user space.
func userspace(s Subject) bool {
	switch s.(type) {
	case weft, wireguardGo:
		return true
	}
	return false
}

// assertPasses sends packets of that size until one has come back: the first ones may be lost while a path is new.
func assertPasses(t *testing.T, target measure.Target, size int) {
	t.Helper()
	await(t, "a packet passes", func() error { return send(t, target, size) })
}

// reversed is the way back.
func reversed(t measure.Target) measure.Target {
	t.From, t.To, t.FromAddr, t.ToAddr = t.To, t.From, t.ToAddr, t.FromAddr
	return t
}

const headers = 20 + 8 // IPv4 and UDP

// send sends one packet of that size with DF, and waits a moment for it to come back whole.
func send(t *testing.T, target measure.Target, size int) error {
	t.Helper()
	e, err := listenEcho(target.To, target.ToAddr)
	if err != nil {
		t.Fatal(err)
	}
	defer e.close()
	conn := dial(t, target.From, e.addr)
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(time.Second)); err != nil {
		t.Fatal(err)
	}
	if _, err := conn.Write(make([]byte, size-headers)); err != nil {
		return err
	}
	n, err := conn.Read(make([]byte, 1<<16))
	if err == nil && n != size-headers {
		t.Errorf("%d bytes came back of %d", n, size-headers)
	}
	return err
}

// dial makes a socket that never lets the kernel fragment, and asks no cache for the MTU.
func dial(t *testing.T, from *lab.Namespace, to netip.AddrPort) *net.UDPConn {
	t.Helper()
	var conn *net.UDPConn
	err := from.Do(func() (err error) {
		conn, err = net.DialUDP("udp4", nil, net.UDPAddrFromAddrPort(to))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	raw, err := conn.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	var set error
	err = raw.Control(func(fd uintptr) {
		set = unix.SetsockoptInt(int(fd), unix.IPPROTO_IP, unix.IP_MTU_DISCOVER, unix.IP_PMTUDISC_PROBE)
	})
	if err := errors.Join(err, set); err != nil {
		t.Fatal(err)
	}
	return conn
}
