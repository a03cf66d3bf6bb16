package node

import (
	"crypto/rand"
	"errors"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/weftnet/weft/encap/simnet"
	"github.com/weftnet/weft/kernel"
	"github.com/weftnet/weft/kernel/firewall"
	"github.com/weftnet/weft/node/api"
	"github.com/weftnet/weft/node/config"
	"github.com/weftnet/weft/trust"
)

// reloads makes the node read the machine's configuration again, edited.
func (m *machine) reload(edit func(*config.Config)) (*api.Reload, error) {
	m.node.reloads.source.Read = func() (config.Config, error) {
		cfg := m.cfg
		edit(&cfg)
		return cfg, nil
	}
	return m.node.Reload()
}

// set gives a key values that it takes.
func set(t *testing.T, c *config.Config, key string, values ...string) {
	t.Helper()
	i := slices.IndexFunc(config.Keys(), func(k *config.Key) bool { return k.Name == key })
	if i < 0 {
		t.Fatalf("no key %s", key)
	}
	must(t, config.Keys()[i].Set(c, values))
}

func unchanged(*config.Config) {}

// problem is what status says about a subject; empty: nothing.
func (m *machine) problem(what string) string {
	m.t.Helper()
	for _, d := range m.status().Node.Degraded {
		if d.What == what {
			return d.Reason
		}
	}
	return ""
}

// claimedRoutes are those that another claims, as far as m knows.
func (m *machine) claimedRoutes(name string) []netip.Prefix {
	for _, member := range m.node.mesh.View().Members {
		if member.Name == name && member.Claim != nil {
			return member.Claim.Routes
		}
	}
	return nil
}

// reloadable has a new value for every key that a reload can change, and how its effect shows on the second of two machines.
// Without an effect, what reads the configuration each time has tests of its own.
var reloadable = map[string]struct {
	before func(*config.Config) // at the start
	values []string
	effect func(a, b *machine) bool
}{
	"join": {
		func(c *config.Config) { c.Join = nil }, []string{"192.0.2.1"},
		func(a, b *machine) bool { return b.routes(a) && a.routes(b) }},
	"advertise": {
		nil, []string{"198.51.100.7"},
		func(_, b *machine) bool {
			return b.status().Node.Advertised[0].Endpoint == netip.MustParseAddrPort("198.51.100.7:9338")
		}},
	"mtu": {
		nil, []string{"1300"},
		func(_, b *machine) bool { return b.kernel.state().MTU == kernel.OverlayMTU(1300) }},
	"subnet": {
		nil, []string{"10.244.77.0/24"},
		func(a, b *machine) bool {
			return slices.Equal(b.subnets(), []netip.Prefix{subnetOf(77)}) && a.routes(b)
		}},
	"subnet_size": {
		func(c *config.Config) { c.Subnet = config.Subnet{Auto: true} }, []string{"26", "64"},
		func(_, b *machine) bool { return len(b.subnets()) == 1 && b.subnets()[0].Bits() == 26 }},
	"bootstrap": {
		func(c *config.Config) { c.Subnet, c.Join = config.Subnet{Auto: true}, nil }, []string{"true"},
		func(_, b *machine) bool { return len(b.subnets()) == 1 }},
	"routes": {
		nil, []string{"192.168.7.0/24"},
		func(a, _ *machine) bool { return len(a.claimedRoutes("node-2")) == 1 }},
	"certificate": {}, // see TestARenewalByReloadKeepsThePath

	"clear_on_public": {nil, []string{"true"}, nil}, // see TestAReloadThatForbidsPublicAddressesTakesTheirPathsDown

	"kubeconfig": {}, // see TestAReloadChangesWhereAndAboutWhichNodeIsAsked
	"k8s_node":   {}, // likewise

	"lease":       {}, // see TestAShorterLeaseCountsAfterAReload
	"relay":       {}, // see TestWhereTheDirectPathIsCutPacketsGoThroughAnotherNode
	"rekey":       {nil, []string{"5s"}, func(a, _ *machine) bool { return a.peer("node-2").Rekeys > 0 }},
	"secret_file": {}, // see TestAnotherSecretIsInForceAtOnceAndNamedByItsID
	"metrics":     {}, // takes a real socket: see the end-to-end tests
	"forwarding":  {nil, []string{"off"}, nil},
	"firewall":    {nil, []string{"off"}, nil},
	"mss_clamp":   {nil, []string{"off"}, func(_, b *machine) bool { return b.firewall.state().Clamp == firewall.ClampOff }},
	"mtu_probe":   {nil, []string{"off"}, func(_, b *machine) bool { return b.peer("node-1").MTUKnown == "link" }},
	"log.level":   {nil, []string{"debug"}, nil},
	"log.format":  {nil, []string{"json"}, nil},
}

