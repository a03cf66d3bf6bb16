package node

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/weftnet/weft/kernel"
	"github.com/weftnet/weft/kernel/firewall"
	"github.com/weftnet/weft/node/config"
)

// fakeFilter is the packet filter of a host, or its switches for forwarding: it remembers what was asked for, across runs of
// the node.
type fakeFilter[State any] struct {
	mu       sync.Mutex // guards what follows
	now      State
	asked    int
	refusing error
	changed  func()
}

// Set implements Firewall and Forwarding.
func (f *fakeFilter[State]) Set(want State) (kernel.Changes, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.asked++
	if f.refusing != nil || reflect.DeepEqual(f.now, want) {
		return nil, f.refusing
	}
	f.now = want
	return kernel.Changes{{Op: kernel.Changed, Kind: firewall.KindTable, What: fmt.Sprint(want)}}, nil
}

// Watch implements Firewall.
func (f *fakeFilter[State]) Watch(ctx context.Context, changed func()) error {
	f.mu.Lock()
	f.changed = changed
	f.mu.Unlock()
	<-ctx.Done()
	return nil
}

func (f *fakeFilter[State]) state() State {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.now
}

// flush is what 'nft flush ruleset' does.
func (f *fakeFilter[State]) flush() {
	var none State
	f.mu.Lock()
	f.now = none
	changed := f.changed
	f.mu.Unlock()
	changed()
}

func (f *fakeFilter[State]) refuse(err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.refusing = err
}

func TestTheFirewallIsToldOfTheOverlayOfOurPartOfItAndOfWhatLiesBehindUs(t *testing.T) {
	bubble(t, lan, func(t *testing.T, s *site) {
		lans := []netip.Prefix{netip.MustParsePrefix("172.20.0.0/16")}
		m := s.machine(1, dual(1), func(c *config.Config) { c.Routes = lans })
		m.start()
		want := firewall.State{
			Device: "weft0", Network: m.cfg.Network, Routes: lans,
			Own: []netip.Prefix{subnetOf(1), subnet6Of(1)}, Clamp: firewall.ClampAuto,
		}
		within(t, 5*time.Second, "the rules are asked for", func() bool { return reflect.DeepEqual(m.firewall.state(), want) })
		switches := m.forwarding.state()
		if !switches.IPv4 || !switches.IPv6 || switches.Device != "weft0" || !strings.HasPrefix(switches.Record, m.cfg.RunDir) {
			t.Errorf("forwarding: %+v", switches)
		}
		m.firewall.flush()
		within(t, 100*time.Millisecond, "the rules are back", func() bool { return reflect.DeepEqual(m.firewall.state(), want) })
		m.stop()
		if got := m.firewall.state(); !reflect.DeepEqual(got, want) {
			t.Errorf("a stop changes the rules: %+v", got)
		}
	})
}

func TestIPv6IsForwardedOnlyIfTheOverlayHasIt(t *testing.T) {
	bubble(t, lan, func(t *testing.T, s *site) {
		m := s.machine(1)
		m.start()
		within(t, 5*time.Second, "IPv4 is forwarded", func() bool { return m.forwarding.state().IPv4 })
		if m.forwarding.state().IPv6 {
			t.Error("IPv6 is forwarded, too")
		}
	})
}

func TestNothingIsAskedForWhileTheSubnetIsNotKnown(t *testing.T) {
	bubble(t, lan, func(t *testing.T, s *site) {
		m := s.machine(2, func(c *config.Config) { c.Subnet = config.Subnet{Auto: true} }) // its seed does not answer
		m.start()
		time.Sleep(2 * tidyPeriod)
		if m.firewall.asked != 0 {
			t.Errorf("the rules of an earlier run were replaced by %+v", m.firewall.state())
		}
	})
}

func TestOffIsAskedForToo(t *testing.T) {
	bubble(t, lan, func(t *testing.T, s *site) {
		m := s.machine(1)
		m.start()
		within(t, 5*time.Second, "the rules are asked for", func() bool { return len(m.firewall.state().Own) > 0 })
		m.stop()
		m.cfg.Firewall, m.cfg.Forwarding = false, false
		m.start()
		within(t, time.Second, "the rules are gone", func() bool {
			return reflect.DeepEqual(m.firewall.state(), firewall.State{Device: "weft0", Off: true})
		})
		if got := m.forwarding.state(); got.IPv4 || got.IPv6 || got.Record == "" {
			t.Errorf("forwarding: %+v", got)
		}
		m.firewall.refuse(firewall.ErrNotSupported)
		time.Sleep(2 * tidyPeriod)
		if got := m.problem("firewall"); got != "" {
			t.Errorf("off is a problem where there can be none: %s", got)
		}
	})
}

func TestWhatTheHostRefusesIsInStatusAndTheNodeGoesOn(t *testing.T) {
	bubble(t, lan, func(t *testing.T, s *site) {
		a, b := s.machine(1), s.machine(2)
		denied := &firewall.SysctlError{Name: "net.ipv4.ip_forward", Value: "0", Wanted: "1", Err: errors.New("read-only file system")}
		a.firewall.refuse(firewall.ErrNotSupported)
		a.forwarding.refuse(denied)
		a.start()
		b.start()
		within(t, 2*time.Second, "both route to both", joinedUp(a, b))
		if !a.carries(b) {
			t.Error("nothing goes through")
		}
		for what, err := range map[string]error{"firewall": firewall.ErrNotSupported, "forwarding": denied} {
			if got := a.problem(what); got != strings.TrimPrefix(err.Error(), "firewall: ") {
				t.Errorf("status says of %s: %q", what, got)
			}
		}
		a.firewall.refuse(nil)
		a.forwarding.refuse(nil)
		within(t, 2*tidyPeriod, "all is well", func() bool { return a.problem("firewall") == "" && a.problem("forwarding") == "" })
	})
}

func TestAutoAndOffAreAllThatTheKeysTake(t *testing.T) {
	for _, name := range []string{"firewall", "forwarding"} {
		k := config.Keys()[slices.IndexFunc(config.Keys(), func(k *config.Key) bool { return k.Name == name })]
		c := config.Default()
		if got := k.Get(&c); got != "auto" {
			t.Errorf("%s defaults to %s", name, got)
		}
		for value, ok := range map[string]bool{"auto": true, "off": true, "on": false, "false": false, "": false, "AUTO": false} {
			if err := k.Set(&c, []string{value}); (err == nil) != ok || ok && k.Get(&c) != value {
				t.Errorf("%s: %q: %v, and is %s", name, value, err, k.Get(&c))
			}
		}
	}
}
