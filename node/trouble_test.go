package node

import (
	"errors"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/weftnet/weft/encap/simnet"
	"github.com/weftnet/weft/kernel"
	"github.com/weftnet/weft/node/api"
	"github.com/weftnet/weft/node/config"
	"github.com/weftnet/weft/node/statedir"
	"github.com/weftnet/weft/trust"
)

// auto lets a node find its subnet in a network with room for four.
func auto(c *config.Config) {
	c.Network = []netip.Prefix{netip.MustParsePrefix("10.244.0.0/22")}
	c.Subnet, c.Bootstrap = config.Subnet{Auto: true}, len(c.Join) == 0
}

func TestAutoSubnetsThatCollideSettleAndStay(t *testing.T) {
	bubble(t, lan, func(t *testing.T, s *site) {
		for i := range 4 { // four nodes for four subnets: somebody's first choice is always taken
			s.machine(i+1, auto)
		}
		for _, m := range s.machines {
			m.start()
		}
		took := within(t, 10*time.Second, "all route to all", joinedUp(s.machines...))
		t.Logf("took %v", took)
		chosen := map[netip.Prefix]string{}
		for _, m := range s.machines {
			for _, p := range m.subnets() {
				if chosen[p] != "" {
					t.Errorf("%s and %s both have %v", chosen[p], m.cfg.Name, p)
				}
				chosen[p] = m.cfg.Name
			}
		}
		for _, m := range s.machines {
			m.kill()
		}
		for _, m := range s.machines {
			m.start()
		}
		within(t, 5*time.Second, "all route to all", joinedUp(s.machines...))
		for _, m := range s.machines {
			if got := m.subnets(); len(got) != 1 || chosen[got[0]] != m.cfg.Name {
				t.Errorf("%s has %v after the restart, before: %v", m.cfg.Name, got, chosen)
			}
			if c := m.status().Node.Conflicts; len(c) != 0 {
				t.Errorf("%s: conflicts %+v", m.cfg.Name, c)
			}
		}
	})
}

func TestANodeWithAnAutoSubnetWaitsForAPeerAndSaysSo(t *testing.T) {
	bubble(t, lan, func(t *testing.T, s *site) {
		a, b := s.machine(1, auto), s.machine(2, auto)
		b.start()
		time.Sleep(time.Minute)
		n := b.status().Node
		if len(n.Subnets) != 0 || n.SubnetNote == "" || n.SubnetMode != "auto" {
			t.Errorf("subnets %v, mode %q, note %q", n.Subnets, n.SubnetMode, n.SubnetNote)
		}
		a.start()
		within(t, 8*time.Second, "both route to both", joinedUp(a, b))
		within(t, time.Second, "nothing is left to say", func() bool { return b.status().Node.SubnetNote == "" })
	})
}

func TestAStaticConflictIsReportedOnBothSidesByNameAndTrafficGoesOn(t *testing.T) {
	bubble(t, lan, func(t *testing.T, s *site) {
		a, b := s.machine(1), s.machine(2)
		a.start()
		b.start()
		within(t, time.Second, "a and b route to each other", joinedUp(a, b))
		c := s.machine(3, func(c *config.Config) { c.Subnet.Prefixes = []netip.Prefix{subnetOf(2), subnetOf(3)} })
		c.start()
		within(t, 2*time.Second, "a routes the rest of c", func() bool {
			return slices.ContainsFunc(a.kernel.state().Routes, func(r kernel.Route) bool { return r.Prefix == subnetOf(3) })
		})
		time.Sleep(time.Second)
		for _, m := range s.machines {
			notes := m.status().Node.Conflicts
			if len(notes) != 1 || notes[0].What != subnetOf(2).String() || !strings.Contains(notes[0].Reason, "node-2") || !strings.Contains(notes[0].Reason, "node-3") {
				t.Errorf("%s: conflicts %+v", m.cfg.Name, notes)
			}
		}
		for range 10 {
			time.Sleep(time.Second)
			if !a.carries(b) || !b.carries(a) {
				t.Fatal("traffic between a and b stopped")
			}
		}
		routes, err := a.node.Routes()
		must(t, err)
		if i := slices.IndexFunc(routes, func(r api.Route) bool { return r.Kind == "conflict" }); i < 0 || routes[i].Owner != "node-3" {
			t.Errorf("a: routes %+v", routes)
		}
	})
}