func TestEveryKeyThatAReloadCanChangeTakesEffect(t *testing.T) {
	for _, k := range config.Keys() {
		test, known := reloadable[k.Name]
		if known != k.Reload {
			t.Errorf("%s: Reload is %v, and the table of this test has it: %v", k.Name, k.Reload, known)
		}
		if len(test.values) == 0 {
			continue
		}
		t.Run(k.Name, func(t *testing.T) {
			bubble(t, lan, func(t *testing.T, s *site) {
				a, b := s.machine(1), s.machine(2)
				if test.before != nil {
					test.before(&b.cfg)
				}
				a.start()
				b.start()
				time.Sleep(6 * time.Second)
				old := k.Get(&b.cfg)
				done, err := b.reload(func(c *config.Config) { set(t, c, k.Name, test.values...) })
				must(t, err)
				want := api.Change{Key: k.Name, Old: old, New: strings.Join(test.values, ",")}
				if !slices.Equal(done.Changed, []api.Change{want}) || len(done.Waiting) > 0 {
					t.Errorf("reload: %+v, want the change %v", done, want)
				}
				if got := k.Get(b.node.config()); got != want.New {
					t.Errorf("in force: %s", got)
				}
				if test.effect != nil {
					within(t, 10*time.Second, "in effect", func() bool { return test.effect(a, b) })
				}
				if text := b.problem("config"); text != "" {
					t.Errorf("status shows %q", text)
				}
			})
		})
	}
}

// waiting has a new value for every key that needs a restart.
var waiting = map[string]string{
	"authority": "authority.pub", "name": "other", "network": "10.0.0.0/8", "listen": ":9400", "encryption": "off", "device": "weft9",
	"cipher": "chacha20-poly1305",
	"driver": "plain", "lanes": "1", "offload.tso": "off", "offload.uso": "off", "offload.join_tcp": "off", "offload.join_udp": "off",
	"offload.gso": "off", "offload.gro": "off", "offload.partial": "off", "state_dir": "/elsewhere", "run_dir": "/elsewhere",
}

func TestEveryKeyThatNeedsARestartIsNamedAndShownUntilItIsPutBack(t *testing.T) {
	bubble(t, lan, func(t *testing.T, s *site) {
		m := s.machine(1)
		m.start()
		for _, k := range config.Keys() {
			value, known := waiting[k.Name]
			if known == k.Reload {
				t.Errorf("%s: Reload is %v, and the table of this test has it: %v", k.Name, k.Reload, known)
				continue
			}
			if known {
				checkWaiting(t, m, k, value)
			}
		}
	})
}

func checkWaiting(t *testing.T, m *machine, k *config.Key, value string) {
	t.Helper()
	if k.Name == "authority" {
		value = filepath.Join(filepath.Dir(m.cfg.SecretFile), value)
		authority, err := trust.NewAuthority(rand.Reader)
		must(t, err)
		must(t, os.WriteFile(value, authority.Public().PEM(), 0o644))
	}
	before := k.Get(m.node.config())
	done, err := m.reload(func(c *config.Config) { set(t, c, k.Name, value) })
	must(t, err)
	want := api.Change{Key: k.Name, Old: before, New: value}
	if !slices.Equal(done.Waiting, []api.Change{want}) || len(done.Changed) > 0 {
		t.Errorf("%s: %+v, want %v to wait", k.Name, done, want)
	}
	if now := k.Get(m.node.config()); now != before {
		t.Errorf("%s changed to %s", k.Name, now)
	}
	if text := m.problem("config"); !strings.Contains(text, "restart") || !strings.Contains(text, want.String()) {
		t.Errorf("%s: status shows %q", k.Name, text)
	}
	done, err = m.reload(unchanged)
	must(t, err)
	if len(done.Changed)+len(done.Waiting) > 0 || m.problem("config") != "" {
		t.Errorf("%s, put back: %+v, status shows %q", k.Name, done, m.problem("config"))
	}
}

