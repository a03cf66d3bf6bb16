package load

import (
	"net"
	"net/netip"
	"testing"
	"time"
)

var other = netip.MustParseAddr("127.0.0.5")

// show connects from an address, gives the token and one byte, and reports whether an answer comes.
func show(t *testing.T, r Remote, n *near, from netip.Addr) bool {
	t.Helper()
	d := net.Dialer{LocalAddr: net.TCPAddrFromAddrPort(netip.AddrPortFrom(from, 0))}
	c, err := d.DialContext(soon(t), "tcp", r.Addr().String())
	if err != nil { // reset before the dialer looked
		return false
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(20 * time.Second))
	if _, err := c.Write(append(n.token[:], 1)); err != nil {
		return false
	}
	k, _ := c.Read(make([]byte, 1))
	return k == 1
}

// guested starts a job for guests.
func guested(t *testing.T, kind Kind, from []netip.Addr, pin bool) (Remote, *near) {
	t.Helper()
	n := &near{operation: "a test", place: Here{}, token: Token{1, 2, 3}}
	r, err := testServer(t).Start(soon(t), Job{Kind: kind, Token: n.token, From: from, Pin: pin})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _, _ = r.Finish(soon(t)) })
	n.remote, n.to = r, r.Addr()
	return r, n
}

func TestConnectionsFromOthersAreResetThoughTheyKnowTheToken(t *testing.T) {
	for _, kind := range []Kind{EchoTCP, AcceptTCP} {
		r, n := guested(t, kind, []netip.Addr{other}, false)
		if show(t, r, n, loopback) {
			t.Errorf("%s: a stranger is answered", kind)
		}
		if !show(t, r, n, other) {
			t.Errorf("%s: the guest is not answered", kind)
		}
	}
}

func TestAConnectionFromAStrangerIsResetBeforeItSaysAnything(t *testing.T) {
	r, _ := guested(t, SinkTCP, []netip.Addr{other}, false)
	c, err := net.Dial("tcp", r.Addr().String())
	if err != nil {
		return // reset already
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(20 * time.Second))
	began := time.Now()
	if k, err := c.Read(make([]byte, 1)); k > 0 || err == nil {
		t.Errorf("%d bytes, %v", k, err)
	}
	if time.Since(began) >= 20*time.Second {
		t.Error("the connection stays open")
	}
}

func TestTheFirstThatShowsTheTokenIsPinned(t *testing.T) {
	r, n := guested(t, EchoTCP, nil, true)
	c, err := net.Dial("tcp", r.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := c.Write(make([]byte, len(Token{}))); err != nil { // another token pins nobody
		t.Fatal(err)
	}
	_, _ = c.Read(make([]byte, 1))
	for i := range 2 {
		if !show(t, r, n, other) {
			t.Errorf("connection %d of the first with the token is not answered", i+1)
		}
	}
	if show(t, r, n, loopback) {
		t.Error("a second address is answered")
	}
}

// datagram sends one from an address.
func datagram(t *testing.T, n *near, from netip.Addr, seq uint64) *net.UDPConn {
	t.Helper()
	c, err := net.DialUDP("udp4", net.UDPAddrFromAddrPort(netip.AddrPortFrom(from, 0)), net.UDPAddrFromAddrPort(n.to))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	b := make([]byte, headLen)
	putHead(b, n.token, seq)
	if _, err := c.Write(b); err != nil {
		t.Fatal(err)
	}
	return c
}

func TestDatagramsFromOthersAreDropped(t *testing.T) {
	for _, kind := range []Kind{EchoUDP, SinkUDP} {
		for _, pin := range []bool{false, true} {
			from := []netip.Addr{other}
			if pin {
				from = nil
			}
			r, n := guested(t, kind, from, pin)
			datagram(t, n, other, 0)
			await(t, "the guest's arrives", func() bool { return tally(t, r).Datagrams == 1 })
			datagram(t, n, loopback, 5)
			datagram(t, n, other, 1)
			await(t, "the guest's second arrives", func() bool { return tally(t, r).Datagrams >= 2 })
			if got := tally(t, r); got.Datagrams != 2 || got.Highest != 2 {
				t.Errorf("%s, pin %v: %+v; want the two of the guest", kind, pin, got)
			}
		}
	}
}

func TestADatagramFromTheJobsOwnSocketHasNoAnswer(t *testing.T) {
	at := func(text string) netip.AddrPort { return netip.MustParseAddrPort(text) }
	for _, c := range []struct {
		job, from string
		want      bool
	}{
		{"127.0.0.1:7", "127.0.0.1:7", true},
		{"127.0.0.1:7", "127.0.0.1:8", false},
		{"127.0.0.1:7", "127.0.0.2:7", false},
		{"[::]:7", "127.0.0.2:7", true},
		{"0.0.0.0:7", "192.0.2.1:8", false},
	} {
		if got := (&job{addr: at(c.job)}).isMe(at(c.from)); got != c.want {
			t.Errorf("job at %s, datagram from %s: %v", c.job, c.from, got)
		}
	}
}
