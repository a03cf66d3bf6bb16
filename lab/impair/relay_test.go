package impair

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"io"
	"math"
	"math/rand/v2"
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sync/errgroup"

	"github.com/weftnet/weft/lab"
)

const ethernetHeader = 14

// datagrams sends numbered datagrams from one host to another, some at a time, and returns the numbers that arrived in the
// order in which they did, when all that the relay let through is there.
func datagrams(t *testing.T, from, to *lab.Host, count int, r *Relay) []uint32 {
	t.Helper()
	acquaint(t, from, to)
	acquaint(t, to, from)
	receiver := listenUDP(t, to)
	sender := dialUDP(t, from, receiver.LocalAddr().(*net.UDPAddr).AddrPort())
	var got []uint32
	for i := range uint32(count) {
		if _, err := sender.Write(binary.BigEndian.AppendUint32(nil, i)); err != nil {
			t.Fatal(err)
		}
		if i%50 == 49 {
			await(t, "the relay has seen them", func() bool { return r.Counts().Frames >= uint64(i)+1 })
			got = append(got, readNumbers(t, receiver)...)
		}
	}
	await(t, "all have arrived", func() bool {
		got = append(got, readNumbers(t, receiver)...)
		c := r.Counts()
		return uint64(len(got)) == c.Frames-c.Lost+c.Duplicated
	})
	return got
}

// acquaint tells a host the other one's address, so that no ARP is among the frames that are counted.
func acquaint(t *testing.T, at, with *lab.Host) {
	t.Helper()
	err := at.Do(func() error {
		link, err := netlink.LinkByName("eth0")
		if err != nil {
			return err
		}
		return netlink.NeighSet(&netlink.Neigh{
			LinkIndex: link.Attrs().Index, State: netlink.NUD_PERMANENT, IP: with.Addr4().AsSlice(), HardwareAddr: with.MAC(),
		})
	})
	if err != nil {
		t.Fatal(err)
	}
}

// readNumbers reads what is there.
func readNumbers(t *testing.T, c *net.UDPConn) []uint32 {
	t.Helper()
	var numbers []uint32
	buf := make([]byte, 16)
	for {
		if err := c.SetReadDeadline(time.Now().Add(time.Millisecond)); err != nil {
			t.Fatal(err)
		}
		n, err := c.Read(buf)
		if e := net.Error(nil); errors.As(err, &e) && e.Timeout() {
			return numbers
		}
		if err != nil || n != 4 {
			t.Fatalf("%d bytes, %v", n, err)
		}
		numbers = append(numbers, binary.BigEndian.Uint32(buf))
	}
}