func TestANodeOfAnotherClusterOrSettingIsRefusedAndNamedOnBothSidesWithin5Seconds(t *testing.T) {
	for name, differ := range map[string]func(m *machine){
		"network":    func(m *machine) { m.cfg.Network = []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")} },
		"encryption": func(m *machine) { m.cfg.Encryption = false },
		"secret":     func(m *machine) { m.secret(8) },
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, lan, func(t *testing.T, s *site) {
				a, b := s.machine(1), s.machine(2)
				differ(b)
				a.start()
				b.start()
				time.Sleep(5 * time.Second)
				for _, x := range []struct{ m, other *machine }{{a, b}, {b, a}} {
					checkRefused(t, x.m, x.other, name)
				}
				time.Sleep(5 * time.Minute)
				for _, x := range []struct{ m, other *machine }{{a, b}, {b, a}} {
					checkRefused(t, x.m, x.other, name) // still said, and said once
				}
			})
		})
	}
}

// checkRefused looks for the one note that names the other node and what differs.
func checkRefused(t *testing.T, m, other *machine, what string) {
	t.Helper()
	if len(m.kernel.state().Routes) != 0 {
		t.Errorf("%s routes to a node that it refuses", m.cfg.Name)
	}
	notes := m.status().Node.Refused
	if len(notes) == 0 {
		t.Fatalf("%s: nobody is refused", m.cfg.Name)
	}
	text := notes[0].What + " " + notes[0].Reason
	if len(notes) != 1 || !strings.Contains(text, addrOf(other.number).String()) || !strings.Contains(text, what) {
		t.Errorf("%s: refused %+v", m.cfg.Name, notes)
	}
	if what != "secret" && !strings.Contains(text, other.cfg.Name) { // who has another secret cannot be believed a name
		t.Errorf("%s: refused %+v, without the name", m.cfg.Name, notes)
	}
}

func TestASeedThatRefusesIsShownWithTheReason(t *testing.T) {
	bubble(t, lan, func(t *testing.T, s *site) {
		a, b := s.machine(1), s.machine(2)
		b.secret(8)
		a.start()
		b.start()
		time.Sleep(5 * time.Second)
		seeds := b.status().Node.Seeds
		if len(seeds) != 1 || !strings.Contains(seeds[0].State, "secret") || seeds[0].Tries == 0 {
			t.Errorf("seeds %+v", seeds)
		}
	})
}

func TestTheYoungerOfTwoClonesStopsAndNamesTheFileToDelete(t *testing.T) {
	bubble(t, lan, func(t *testing.T, s *site) {
		a, b := s.pair()
		time.Sleep(time.Minute)
		c := s.machine(3, func(c *config.Config) { c.Subnet.Prefixes = []netip.Prefix{subnetOf(2)} })
		c.copyState(b)
		c.start()
		var err error
		select {
		case err = <-c.ended:
		case <-time.After(10 * time.Second):
			t.Fatal("the clone still runs")
		}
		c.cancel()
		c.cancel = nil
		if file := filepath.Join(c.cfg.StateDir, trust.IdentityFile); err == nil || !strings.Contains(err.Error(), file) {
			t.Errorf("the error is %v; it must name %s", err, file)
		}
		if strings.Contains(err.Error(), "\n") {
			t.Errorf("more than one line: %q", err)
		}
		time.Sleep(30 * time.Second)
		if !joinedUp(a, b)() || !a.carries(b) || !b.carries(a) {
			t.Error("the older one suffered")
		}
		must(t, os.RemoveAll(c.cfg.StateDir))
		c.cfg.Subnet.Prefixes = []netip.Prefix{subnetOf(3)}
		c.start()
		within(t, 5*time.Second, "all route to all", joinedUp(a, b, c))
	})
}

// copyState gives m the state directory of another machine, as a cloned disk has it.
func (m *machine) copyState(of *machine) {
	m.t.Helper()
	must(m.t, os.RemoveAll(m.cfg.StateDir))
	must(m.t, os.CopyFS(m.cfg.StateDir, os.DirFS(of.cfg.StateDir)))
	must(m.t, os.Chmod(filepath.Join(m.cfg.StateDir, trust.IdentityFile), 0o600))
}

func TestAStateDirectoryRolledBackIsMadeUpForByAHigherVersion(t *testing.T) {
	rollBack(t, 0, 3*time.Second)
}

// After a run with a clock that was ahead the stamps of handshakes count starts, and the roll back takes them back too: then
// the peer has to call, which it does within its longest pause.
func TestAStateDirectoryRolledBackWhoseClockWasAheadIsMadeUpForByThePeersCall(t *testing.T) {
	rollBack(t, time.Hour, 15*time.Second)
}

