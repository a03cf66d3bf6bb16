package lab

import (
	"io"
	"net"
	"net/netip"
	"testing"
	"time"
)

// A slow machine only makes the transfer longer: the test asks for a lower bound.
func TestLimitedCableIsNotFasterThanItsRate(t *testing.T) {
	const (
		rate  = 40_000_000 // bit/s
		size  = 2 << 20
		least = size*8*time.Second/rate - 100*time.Millisecond // less what the bucket holds, with a margin
	)
	l := testLab(t, Options{Rate: rate})
	h := testHosts(t, l, "a", "b")
	if took := transfer(t, h[0], h[1], size); took < least {
		t.Errorf("%d bytes took %s, want %s or more", size, took, least)
	}
}

// transfer sends bytes over TCP and returns how long they took to arrive.
func transfer(t *testing.T, from, to *Host, size int64) time.Duration {
	t.Helper()
	var listener net.Listener
	err := to.Do(func() (err error) {
		listener, err = net.ListenTCP("tcp", net.TCPAddrFromAddrPort(netip.AddrPortFrom(to.Addr4(), 7000)))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	received := make(chan int64, 1)
	go func() {
		conn, err := listener.Accept()
		if err != nil {
			received <- 0
			return
		}
		defer conn.Close()
		n, _ := io.Copy(io.Discard, conn)
		received <- n
	}()
	start := time.Now()
	if err := from.Do(func() error { return send(listener.Addr(), size) }); err != nil {
		t.Fatal(err)
	}
	if n := <-received; n != size {
		t.Fatalf("%d of %d bytes arrived", n, size)
	}
	return time.Since(start)
}

func send(to net.Addr, size int64) error {
	conn, err := net.Dial("tcp", to.String())
	if err != nil {
		return err
	}
	defer conn.Close()
	_, err = conn.Write(make([]byte, size))
	return err
}
