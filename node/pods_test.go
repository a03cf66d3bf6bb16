package node

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/weftnet/weft/cni-shim/ipam"
	"github.com/weftnet/weft/cni-shim/lease"
	"github.com/weftnet/weft/cni-shim/podnet"
	"github.com/weftnet/weft/kernel"
	"github.com/weftnet/weft/node/pods"
)

// fakePods is the bridge of a host, with host ends, across runs of the node.
type fakePods struct {
	mu        sync.Mutex // guards what follows
	gateways  []netip.Prefix
	ends      map[string]podnet.HostEndState
	unguarded error
	guarded   bool // the table of the guard is there
	guards    int  // how often it was made
}

var _ pods.Host = (*fakePods)(nil)

// Bridge implements pods.Host.
func (f *fakePods) Bridge() (podnet.BridgeState, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return podnet.BridgeState{Ours: len(f.gateways) > 0, Addresses: slices.Clone(f.gateways)}, nil
}

// SetBridge implements pods.Host.
func (f *fakePods) SetBridge(want podnet.Bridge) (changes kernel.Changes, _ error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, g := range want.Gateways {
		if !slices.Contains(f.gateways, g) {
			f.gateways = append(f.gateways, g)
			changes = append(changes, kernel.Change{Op: kernel.Added, Kind: podnet.KindBridge, What: g.String()})
		}
	}
	return changes, nil
}

// DropGateway implements pods.Host.
func (f *fakePods) DropGateway(a netip.Prefix) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.gateways = slices.DeleteFunc(f.gateways, func(g netip.Prefix) bool { return g == a })
	return nil
}

// SetHostRoutes implements pods.Host.
func (*fakePods) SetHostRoutes([]netip.Addr) (kernel.Changes, error) { return nil, nil }

// RemoveBridge implements pods.Host.
func (f *fakePods) RemoveBridge() error { return errors.New("the daemon removes no bridge") }

// HostEnds implements pods.Host.
func (f *fakePods) HostEnds() (map[string]podnet.HostEndState, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	ends := map[string]podnet.HostEndState{}
	for name, end := range f.ends {
		ends[name] = end
	}
	return ends, nil
}

// Interfaces implements pods.Host.
func (f *fakePods) Interfaces() (map[string]bool, error) {
	ends, err := f.HostEnds()
	names := map[string]bool{}
	for name := range ends {
		names[name] = true
	}
	return names, err
}

// Replug implements pods.Host.
func (f *fakePods) Replug(podnet.Pod) error { return nil }

// GSOMaxSize implements pods.Host.
func (f *fakePods) GSOMaxSize(string) (int, error) { return 65536, nil }

// SetGuard implements pods.Host.
func (f *fakePods) SetGuard(func() ([]podnet.Member, error)) (kernel.Changes, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.unguarded == nil && !f.guarded {
		f.guarded = true
		f.guards++
	}
	return nil, f.unguarded
}

// GuardDamaged implements pods.Host.
func (f *fakePods) GuardDamaged() (bool, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return !f.guarded, f.unguarded
}

// ClearGuard implements pods.Host.
func (f *fakePods) ClearGuard() error { return nil }

// flush is what 'nft flush ruleset' does to the guard.
func (f *fakePods) flush() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.guarded = false
}

func (f *fakePods) state() (guarded bool, made int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.guarded, f.guards
}

// plug says whether a host end exists.
func (f *fakePods) plug(name string, there bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.ends == nil {
		f.ends = map[string]podnet.HostEndState{}
	}
	delete(f.ends, name)
	if there {
		f.ends[name] = podnet.HostEndState{Master: pods.Bridge, Up: true}
	}
}

// move makes a host end a port of another bridge.
func (f *fakePods) move(name, bridge string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.ends[name] = podnet.HostEndState{Master: bridge, Up: true}
}

// startWithPod starts a node on which a pod lives.
func (m *machine) startWithPod(name string) *fakePods {
	m.t.Helper()
	f := m.withPods()
	m.start()
	within(m.t, 2*time.Second, "the lease is there", m.leased)
	m.addPod(f, name)
	return f
}

// withPods gives a machine pods.
func (m *machine) withPods() *fakePods {
	m.t.Helper()
	must(m.t, os.MkdirAll(m.cfg.RunDir, 0o755))
	f := &fakePods{}
	m.pods = f
	return f
}

// book is the machine's address book.
func (m *machine) book() *ipam.Book {
	m.t.Helper()
	boot, err := lease.BootID()
	must(m.t, err)
	book, err := ipam.Open(m.cfg.StateDir, ipam.Options{BootID: boot})
	must(m.t, err)
	return book
}

