package node

import (
	"errors"
	"net/netip"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/weftnet/weft/cni-shim/lease"
	"github.com/weftnet/weft/node/config"
	"github.com/weftnet/weft/node/pods"
)

// resubnet is a reload that names other subnets in the configuration.
func (m *machine) resubnet(list ...netip.Prefix) error {
	m.cfg.Subnet = config.Subnet{Prefixes: list}
	_, err := m.reload(unchanged)
	return err
}

// remtu is a reload that has nothing to do with subnets.
func (m *machine) remtu(mtu int) error {
	m.cfg.MTU = mtu
	_, err := m.reload(unchanged)
	return err
}

// settledOn reports whether a machine's node has these subnets, and its pods get addresses of the first.
func (m *machine) settledOn(list ...netip.Prefix) func() bool {
	return func() bool {
		l, err := lease.Read(m.cfg.RunDir)
		return err == nil && slices.Equal(m.subnets(), list) && slices.Equal(l.Subnets, list[:1])
	}
}

func TestAReloadGivesAnotherSubnetWhilePodsLiveAndTakesItBack(t *testing.T) {
	bubble(t, lan, func(t *testing.T, s *site) {
		m, peer := s.machine(1), s.machine(2)
		f := m.withPods()
		m.start()
		peer.start()
		within(t, 2*time.Second, "the lease is there", m.leased)
		m.addPod(f, "old")
		m.kernel.occupy(pods.Bridge)
		time.Sleep(2 * tidyPeriod)
		must(t, m.resubnet(subnetOf(7)))
		within(t, 5*time.Second, "it has both", m.settledOn(subnetOf(7), subnetOf(1)))
		within(t, 5*time.Second, "the peer has both", func() bool { return peer.routesTo(subnetOf(1)) && peer.routesTo(subnetOf(7)) })
		within(t, 2*tidyPeriod, "status says so", func() bool { return strings.Contains(m.problem("former_subnet"), "10.244.1.0/24 has 1 pod") })
		must(t, m.remtu(1300)) // what the first one allowed refuses no second one

		must(t, m.resubnet(subnetOf(1)))
		within(t, 2*tidyPeriod, "it has its first one alone", m.settledOn(subnetOf(1)))
		within(t, 2*tidyPeriod, "status says nothing", func() bool { return m.problem("former_subnet") == "" })
		must(t, m.resubnet(subnetOf(7)))
		within(t, 5*time.Second, "it has both again", m.settledOn(subnetOf(7), subnetOf(1)))
		m.deletePod(f, "old")
		within(t, 4*tidyPeriod, "the former one goes with its last pod", m.settledOn(subnetOf(7)))
		must(t, m.resubnet(subnetOf(8))) // the bridge has a gateway there, and no pod lives
		within(t, 5*time.Second, "it has the third", m.settledOn(subnetOf(8)))
	})
}

func TestAReloadIsTakenWhilePodsLiveInTheSubnetOfAnEarlierRun(t *testing.T) {
	bubble(t, lan, func(t *testing.T, s *site) {
		m := s.machine(1)
		m.startWithPod("old")
		m.stop()
		m.kernel.occupy(pods.Bridge)
		m.cfg.Subnet.Prefixes = []netip.Prefix{subnetOf(7)}
		m.start()
		within(t, 5*time.Second, "it has both", m.settledOn(subnetOf(7), subnetOf(1)))
		must(t, m.remtu(1300))
		must(t, m.resubnet(subnetOf(8)))
		within(t, 5*time.Second, "it has the third and the first", m.settledOn(subnetOf(8), subnetOf(1)))
	})
}

// The keeper's review begins while a reload is applied: it must not judge by what was before.
func TestAReviewOfFormerSubnetsWaitsForAReloadThatIsAtWork(t *testing.T) {
	bubble(t, lan, func(t *testing.T, s *site) {
		m := s.machine(1)
		f := m.startWithPod("old")
		m.kernel.occupy(pods.Bridge)
		must(t, m.resubnet(subnetOf(7)))
		within(t, 5*time.Second, "it has both", m.settledOn(subnetOf(7), subnetOf(1)))
		m.addPod(f, "young")
		time.Sleep(2 * tidyPeriod)

		n, reviewed := m.node, make(chan struct{})
		n.claiming.Lock()
		go func() {
			n.reviewFormer(n.mesh.View())
			close(reviewed)
		}()
		for range 1000 { // it comes as far as it may
			runtime.Gosched()
		}
		next, both := *n.config(), []netip.Prefix{subnetOf(1), subnetOf(7)}
		next.Subnet.Prefixes = []netip.Prefix{subnetOf(8)}
		n.live.Store(&next)
		n.claimFormer(both)
		n.claiming.Unlock()
		<-reviewed
		if got := n.formerSubnets(); !slices.Equal(got, both) {
			t.Errorf("it claims on %v, want %v", got, both)
		}
	})
}

func TestAReloadAsksKubernetesWhilePodsLive(t *testing.T) {
	bubble(t, lan, func(t *testing.T, s *site) {
		m := s.machine(1)
		m.startWithPod("old")
		m.kernel.occupy(pods.Bridge)
		time.Sleep(2 * tidyPeriod)
		server := m.k8s()
		must(t, m.remtu(1300))
		time.Sleep(3 * tidyPeriod)
		if got := m.subnets(); !slices.Equal(got, []netip.Prefix{subnetOf(1)}) || !m.leased() {
			t.Errorf("while nothing is known of podCIDRs it has %v", got)
		}
		server.say("node-1", subnetOf(7))
		within(t, 10*time.Second, "it has both", m.settledOn(subnetOf(7), subnetOf(1)))
		server.say("node-1", subnetOf(1))
		within(t, settled, "it has what the pod lives in, and no other", m.settledOn(subnetOf(1)))
	})
}

func TestAReloadThatCutsPodsOffIsRefused(t *testing.T) {
	for name, test := range map[string]struct {
		edit func(*config.Config)
		says string
	}{
		"auto":         {func(c *config.Config) { c.Subnet = config.Subnet{Auto: true} }, "an interface of this host has an address in 10.244.1.0/24"},
		"a part of it": {func(c *config.Config) { c.Subnet.Prefixes = []netip.Prefix{netip.MustParsePrefix("10.244.1.0/25")} }, "a pod has an address in 10.244.1.0/24"},
		"behind it": {func(c *config.Config) {
			c.Subnet.Prefixes, c.Routes = []netip.Prefix{subnetOf(7)}, []netip.Prefix{subnetOf(1)}
		}, "a pod has an address in 10.244.1.0/24"},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, lan, func(t *testing.T, s *site) {
				m := s.machine(1)
				f := m.withPods()
				m.start()
				within(t, 2*time.Second, "the lease is there", m.leased)
				m.addPod(f, "old")
				m.kernel.occupy(pods.Bridge)
				time.Sleep(2 * tidyPeriod)
				before := m.node.config()
				_, err := m.reload(test.edit)
				if !errors.Is(err, config.ErrConfig) || !strings.Contains(err.Error(), test.says) || m.node.config() != before {
					t.Errorf("%v", err)
				}
				if !slices.Equal(m.subnets(), []netip.Prefix{subnetOf(1)}) {
					t.Errorf("it has %v", m.subnets())
				}
			})
		})
	}
}
