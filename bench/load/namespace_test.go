package load

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/vishvananda/netlink"

	"github.com/weftnet/weft/lab"
	"github.com/weftnet/weft/lab/labtest"
)

// twoHosts are a near and a far place in namespaces of their own.
func twoHosts(t *testing.T, o lab.Options) (l *lab.Lab, near, far *lab.Host, server *Server) {
	t.Helper()
	l = labtest.Lab(context.Background(), t, o)
	near, far = labtest.Host(t, l, "a"), labtest.Host(t, l, "b")
	server = NewServer(far, far.Addr4())
	t.Cleanup(func() { _ = server.Close() })
	return l, near, far, server
}

func TestBetweenNamespacesEverythingIsMeasured(t *testing.T) {
	_, a, b, far := twoHosts(t, lab.Options{})
	short := 30 * time.Millisecond
	if r, err := Latency(soon(t), a, far, LatencyOptions{Proto: TCP, Duration: short}); err != nil || r.Count == 0 {
		t.Errorf("latency: %+v, %v", r, err)
	}
	if r, err := Bulk(soon(t), a, far, BulkOptions{Streams: 2, Duration: short, Direction: Both}); err != nil || r.Up.Bytes == 0 || r.Down.Bytes == 0 {
		t.Errorf("bulk: %+v, %v", r, err)
	}
	if r, err := Connections(soon(t), a, far, ConnectionsOptions{Duration: short}); err != nil || r.Opened == 0 {
		t.Errorf("connections: %+v, %v", r, err)
	}
	if r, err := Integrity(soon(t), a, far, IntegrityOptions{Bytes: 1 << 20, MTU: 1500}); err != nil || !r.OK {
		t.Errorf("integrity: %+v, %v", r, err)
	}
	for _, h := range []*lab.Host{a, b} {
		if waiting := timeWait(t, h); waiting > 0 {
			t.Errorf("%d connections are left in TIME_WAIT on %s: ports would run out", waiting, h.Name())
		}
	}
}

// timeWait is how many TCP connections of port pairs are kept in TIME_WAIT beyond the few that bulk transfers leave.
func timeWait(t *testing.T, h *lab.Host) int {
	t.Helper()
	count := 0
	err := h.Do(func() error {
		all, err := netlink.SocketDiagTCP(netlink.FAMILY_V4)
		for _, s := range all {
			if s.State == netlink.TCP_TIME_WAIT {
				count++
			}
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return max(0, count-10)
}

func TestAPathThatSwallowsLargePacketsHasASmallerMTU(t *testing.T) {
	_, a, b, far := twoHosts(t, lab.Options{})
	err := b.Do(func() error { // a has 1500 still, and nobody tells it
		link, err := netlink.LinkByName("eth0")
		if err != nil {
			return err
		}
		return netlink.LinkSetMTU(link, 1337)
	})
	if err != nil {
		t.Fatal(err)
	}
	if got, err := PathMTU(soon(t), a, far, 9000); err != nil || got != 1337 {
		t.Errorf("PathMTU = %d, %v; want 1337", got, err)
	}
}

func TestAPathThatIsCutIsLeftWhenTheContextEnds(t *testing.T) {
	l, a, b, far := twoHosts(t, lab.Options{})
	if err := l.Cut(a, b); err != nil {
		t.Fatal(err)
	}
	for name, measure := range map[string]func(context.Context) error{
		"latency": func(ctx context.Context) error {
			_, err := Latency(ctx, a, far, LatencyOptions{Proto: TCP, Duration: 1})
			return err
		},
		"bulk": func(ctx context.Context) error {
			_, err := Bulk(ctx, a, far, BulkOptions{Streams: 2, Duration: 1})
			return err
		},
		"connections": func(ctx context.Context) error {
			_, err := Connections(ctx, a, far, ConnectionsOptions{Duration: time.Minute})
			return err
		},
		"stream":   func(ctx context.Context) error { _, err := StartStream(ctx, a, far, StreamOptions{}); return err },
		"path MTU": func(ctx context.Context) error { _, err := PathMTU(ctx, a, far, 1500); return err },
	} {
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Millisecond)
		if err := measure(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%s: %v", name, err)
		}
		cancel()
	}
}

func TestTheMTUOfTheInterfaceIsFoundWithoutWaiting(t *testing.T) {
	_, a, _, far := twoHosts(t, lab.Options{MTU: 9000})
	if got, err := PathMTU(soon(t), a, far, 65535); err != nil || got != 9000 {
		t.Errorf("PathMTU = %d, %v; want 9000", got, err)
	}
}

func TestPacketRateFindsTheRateOfALink(t *testing.T) {
	const rate, packet = 20_000_000, 1350 + 28 + 14 // bit/s, bytes with Ethernet's header
	_, a, _, far := twoHosts(t, lab.Options{Rate: rate})
	o := PacketRateOptions{Payload: 1350, Trial: 200 * time.Millisecond, Limit: 20_000}
	r, err := PacketRate(soon(t), a, far, o)
	if err != nil {
		t.Fatalf("%v, %+v", err, r)
	}
	if most := rate / 8.0 / packet * 1.1; r.PPS > most || r.Loss >= 0.01 {
		t.Errorf("%+v; want at most %.0f packets/s", r, most)
	}
	t.Logf("%.0f packets/s of %.0f", r.PPS, rate/8.0/packet)
}