func TestAConfigurationThatIsWrongChangesNothingAndIsShownUntilOneIsRight(t *testing.T) {
	conflict := &kernel.ConflictError{Kind: kernel.KindAddress, Foreign: subnetOf(9), Interface: "eth9", Network: netip.MustParsePrefix("10.244.0.0/16")}
	for name, test := range map[string]struct {
		spoil func(m *machine)
		edit  func(*config.Config)
		want  []string
	}{
		"unfit keys": {nil, func(c *config.Config) { c.Routes = []netip.Prefix{netip.MustParsePrefix("0.0.0.0/0")} }, []string{"routes", "default route"}},
		"no secret":  {nil, func(c *config.Config) { c.SecretFile += ".gone" }, []string{"secret_file", ".gone", "weft init"}},
		"a conflict": {func(m *machine) { m.kernel.conflict = conflict }, unchanged, []string{"network", "eth9"}},
		"a subnet given up": {func(m *machine) { m.kernel.occupy("cni0") }, func(c *config.Config) { c.Subnet.Prefixes = []netip.Prefix{subnetOf(5)} },
			[]string{"subnet", "10.244.1.0/24", "move it first"}},
		"more prefixes than a claim holds": {nil, manyRoutes, []string{"prefixes"}},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, lan, func(t *testing.T, s *site) {
				m := s.machine(1)
				m.start()
				within(t, 5*time.Second, "up", func() bool { return len(m.subnets()) == 1 })
				if test.spoil != nil {
					test.spoil(m)
				}
				before := m.node.config()
				_, err := m.reload(func(c *config.Config) {
					c.MTU = 1300
					test.edit(c)
				})
				if !errors.Is(err, config.ErrConfig) || strings.Contains(err.Error(), "\n") {
					t.Fatalf("Reload = %v", err)
				}
				for _, w := range test.want {
					if !strings.Contains(err.Error(), w) || !strings.Contains(m.problem("config"), w) {
						t.Errorf("%q does not name %s, nor does status: %q", err, w, m.problem("config"))
					}
				}
				if m.node.config() != before {
					t.Error("another configuration is in force")
				}
				m.kernel.conflict = nil
				m.secret(7)
				_, err = m.reload(unchanged)
				must(t, err)
				if text := m.problem("config"); text != "" {
					t.Errorf("afterwards status shows %q", text)
				}
			})
		})
	}
}

// manyRoutes are more than fit into one claim.
func manyRoutes(c *config.Config) {
	for i := range 600 {
		c.Routes = append(c.Routes, netip.PrefixFrom(netip.AddrFrom4([4]byte{172, 16 + byte(i>>8), byte(i), 0}), 24))
	}
}

func TestWhatDoesNotGoTogetherWithTheRunningKeysWaitsForTheRestartToo(t *testing.T) {
	bubble(t, lan, func(t *testing.T, s *site) {
		m := s.machine(1)
		m.start()
		done, err := m.reload(func(c *config.Config) {
			set(t, c, "network", "10.99.0.0/16")
			set(t, c, "subnet", "10.99.1.0/24")
			set(t, c, "mtu", "1300")
		})
		must(t, err)
		var names []string
		for _, c := range done.Waiting {
			names = append(names, c.Key)
		}
		if len(done.Changed) > 0 || !slices.Equal(names, []string{"network", "subnet", "mtu"}) {
			t.Errorf("%+v", done)
		}
		if m.node.config().MTU != 0 {
			t.Error("the MTU changed")
		}
	})
}

func TestASecondSubnetMayBeAddedWhereSomebodyLivesInTheFirst(t *testing.T) {
	bubble(t, lan, func(t *testing.T, s *site) {
		m := s.machine(1)
		m.start()
		within(t, 5*time.Second, "up", func() bool { return len(m.subnets()) == 1 })
		m.kernel.occupy("cni0")
		_, err := m.reload(func(c *config.Config) { c.Subnet.Prefixes = []netip.Prefix{subnetOf(1), subnetOf(5)} })
		must(t, err)
		within(t, 5*time.Second, "both are ours", func() bool { return len(m.subnets()) == 2 })
	})
}