// rollBack runs a node five times, each time with another claim and so a higher version, restores the state directory of
// before, and runs it again. In an earlier run its clock was ahead by so much.
func rollBack(t *testing.T, ahead, limit time.Duration) {
	bubble(t, lan, func(t *testing.T, s *site) {
		a, b := s.pair()
		b.stop()
		must(t, statedir.WriteEpoch(b.cfg.StateDir, uint64(time.Now().Add(ahead).UnixMilli())))
		old := filepath.Join(s.dir, "snapshot")
		must(t, os.CopyFS(old, os.DirFS(b.cfg.StateDir)))
		for i := range 5 {
			b.cfg.Routes = []netip.Prefix{netip.PrefixFrom(netip.AddrFrom4([4]byte{172, 16, byte(i), 0}), 24)}
			b.start()
			within(t, 2*time.Second, "a routes it", func() bool { return len(a.kernel.state().Routes) == 2 })
			b.stop()
		}
		must(t, os.RemoveAll(b.cfg.StateDir))
		must(t, os.CopyFS(b.cfg.StateDir, os.DirFS(old)))
		must(t, os.Chmod(filepath.Join(b.cfg.StateDir, trust.IdentityFile), 0o600))
		b.cfg.Routes = []netip.Prefix{netip.MustParsePrefix("172.31.0.0/16")}
		b.start()
		took := within(t, limit, "a has the claim of the last run", func() bool {
			r := a.kernel.state().Routes
			return len(r) == 2 && r[1].Prefix == b.cfg.Routes[0]
		})
		t.Logf("took %v", took)
		if !a.carries(b) || !b.carries(a) {
			t.Error("nothing goes through")
		}
	})
}

func TestTCPWithoutUDPIsNamedAsSuch(t *testing.T) {
	bubble(t, simnet.Options{Delay: time.Millisecond, Loss: 1}, func(t *testing.T, s *site) {
		a, b := s.machine(1), s.machine(2)
		a.start()
		b.start()
		within(t, time.Second, "a knows b", func() bool { return a.peer("node-2").State == api.StateDown })
		time.Sleep(15 * time.Second)
		tried := strings.Join(a.peer("node-2").Tried, "\n")
		if !strings.Contains(tried, "TCP works, UDP does not") || !strings.Contains(tried, "UDP to 192.0.2.2:9338") {
			t.Errorf("tried: %s", tried)
		}
		s.net.SetLoss(0)
		within(t, 10*time.Second, "both route to both", joinedUp(a, b))
		if p := a.peer("node-2"); len(p.Tried) != 0 || p.Reason != "" {
			t.Errorf("a says %+v", p)
		}
	})
}

func TestWhatTheKernelRefusesIsSaidAndTriedAgain(t *testing.T) {
	bubble(t, lan, func(t *testing.T, s *site) {
		a, b := s.machine(1), s.machine(2)
		a.start()
		time.Sleep(time.Second)
		a.kernel.refuse(&kernel.ConflictError{Kind: kernel.KindRoute, Foreign: subnetOf(2), Interface: "eth7", Network: a.cfg.Network[0]})
		b.start()
		within(t, 2*time.Second, "it is said", func() bool {
			d := a.status().Node.Degraded
			return len(d) == 1 && strings.Contains(d[0].Reason, "eth7")
		})
		a.kernel.refuse(nil)
		within(t, 5*time.Second, "the route is there", joinedUp(a, b))
		synctest.Wait()
		if d := a.status().Node.Degraded; len(d) != 0 {
			t.Errorf("degraded %+v", d)
		}
	})
}

func TestAHostWhoseNetworkIsTakenIsRefusedAsConfiguration(t *testing.T) {
	bubble(t, lan, func(t *testing.T, s *site) {
		a := s.machine(1)
		a.kernel.conflict = &kernel.ConflictError{Kind: kernel.KindAddress, Foreign: netip.MustParsePrefix("10.244.9.9/24"), Interface: "eth0", Network: a.cfg.Network[0]}
		if err := a.boot(); !errors.Is(err, config.ErrConfig) || !strings.Contains(err.Error(), "eth0") {
			t.Errorf("New = %v", err)
		}
		a.kernel.conflict = nil
		for what, spoil := range map[string]func(){
			"missing":          func() { must(t, os.Remove(a.cfg.SecretFile)) },
			"of a wrong size":  func() { must(t, os.WriteFile(a.cfg.SecretFile, []byte("c2hvcnQ=\n"), 0o600)) },
			"not even base64!": func() { must(t, os.WriteFile(a.cfg.SecretFile, []byte("***\n"), 0o600)) },
		} {
			spoil()
			if err := a.boot(); !errors.Is(err, config.ErrConfig) || !strings.Contains(err.Error(), a.cfg.SecretFile) || strings.Contains(err.Error(), "\n") {
				t.Errorf("secret %s: New = %v", what, err)
			}
			a.secret(7)
		}
	})
}
