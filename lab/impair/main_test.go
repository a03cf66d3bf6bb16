package impair

import (
	"context"
	"os"
	"os/signal"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"go.uber.org/goleak"

	"github.com/weftnet/weft/lab"
	"github.com/weftnet/weft/lab/labtest"
)

// interrupted ends when somebody stops the tests: the labs that stand then are closed in order, and no more are made.
var interrupted context.Context

func TestMain(m *testing.M) {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	interrupted = ctx
	goleak.VerifyTestMain(m, goleak.IgnoreCurrent())
}

// testLab makes a lab with hosts that is closed with the test, or skips with the reason why there can be none.
func testLab(t *testing.T, names ...string) (*lab.Lab, []*lab.Host) {
	t.Helper()
	l := labtest.Lab(interrupted, t, lab.Options{})
	var hosts []*lab.Host
	for _, name := range names {
		hosts = append(hosts, labtest.Host(t, l, name))
	}
	return l, hosts
}

// testRelay puts a relay between two hosts. It is closed with the test, after which the switch must be as before.
func testRelay(t *testing.T, l *lab.Lab, a, b *lab.Host, o Options) *Relay {
	t.Helper()
	before := ports(t, l)
	r, err := Between(l, a, b, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := r.Close(); err != nil {
			t.Error(err)
		}
		if after := ports(t, l); !slices.Equal(after, before) {
			t.Errorf("the switch has %v, before %v", after, before)
		}
	})
	return r
}

// ports are the interfaces of the switch, those of its bridge marked with a star.
func ports(t *testing.T, l *lab.Lab) []string {
	t.Helper()
	var names []string
	err := l.Switch().Do(func() error {
		bridge, err := netlink.LinkByName(lab.UnderlayBridge)
		if err != nil {
			return err
		}
		links, err := netlink.LinkList()
		for _, link := range links {
			name := link.Attrs().Name
			if link.Attrs().MasterIndex == bridge.Attrs().Index {
				name += "*"
			}
			names = append(names, name)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(names)
	return names
}

// await waits until something holds; it is asked about every millisecond.
func await(t *testing.T, what string, holds func() bool) {
	t.Helper()
	deadline := time.Now().Add(30 * time.Second)
	for !holds() {
		if time.Now().After(deadline) || interrupted.Err() != nil {
			t.Fatalf("did not happen: %s", what)
		}
		time.Sleep(time.Millisecond)
	}
}