func TestPacketsFlowWhileEverythingThatCanBeReloadedChanges(t *testing.T) {
	bubble(t, lan, func(t *testing.T, s *site) {
		a, b := s.machine(1), s.machine(2)
		a.start()
		b.start()
		within(t, 5*time.Second, "joined", joinedUp(a, b))
		for i, edit := range []func(*config.Config){
			func(c *config.Config) { c.MTU = 1300 },
			func(c *config.Config) { c.Join = nil },
			func(c *config.Config) { c.Routes = []netip.Prefix{netip.MustParsePrefix("192.168.7.0/24")} },
			func(c *config.Config) { c.Subnet.Prefixes = []netip.Prefix{subnetOf(2), subnetOf(5)} },
			func(c *config.Config) { c.Name = "other" },
			unchanged,
		} {
			_, err := b.reload(edit)
			must(t, err)
			if !a.carries(b) || !b.carries(a) {
				t.Errorf("after change %d packets are lost", i)
			}
			time.Sleep(time.Second)
			if !a.carries(b) || !b.carries(a) {
				t.Errorf("a second after change %d packets are lost", i)
			}
		}
	})
}

func TestManyReloadsAtOnceEndWithTheLatestConfiguration(t *testing.T) {
	bubble(t, simnet.Options{Delay: time.Millisecond}, func(t *testing.T, s *site) {
		m := s.machine(1)
		m.start()
		var mu sync.Mutex // guards reads
		reads := 0
		m.node.reloads.source.Read = func() (config.Config, error) {
			mu.Lock()
			defer mu.Unlock()
			reads++
			cfg := m.cfg
			cfg.MTU = config.MinMTU + reads
			return cfg, nil
		}
		var all sync.WaitGroup
		for range 10 {
			all.Go(func() {
				if _, err := m.node.Reload(); err != nil {
					t.Error(err)
				}
			})
		}
		all.Wait()
		if got := m.node.config().MTU; reads != 10 || got != config.MinMTU+10 {
			t.Errorf("%d reads, MTU %d", reads, got)
		}
		within(t, 5*time.Second, "in effect", func() bool { return m.kernel.state().MTU == kernel.OverlayMTU(config.MinMTU+10) })
	})
}

func TestAReloadThatWasAskedForBeforeTheNodeRanIsDoneWhenItRuns(t *testing.T) {
	bubble(t, lan, func(t *testing.T, s *site) {
		m := s.machine(1)
		must(t, m.boot())
		asked := make(chan struct{}, 1)
		asked <- struct{}{}
		changed := m.cfg
		changed.MTU = 1300
		m.node.reloads.source = Source{Read: func() (config.Config, error) { return changed, nil }, Asked: asked}
		m.run()
		within(t, 5*time.Second, "in effect", func() bool { return m.kernel.state().MTU == kernel.OverlayMTU(1300) })
	})
}

func TestANodeWithoutASourceSaysThatItCannotReload(t *testing.T) {
	bubble(t, lan, func(t *testing.T, s *site) {
		m := s.machine(1)
		m.start()
		if _, err := m.node.Reload(); !errors.Is(err, errNoSource) {
			t.Errorf("Reload = %v", err)
		}
	})
}

func TestTheControlSocketReloads(t *testing.T) {
	m, client := realTime(t)
	if _, err := client.Reload(t.Context()); err == nil || errors.Is(err, api.ErrRejected) {
		t.Errorf("without a source: %v", err)
	}
	next := m.cfg
	next.MTU = 1300
	m.node.reloads.source.Read = func() (config.Config, error) { return next, next.Validate() }
	done, err := client.Reload(t.Context())
	must(t, err)
	if want := "mtu (auto -> 1300)"; api.Changes(done.Changed) != want {
		t.Errorf("changed %s, want %s", api.Changes(done.Changed), want)
	}
	next.Name = ""
	if _, err := client.Reload(t.Context()); !errors.Is(err, api.ErrRejected) || !strings.Contains(err.Error(), "name: is empty") {
		t.Errorf("a wrong configuration: %v", err)
	}
}