func listenUDP(t *testing.T, at *lab.Host) *net.UDPConn {
	t.Helper()
	var c *net.UDPConn
	err := at.Do(func() (err error) {
		c, err = net.ListenUDP("udp4", net.UDPAddrFromAddrPort(netip.AddrPortFrom(at.Addr4(), 0)))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

func dialUDP(t *testing.T, at *lab.Host, to netip.AddrPort) *net.UDPConn {
	t.Helper()
	var c *net.UDPConn
	err := at.Do(func() (err error) {
		c, err = net.DialUDP("udp4", nil, net.UDPAddrFromAddrPort(to))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

func TestDatagramsMeetTheirFates(t *testing.T) {
	l, hosts := testLab(t, "a", "b")
	o := Options{Loss: 0.05, Duplicate: 0.05, Reorder: 0.05, Seed: 1}
	r := testRelay(t, l, hosts[0], hosts[1], o)
	const count = 2000
	got := datagrams(t, hosts[0], hosts[1], count, r)
	c := r.Counts()
	for name, n := range map[string]uint64{"lost": c.Lost, "doubled": c.Duplicated, "held back": c.Held} {
		const want = 0.05 * count
		if math.Abs(float64(n)-want) > 60 { // six standard deviations
			t.Errorf("%d frames were %s, want about %v", n, name, want)
		}
	}
	if c.Refused != 0 {
		t.Errorf("the kernel refused %d frames", c.Refused)
	}
	if late := disorder(got); late == 0 {
		t.Errorf("all arrived in order, %d were held back", c.Held)
	}
}

// disorder is how many numbers come after a larger one.
func disorder(numbers []uint32) int {
	late, highest := 0, uint32(0)
	for _, n := range numbers {
		if n < highest {
			late++
		}
		highest = max(highest, n)
	}
	return late
}

func TestAPerfectRelayChangesNothing(t *testing.T) {
	l, hosts := testLab(t, "a", "b")
	r := testRelay(t, l, hosts[0], hosts[1], Options{})
	const count = 500
	got := datagrams(t, hosts[0], hosts[1], count, r)
	if len(got) != count || disorder(got) != 0 {
		t.Errorf("%d of %d arrived, %d out of order", len(got), count, disorder(got))
	}
	transfer(t, hosts[0], hosts[1], 8<<20)
	if c := r.Counts(); c.Lost+c.Duplicated+c.Held+c.Refused != 0 {
		t.Errorf("%+v", c)
	}
}

// transfer sends random bytes over TCP and fails unless all of them arrive.
func transfer(t *testing.T, from, to *lab.Host, size int64) {
	t.Helper()
	var listener net.Listener
	err := to.Do(func() (err error) {
		listener, err = net.Listen("tcp4", netip.AddrPortFrom(to.Addr4(), 0).String())
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	sent, received := sha256.New(), sha256.New()
	var both errgroup.Group
	both.Go(func() error {
		conn, err := listener.Accept()
		if err != nil {
			return err
		}
		defer conn.Close()
		_, err = io.Copy(received, conn)
		return err
	})
	both.Go(func() error {
		var conn net.Conn
		err := from.Do(func() (err error) {
			conn, err = net.Dial("tcp4", listener.Addr().String())
			return err
		})
		if err != nil {
			listener.Close()
			return err
		}
		defer conn.Close()
		random := rand.NewChaCha8([32]byte{1})
		_, err = io.Copy(io.MultiWriter(conn, sent), io.LimitReader(random, size))
		return err
	})
	if err := both.Wait(); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(sent.Sum(nil), received.Sum(nil)) {
		t.Error("other bytes arrived than were sent")
	}
}

func TestFramesAreNoLargerThanTheMTU(t *testing.T) {
	l, hosts := testLab(t, "a", "b")
	r := testRelay(t, l, hosts[0], hosts[1], Options{})
	transfer(t, hosts[0], hosts[1], 4<<20)
	transfer(t, hosts[1], hosts[0], 4<<20)
	if most := uint64(l.MTU() + ethernetHeader); r.Counts().Largest != most {
		t.Errorf("the largest frame has %d bytes, want %d", r.Counts().Largest, most)
	}
}

func TestTCPSurvivesABadNetwork(t *testing.T) {
	l, hosts := testLab(t, "a", "b")
	r := testRelay(t, l, hosts[0], hosts[1], Options{Loss: 0.02, Duplicate: 0.02, Reorder: 0.02, Seed: 1})
	transfer(t, hosts[0], hosts[1], 2<<20)
	if c := r.Counts(); c.Lost == 0 || c.Duplicated == 0 || c.Held == 0 {
		t.Errorf("the network was not bad: %+v", c)
	}
}

func TestFramesAreDelayedBothWays(t *testing.T) {
	l, hosts := testLab(t, "a", "b")
	const delay = 20 * time.Millisecond
	r := testRelay(t, l, hosts[0], hosts[1], Options{Delay: delay})
	began := time.Now()
	got := datagrams(t, hosts[0], hosts[1], 40, r)
	if took := time.Since(began); took < delay {
		t.Errorf("datagrams were there after %v, want %v or more", took, delay)
	}
	if disorder(got) != 0 {
		t.Errorf("%d of those that had the same delay were overtaken", disorder(got))
	}
}

func TestOtherHostsAreNotImpaired(t *testing.T) {
	l, hosts := testLab(t, "a", "b", "c")
	r := testRelay(t, l, hosts[0], hosts[1], Options{Loss: 1})
	transfer(t, hosts[2], hosts[1], 1<<20)
	transfer(t, hosts[0], hosts[2], 1<<20)
	if c := r.Counts(); c.Passed == 0 || c.Frames != 0 {
		t.Errorf("%+v, want frames of others alone", c)
	}
}

func TestAHostIsBehindOneRelayOnly(t *testing.T) {
	l, hosts := testLab(t, "a", "b", "c")
	testRelay(t, l, hosts[0], hosts[1], Options{})
	before := ports(t, l)
	if r, err := Between(l, hosts[2], hosts[1], Options{}); err == nil {
		t.Errorf("a second relay was made: %v", r.Close())
	}
	if after := ports(t, l); len(after) != len(before) {
		t.Errorf("the switch has %v, before %v", after, before)
	}
	transfer(t, hosts[0], hosts[1], 1<<20)
}

func TestAfterCloseTheHostsAreConnectedDirectly(t *testing.T) {
	l, hosts := testLab(t, "a", "b")
	r := testRelay(t, l, hosts[0], hosts[1], Options{Loss: 1})
	for range 2 {
		if err := r.Close(); err != nil {
			t.Fatal(err)
		}
	}
	transfer(t, hosts[0], hosts[1], 1<<20)
}
