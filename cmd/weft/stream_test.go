package main

import (
	"net"
	"net/netip"
	"sync"
	"testing"
	"time"

	"github.com/weftnet/weft/lab/cluster"
)

// streamInterval is the time between two datagrams of a stream: gaps are known to that.
const streamInterval = 20 * time.Millisecond

// stream is a UDP echo through the overlay: one host sends a datagram every streamInterval, the other returns it, and the first
// notes when each came back. It ends with the test.
type stream struct {
	mu    sync.Mutex // guards heard
	heard []time.Time
}

// startStream begins a stream between two hosts, to an overlay address of the second.
func startStream(t *testing.T, from, to *cluster.Node, addr netip.Addr) *stream {
	t.Helper()
	server := listenOn(t, to, addr)
	client := listenOn(t, from, addr)
	go func() {
		buffer := make([]byte, 64)
		for {
			_, back, err := server.ReadFromUDPAddrPort(buffer)
			if err != nil {
				return // closed: the sockets are not connected, so that no ICMP error comes to them
			}
			_, _ = server.WriteToUDPAddrPort(buffer[:1], back) // what is lost is a gap
		}
	}()
	s := new(stream)
	go s.listen(client)
	go s.send(t, client, netip.AddrPortFrom(addr, uint16(server.LocalAddr().(*net.UDPAddr).Port)))
	await(t, func() (bool, string) { return s.since(time.Time{}) > 0, "nothing comes back from " + addr.String() })
	return s
}

// listenOn opens a socket of addr's family on a host, at no address: the kernel then chooses the source of every datagram.
func listenOn(t *testing.T, n *cluster.Node, addr netip.Addr) (conn *net.UDPConn) {
	t.Helper()
	network := "udp6"
	if addr.Is4() {
		network = "udp4"
	}
	err := n.Do(func() (err error) {
		conn, err = net.ListenUDP(network, nil)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return conn
}

func (s *stream) send(t *testing.T, conn *net.UDPConn, to netip.AddrPort) {
	tick := time.NewTicker(streamInterval)
	defer tick.Stop()
	for {
		_, _ = conn.WriteToUDPAddrPort([]byte{0}, to) // what is not sent is a gap
		select {
		case <-t.Context().Done():
			return
		case <-tick.C:
		}
	}
}

func (s *stream) listen(conn *net.UDPConn) {
	buffer := make([]byte, 64)
	for {
		if _, _, err := conn.ReadFromUDPAddrPort(buffer); err != nil {
			return
		}
		s.mu.Lock()
		s.heard = append(s.heard, time.Now())
		s.mu.Unlock()
	}
}

// since is how many datagrams came back after start.
func (s *stream) since(start time.Time) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := 0
	for _, at := range s.heard {
		if at.After(start) {
			n++
		}
	}
	return n
}

// gap is the longest time after start without a datagram that came back, until now.
func (s *stream) gap(start time.Time) time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	var longest time.Duration
	last := start
	for _, at := range s.heard {
		if at.After(start) {
			longest, last = max(longest, at.Sub(last)), at
		}
	}
	return max(longest, time.Since(last))
}

// flows waits until a datagram comes back that was sent after now.
func (s *stream) flows(t *testing.T) {
	t.Helper()
	start := time.Now()
	await(t, func() (bool, string) { return s.since(start) > 2, "nothing comes back" })
}
