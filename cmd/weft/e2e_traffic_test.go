package main

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/netip"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/weftnet/weft/lab"
	"github.com/weftnet/weft/lab/cluster"
	"github.com/weftnet/weft/node/api"
)

// Every combination of driver and encryption carries every size from 1 byte to the MTU, and TCP, over both families.
func TestPodsReachEachOtherAtEverySizeUpToTheMTU(t *testing.T) {
	for _, driver := range []string{"plain", "batch"} {
		for _, encryption := range []string{"on", "off"} {
			t.Run(driver+", encryption "+encryption, func(t *testing.T) {
				c := newCluster(t, 3, "--driver", driver, "--encryption", encryption)
				startAll(t, c)
				if got := status(t, c.Nodes[0]).Node.Device.Driver; got != driver {
					t.Fatalf("driver %s, want %s", got, driver)
				}
				if got := status(t, c.Nodes[0]).Peers[0].Sealed; got != (encryption == "on") {
					t.Fatalf("sealed: %v with encryption %s", got, encryption)
				}
				all := pods(t, c)
				pingAll(t, all)
				mtu := status(t, c.Nodes[0]).Node.Device.MTU
				there := sweep(t, c, all[0], all[1], all[1].Addr4(), mtu)
				back := sweep(t, c, all[2], all[0], all[0].Addr6(), mtu)
				checkStream(t, all[0], all[2], all[2].Addr4(), 8<<20)
				checkStream(t, all[1], all[0], all[0].Addr6(), 8<<20)
				for _, n := range c.Nodes {
					for _, reason := range []string{"auth-failed", "spoofed-source", "too-big", "malformed", "device-refused"} {
						if count := status(t, n).Node.Drops[reason]; count != 0 && (reason != "too-big" || there && back) {
							t.Errorf("%s dropped %d packets as %s, want 0", n.Name(), count, reason)
						}
					}
				}
			})
		}
	}
}

// sweep sends a UDP datagram of every size with DF and expects it back unchanged; one byte above the MTU is refused. A machine that has no
// time for the daemons may have them relay for a moment, which leaves less room: then the size is tried again by the straight path, and
// smooth is false.
func sweep(t *testing.T, c *cluster.Cluster, from, to *lab.Pod, addr netip.Addr, mtu int) (smooth bool) {
	t.Helper()
	echo := listenUDP(t, to, addr)
	go echoUDP(echo)
	conn := dialUDP(t, from, echo.LocalAddr().String())
	headers := 28
	if addr.Is6() {
		headers = 48
	}
	buf, again := make([]byte, mtu), 0
	for size := 1; size <= mtu-headers; size++ {
		err := exchange(conn, pattern(size), buf)
		for ; err != nil && again < attempts; again++ {
			t.Logf("%s to %s, UDP payload of %d bytes: %v; once more by the straight path", from.Name(), addr, size, err)
			awaitStraight(t, c, from, to)
			err = exchange(conn, pattern(size), buf)
		}
		if err != nil {
			t.Fatalf("%s to %s, UDP payload of %d bytes: %v", from.Name(), addr, size, err)
		}
	}
	if _, err := conn.Write(pattern(mtu - headers + 1)); !errors.Is(err, unix.EMSGSIZE) {
		t.Errorf("%s to %s, one byte above the MTU: %v, want EMSGSIZE", from.Name(), addr, err)
	}
	return again == 0
}

// awaitStraight waits until no node is reached by a relay, and lets the pods forget what a relayed path had room for.
func awaitStraight(t *testing.T, c *cluster.Cluster, list ...*lab.Pod) {
	t.Helper()
	for _, n := range c.Nodes {
		await(t, func() (bool, string) {
			list := status(t, n).Peers
			return !slices.ContainsFunc(list, func(p api.Peer) bool { return p.State != api.StateUp || p.Path != api.PathUDP }), fmt.Sprintf("%s: %+v", n.Name(), list)
		})
	}
	for _, p := range list {
		if out, err := p.Run(within(t, patience), "sh", "-ec", "ip route flush cache; ip -6 route flush cache"); err != nil {
			t.Fatalf("%s: %v", out, err)
		}
	}
}

// exchange sends want until it comes back (UDP may lose it), at most ten times.
func exchange(conn net.Conn, want, buf []byte) error {
	for range 10 {
		if _, err := conn.Write(want); err != nil {
			return err
		}
		if err := conn.SetReadDeadline(time.Now().Add(time.Second)); err != nil {
			return err
		}
		n, err := conn.Read(buf)
		if err != nil {
			continue
		}
		if !bytes.Equal(buf[:n], want) {
			return fmt.Errorf("%d bytes came back changed", n)
		}
		return nil
	}
	return errors.New("no answer to ten tries")
}