// addPod does what ADD does.
func (m *machine) addPod(f *fakePods, name string) {
	m.t.Helper()
	l, err := lease.Read(m.cfg.RunDir)
	must(m.t, err)
	_, _, err = m.book().Reserve(m.t.Context(), ipam.Request{
		Key: ipam.Key{Container: name, IfName: "eth0"}, Network: "weft", HostEnd: podnet.HostEnd(name, "eth0"), Subnets: l.Subnets,
	})
	must(m.t, err)
	for _, s := range l.Subnets {
		_, err := f.SetBridge(podnet.Bridge{Gateways: []netip.Prefix{netip.PrefixFrom(lease.Gateway(s), s.Bits())}})
		must(m.t, err)
	}
	f.plug(podnet.HostEnd(name, "eth0"), true)
}

// deletePod does what DEL does.
func (m *machine) deletePod(f *fakePods, name string) {
	m.t.Helper()
	f.plug(podnet.HostEnd(name, "eth0"), false)
	_, _, err := m.book().Release(m.t.Context(), ipam.Key{Container: name, IfName: "eth0"})
	must(m.t, err)
}

func (m *machine) leased() bool {
	_, err := lease.Read(m.cfg.RunDir)
	return err == nil && m.status().Node.Pods.Leased
}

func TestTheLeaseIsThereOnceSubnetsDeviceAndRoutesAreAndOutlivesTheDaemon(t *testing.T) {
	bubble(t, lan, func(t *testing.T, s *site) {
		m := s.machine(1)
		m.withPods()
		m.kernel.refuse(errors.New("kernel: add address: not today"))
		m.start()
		within(t, time.Second, "status says why", func() bool { return strings.Contains(m.status().Node.Pods.Reason, "not today") })
		if _, err := lease.Read(m.cfg.RunDir); !errors.Is(err, lease.ErrNone) {
			t.Errorf("lease: %v", err)
		}
		m.kernel.refuse(nil)
		within(t, 2*tidyPeriod, "the lease is there", m.leased)
		l, err := lease.Read(m.cfg.RunDir)
		must(t, err)
		if l.MTU != 1440 || l.Node != "node-1" || !slices.Equal(l.Subnets, []netip.Prefix{subnetOf(1)}) || l.StateDir != m.cfg.StateDir {
			t.Errorf("lease %+v", l)
		}
		m.kernel.setMTU(1400)
		m.kernel.notify()
		within(t, time.Second, "the lease has the new MTU", func() bool { l, _ := lease.Read(m.cfg.RunDir); return l.MTU == 1340 })
		must(t, os.Remove(lease.Path(m.cfg.RunDir)))
		within(t, tidyPeriod+time.Second, "the lease is back", m.leased)
		m.stop()
		if _, err := lease.Read(m.cfg.RunDir); err != nil {
			t.Errorf("after the stop: %v", err)
		}
	})
}

func TestANodeWithoutASubnetSaysWhyNoPodCanStart(t *testing.T) {
	bubble(t, lan, func(t *testing.T, s *site) {
		m := s.machine(2, auto) // its seed does not answer
		m.withPods()
		m.start()
		within(t, time.Second, "status says why", func() bool {
			return strings.Contains(m.status().Node.Pods.Reason, "no subnet for pods yet: no peer has answered yet")
		})
	})
}

func TestTheGuardThatTheKernelRefusesIsAProblemWhilePodsLive(t *testing.T) {
	bubble(t, lan, func(t *testing.T, s *site) {
		m := s.machine(1)
		f := m.withPods()
		f.unguarded = podnet.ErrNoGuard
		m.start()
		within(t, time.Second, "the lease is there", m.leased)
		if got := m.problem("pods_guard"); got != "" {
			t.Errorf("without pods: %s", got)
		}
		m.addPod(f, "a")
		within(t, tidyPeriod+time.Second, "status says so", func() bool {
			p := m.status().Node.Pods
			return strings.Contains(m.problem("pods_guard"), "not theirs") && p.Guard == pods.GuardNone && p.Held == 1
		})
		if got := m.firewall.state().Bridge; got != pods.Bridge {
			t.Errorf("the firewall opens the way through %q", got)
		}
	})
}

