package node

import (
	"errors"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/weftnet/weft/encap/simnet"
	"github.com/weftnet/weft/node/api"
	"github.com/weftnet/weft/node/config"
)

// public is an address that routers of the Internet carry; nothing leaves this process.
var public = netip.MustParseAddr("9.9.9.9")

func inClear(c *config.Config)       { c.Encryption = false }
func clearOnPublic(c *config.Config) { c.Encryption, c.ClearOnPublic = false, true }

func TestWithoutEncryptionAStartAtAPublicAddressIsRefusedUnlessForced(t *testing.T) {
	bubble(t, lan, func(t *testing.T, s *site) {
		a := s.machine(1)
		a.host.Readdress(public)
		sealed := a.cfg
		for _, test := range []struct {
			edit    func(*config.Config)
			refused bool
		}{
			{inClear, true}, {clearOnPublic, false}, {func(*config.Config) {}, false},
			{func(c *config.Config) { inClear(c); c.Advertise = []netip.Addr{addrOf(1)} }, false},
		} {
			a.cfg = sealed
			test.edit(&a.cfg)
			err := a.boot()
			if test.refused != errors.Is(err, config.ErrConfig) {
				t.Errorf("New = %v, want it refused: %v", err, test.refused)
			}
			if err == nil {
				continue
			}
			for _, want := range []string{"advertise: ", public.String(), "encryption is off", "read and alter", "inject", "clear_on_public: true"} {
				if !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "\n") {
					t.Errorf("%q is not one line with %q", err, want)
				}
			}
		}
	})
}

// carriers are the two ends of a cluster without encryption, the second of which is at a public address.
func carriers(s *site, edit func(*config.Config)) (a, b *machine, logA, logB *logTail) {
	a, b = s.machine(1, edit), s.machine(2, clearOnPublic)
	b.host.Readdress(public)
	must(s.t, a.boot())
	must(s.t, b.boot())
	logA, logB = a.logged(), b.logged()
	a.run()
	b.run()
	return a, b, logA, logB
}

func TestAPeerAtAPublicAddressIsNotCalledInClearAndStatusSaysWhy(t *testing.T) {
	bubble(t, lan, func(t *testing.T, s *site) {
		a, b, logA, logB := carriers(s, inClear)
		var seen api.Peer
		within(t, 20*time.Second, "status says why", func() bool {
			seen = a.peer("node-2")
			return strings.Contains(seen.Reason, "encryption is off and its address is public")
		})
		time.Sleep(time.Minute)
		if p := a.peer("node-2"); p.State != api.StateDown || p.Path != "none" || b.peer("node-1").State == api.StateUp {
			t.Errorf("%+v, and the other way %+v", p, b.peer("node-1"))
		}
		if n := logA.count("router.peer.barred"); n != 1 {
			t.Errorf("it is logged %d times", n)
		}
		if d := b.degraded("encryption"); !strings.Contains(d, "clear_on_public") || !strings.Contains(d, "read and alter") {
			t.Errorf("the node that is forced says %q", d)
		}
		if n := logB.count("node.clear.forced"); n != 1 {
			t.Errorf("that is logged %d times", n)
		}
	})
}

func TestForcedOnBothSidesPublicAddressesAreCalledInClear(t *testing.T) {
	bubble(t, lan, func(t *testing.T, s *site) {
		a, _, _, _ := carriers(s, clearOnPublic)
		within(t, 20*time.Second, "the path is up", func() bool { return a.peer("node-2").State == api.StateUp })
		if a.peer("node-2").Sealed {
			t.Error("it is sealed")
		}
	})
}

func TestAReloadThatForbidsPublicAddressesTakesTheirPathsDown(t *testing.T) {
	bubble(t, lan, func(t *testing.T, s *site) {
		a, _, _, _ := carriers(s, clearOnPublic)
		within(t, 20*time.Second, "the path is up", func() bool { return a.peer("node-2").State == api.StateUp })
		done, err := a.reload(func(c *config.Config) { c.ClearOnPublic = false })
		must(t, err)
		if len(done.Changed) != 1 || done.Changed[0].Key != "clear_on_public" {
			t.Errorf("changed %+v", done)
		}
		within(t, time.Second, "the path is down", func() bool { return a.peer("node-2").State == api.StateDown })
		if d := a.degraded("encryption"); d != "" {
			t.Errorf("still degraded: %s", d)
		}
	})
}

func TestAnAddressThatBecomesPublicIsNotTold(t *testing.T) {
	bubble(t, lan, func(t *testing.T, s *site) {
		a := s.machine(1, inClear)
		a.start()
		a.host.Readdress(public)
		a.node.kernelChanged()
		within(t, 10*time.Second, "it is said", func() bool { return strings.Contains(a.degraded("encryption"), public.String()) })
		if list := a.status().Node.Advertised; len(list) > 0 {
			t.Errorf("advertised %+v", list)
		}
		if _, err := a.reload(unchanged); !errors.Is(err, config.ErrConfig) || !strings.Contains(err.Error(), "advertise: "+public.String()) {
			t.Errorf("a reload: %v", err)
		}
	})
}

func TestEncryptionChangesWithARestartOnly(t *testing.T) {
	for name, before := range map[string]bool{"on to off": true, "off to on": false} {
		t.Run(name, func(t *testing.T) {
			bubble(t, simnet.Options{Delay: time.Millisecond}, func(t *testing.T, s *site) {
				mode := func(c *config.Config) { c.Encryption = before }
				a, b := s.machine(1, mode), s.machine(2, mode)
				a.start()
				b.start()
				up := func() bool { return a.peer("node-2").State == api.StateUp && b.peer("node-1").State == api.StateUp }
				within(t, 10*time.Second, "both up", up)
				done, err := a.reload(func(c *config.Config) { c.Encryption = !before })
				must(t, err)
				if len(done.Changed) != 0 || len(done.Waiting) != 1 || done.Waiting[0].Key != "encryption" {
					t.Errorf("%+v, want encryption to wait", done)
				}
				if d := a.degraded("config"); !strings.Contains(d, "needs a restart: encryption ("+config.OnOff(before)+" -> "+config.OnOff(!before)+")") {
					t.Errorf("degraded %q", d)
				}
				time.Sleep(5 * time.Minute) // rekeys
				if p := a.peer("node-2"); !up() || p.Sealed != before || p.Rekeys == 0 || a.status().Node.Encryption != config.OnOff(before) {
					t.Errorf("after the reload %+v, encryption %s", p, a.status().Node.Encryption)
				}
				a.stop()
				a.cfg.Encryption = !before
				a.start()
				refused := func(m *machine) bool {
					for _, r := range m.status().Node.Refused {
						if strings.Contains(r.Reason, "encryption") {
							return true
						}
					}
					return false
				}
				within(t, 10*time.Second, "both name the difference", func() bool { return refused(a) && refused(b) })
				if a.peer("node-2").Session || b.peer("node-1").State == api.StateUp {
					t.Errorf("there is a session: %+v, %+v", a.peer("node-2"), b.peer("node-1"))
				}
			})
		})
	}
}