func pattern(size int) []byte {
	p := make([]byte, size)
	var seed [32]byte
	binary.LittleEndian.PutUint64(seed[:], uint64(size))
	_, _ = rand.NewChaCha8(seed).Read(p) // never fails
	return p
}

func listenUDP(t *testing.T, in *lab.Pod, addr netip.Addr) *net.UDPConn {
	t.Helper()
	var conn *net.UDPConn
	err := in.Do(func() (err error) {
		conn, err = net.ListenUDP("udp", net.UDPAddrFromAddrPort(netip.AddrPortFrom(addr, 0)))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return conn
}

func echoUDP(conn *net.UDPConn) {
	buf := make([]byte, 65536)
	for {
		n, from, err := conn.ReadFromUDPAddrPort(buf)
		if err != nil {
			return
		}
		_, _ = conn.WriteToUDPAddrPort(buf[:n], from) // the sender tries again
	}
}

// dialUDP opens a socket that never fragments.
func dialUDP(t *testing.T, in *lab.Pod, to string) net.Conn {
	t.Helper()
	var conn net.Conn
	err := in.Do(func() (err error) {
		d := net.Dialer{Control: func(network, _ string, raw syscall.RawConn) error { return neverFragment(network, raw) }}
		conn, err = d.Dial("udp", to)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return conn
}

func neverFragment(network string, raw syscall.RawConn) error {
	var err error
	controlErr := raw.Control(func(fd uintptr) {
		if network == "udp6" {
			err = unix.SetsockoptInt(int(fd), unix.IPPROTO_IPV6, unix.IPV6_MTU_DISCOVER, unix.IPV6_PMTUDISC_DO)
			return
		}
		err = unix.SetsockoptInt(int(fd), unix.IPPROTO_IP, unix.IP_MTU_DISCOVER, unix.IP_PMTUDISC_DO)
	})
	return errors.Join(controlErr, err)
}

// checkStream sends size bytes over TCP and compares them at the other end.
func checkStream(t *testing.T, from, to *lab.Pod, addr netip.Addr, size int64) {
	t.Helper()
	var l net.Listener
	err := to.Do(func() (err error) {
		l, err = net.Listen("tcp", netip.AddrPortFrom(addr, 0).String())
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	failed := make(chan error, 1)
	go func() { failed <- compare(l, size) }()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if err := sendStream(ctx, from, l.Addr().String(), size); err != nil {
		t.Fatalf("TCP from %s to %s: %v", from.Name(), addr, err)
	}
	select {
	case err := <-failed:
		if err != nil {
			t.Fatalf("TCP from %s to %s: %v", from.Name(), addr, err)
		}
	case <-ctx.Done():
		t.Fatalf("TCP from %s to %s: the receiver did not end", from.Name(), addr)
	}
}

var streamSeed = [32]byte{'s', 't', 'r', 'e', 'a', 'm'}

func sendStream(ctx context.Context, from *lab.Pod, to string, size int64) error {
	var conn net.Conn
	err := from.Do(func() (err error) {
		conn, err = (&net.Dialer{}).DialContext(ctx, "tcp", to)
		return err
	})
	if err != nil {
		return err
	}
	defer conn.Close()
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	defer stop()
	_, err = io.Copy(conn, io.LimitReader(rand.NewChaCha8(streamSeed), size))
	return err
}

func compare(l net.Listener, size int64) error {
	conn, err := l.Accept()
	if err != nil {
		return err
	}
	defer conn.Close()
	want, got, expect := rand.NewChaCha8(streamSeed), make([]byte, 64<<10), make([]byte, 64<<10)
	for at := int64(0); at < size; {
		n, err := conn.Read(got)
		if err != nil {
			return fmt.Errorf("after %d bytes: %w", at, err)
		}
		_, _ = want.Read(expect[:n]) // never fails
		if !bytes.Equal(got[:n], expect[:n]) {
			return fmt.Errorf("different bytes within %d of %d", n, at)
		}
		at += int64(n)
	}
	return nil
}

func TestUnderlayOverIPv6Works(t *testing.T) {
	next := byte(0)
	onlyIPv6 := func(h *lab.Host) error {
		next++
		return h.ChangeAddress(far(h.Addr6(), next))
	}
	c := newClusterOf(t, cluster.Options{Hosts: 2, Prepare: onlyIPv6})
	startAll(t, c)
	if at := status(t, c.Nodes[0]).Peers[0].Endpoint; !strings.HasPrefix(at, "[") {
		t.Fatalf("the path goes to %s, want an IPv6 endpoint", at)
	}
	all := pods(t, c)
	pingAll(t, all)
	sweep(t, c, all[0], all[1], all[1].Addr4(), status(t, c.Nodes[0]).Peers[0].MTU)
}

// far is the address number n of a part of the network that the lab does not use by itself.
func far(a netip.Addr, n byte) netip.Addr {
	b := a.As16()
	b[14], b[15] = 1, n
	return netip.AddrFrom16(b)
}