func TestAFormerSubnetIsClaimedWhilePodsLiveThereUnlessAnotherNodeHasIt(t *testing.T) {
	bubble(t, lan, func(t *testing.T, s *site) {
		m, peer := s.machine(1), s.machine(2)
		f := m.withPods()
		m.start()
		peer.start()
		within(t, 2*time.Second, "the lease is there", m.leased)
		m.addPod(f, "old")
		m.stop()
		m.cfg.Subnet.Prefixes = []netip.Prefix{subnetOf(7)}
		must(t, m.boot())
		log := m.logged()
		m.run()
		routed := func(p netip.Prefix) bool {
			return slices.ContainsFunc(peer.kernel.state().Routes, func(r kernel.Route) bool { return r.Prefix == p })
		}
		within(t, 5*time.Second, "the peer has both", func() bool { return routed(subnetOf(1)) && routed(subnetOf(7)) })
		within(t, tidyPeriod, "status says so", func() bool { return strings.Contains(m.problem("former_subnet"), "10.244.1.0/24 has 1 pod") })
		l, err := lease.Read(m.cfg.RunDir)
		must(t, err)
		if p := m.status().Node.Pods; !slices.Equal(l.Subnets, m.cfg.Subnet.Prefixes) || len(p.Former) != 1 || !p.Former[0].Claimed {
			t.Errorf("lease for %v, pods %+v", l.Subnets, p)
		}
		if got := m.kernel.state().Addresses[0]; got != own(7) {
			t.Errorf("the host's own packets have the address %v", got)
		}
		time.Sleep(3 * tidyPeriod)
		if !routed(subnetOf(1)) {
			t.Error("the claim does not last")
		}

		other := s.machine(3)
		other.cfg.Subnet.Prefixes = []netip.Prefix{subnetOf(1)}
		other.start()
		within(t, 2*tidyPeriod, "the other one has it", func() bool {
			return slices.Contains(other.kernel.state().Own, subnetOf(1)) && !slices.Contains(m.kernel.state().Own, subnetOf(1))
		})
		within(t, tidyPeriod+time.Second, "status says so", func() bool { return strings.Contains(m.problem("former_subnet"), "may not be claimed") })
		halves := []netip.Prefix{netip.MustParsePrefix("10.244.1.0/25"), netip.MustParsePrefix("10.244.1.128/25")}
		if !m.routesTo(subnetOf(1)) || !m.routesTo(halves[0]) || !m.routesTo(halves[1]) || peer.routesTo(halves[0]) {
			t.Errorf("what the other one has there is not led past the bridge: %v, the peer's %v", m.kernel.state().Routes, peer.kernel.state().Routes)
		}
		if got := log.count("node.lease.written"); got != 1 {
			t.Errorf("the lease was written %d times:\n%s", got, log.text())
		}
		other.stop()

		m.deletePod(f, "old")
		within(t, 3*tidyPeriod, "all is well", func() bool {
			b, _ := f.Bridge()
			return m.problem("former_subnet") == "" && len(b.Addresses) == 1 && !m.routesTo(halves[0])
		})
	})
}

func TestAFormerSubnetIsGivenUpWithItsLastPod(t *testing.T) {
	bubble(t, lan, func(t *testing.T, s *site) {
		m := s.machine(1)
		f := m.startWithPod("old")
		m.stop()
		m.cfg.Subnet.Prefixes = []netip.Prefix{subnetOf(7)}
		m.start()
		within(t, 2*time.Second, "both are its own", func() bool { return len(m.subnets()) == 2 })
		m.deletePod(f, "old")
		within(t, 3*tidyPeriod, "one is its own", func() bool { return fmt.Sprint(m.subnets()) == "[10.244.7.0/24]" })
	})
}

func TestTheGuardIsBackAtOnceWhenSomebodyFlushesTheRuleset(t *testing.T) {
	bubble(t, lan, func(t *testing.T, s *site) {
		m := s.machine(1)
		f := m.withPods()
		m.start()
		within(t, time.Second, "the lease is there", m.leased)
		m.addPod(f, "a")
		within(t, 2*tidyPeriod, "it is there", func() bool { return m.status().Node.Pods.Guard == pods.GuardOn })
		guarded := func() bool { now, _ := f.state(); return now }
		for range 3 { // at another moment of the keeper's period each
			f.flush()
			m.firewall.flush()
			within(t, 10*time.Millisecond, "it is back", guarded)
			time.Sleep(tidyPeriod / 3)
		}
		_, before := f.state()
		m.firewall.flush()
		time.Sleep(tidyPeriod)
		if _, after := f.state(); after != before {
			t.Error("it was made again though it was there")
		}
	})
}

func TestPodsAtABridgeThatNobodyKeepsAreSaidOnce(t *testing.T) {
	bubble(t, lan, func(t *testing.T, s *site) {
		m := s.machine(1)
		f := m.withPods()
		must(t, m.boot())
		log := m.logged()
		m.run()
		within(t, time.Second, "the lease is there", m.leased)
		for _, name := range []string{"a", "b"} {
			m.addPod(f, name)
			f.move(podnet.HostEnd(name, "eth0"), "cbr0")
			time.Sleep(2 * tidyPeriod)
		}
		want := "2 pods at bridge cbr0, which the daemon does not keep (it keeps weftbr0 alone): "
		if got := m.problem("pods_elsewhere"); !strings.HasPrefix(got, want) || log.count("node.pods.elsewhere") != 1 {
			t.Errorf("status says %q, the log:\n%s", got, log.text())
		}
		m.deletePod(f, "a")
		m.deletePod(f, "b")
		within(t, 2*tidyPeriod, "status says nothing", func() bool { return m.problem("pods_elsewhere") == "" })
	})
}
