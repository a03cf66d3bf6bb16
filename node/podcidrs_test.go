package node

import (
	"context"
	"errors"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/weftnet/weft/mesh"
	"github.com/weftnet/weft/node/config"
	"github.com/weftnet/weft/node/kubernetes"
	"github.com/weftnet/weft/trust"
)

// fakeAPIServer is what a node asks for its podCIDRs.
type fakeAPIServer struct {
	mu    sync.Mutex // guards the rest
	nodes map[string][]netip.Prefix
	err   error
	last  kubernetes.Query
	asked int
}

// say makes the server give a node these podCIDRs; none: the node has none yet.
func (f *fakeAPIServer) say(node string, list ...netip.Prefix) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.nodes[node], f.err = list, nil
}

// fail makes the server answer nothing.
func (f *fakeAPIServer) fail(err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.err = err
}

func (f *fakeAPIServer) query() (kubernetes.Query, int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.last, f.asked
}

func (m *machine) askKubernetes(_ context.Context, q kubernetes.Query) (kubernetes.Answer, error) {
	f := m.server
	if f == nil {
		return kubernetes.Answer{}, errors.New("the machine has no API server")
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.last, f.asked = q, f.asked+1
	a := kubernetes.Answer{Server: "https://192.0.2.100:6443", Origin: "a test", PodCIDRs: f.nodes[q.Node]}
	if f.err == nil && len(a.PodCIDRs) == 0 {
		return a, &kubernetes.Error{Kind: kubernetes.NoPodCIDRs, Text: "the node has none yet"}
	}
	return a, f.err
}

// k8s makes a machine's node one of Kubernetes, with an API server that knows of no podCIDRs yet.
func (m *machine) k8s() *fakeAPIServer {
	m.server = &fakeAPIServer{nodes: map[string][]netip.Prefix{}}
	m.cfg.Subnet = config.Subnet{K8s: true}
	return m.server
}

var errAway = &kubernetes.Error{Kind: kubernetes.Unreachable, Text: "dial: connection refused"}

func (m *machine) routesTo(p netip.Prefix) bool {
	for _, r := range m.kernel.state().Routes {
		if r.Prefix == p {
			return true
		}
	}
	return false
}

// kindOf is how a node came by its subnets, as m heard it.
func (m *machine) kindOf(name string) mesh.Kind {
	for _, member := range m.node.mesh.View().Members {
		if member.Name == name && member.Claim != nil {
			return member.Claim.Kind
		}
	}
	return 0
}

func TestANodeWaitsForItsPodCIDRsAndClaimsThemWhenTheyCome(t *testing.T) {
	bubble(t, lan, func(t *testing.T, s *site) {
		a, b := s.machine(1), s.machine(2)
		server := b.k8s()
		b.withPods()
		a.start()
		b.start()
		within(t, 2*time.Second, "the peer is up", func() bool { return a.peer("node-2").State == "up" })
		time.Sleep(time.Minute)
		want := "waits for spec.podCIDRs of node node-2 at https://192.0.2.100:6443: the node has none yet"
		n := b.status().Node
		if !strings.Contains(n.SubnetNote, want) || !strings.Contains(n.SubnetNote, "since 2000-01-01 00:00:0") || n.SubnetMode != "k8s" || len(n.Subnets) > 0 {
			t.Errorf("mode %s, subnets %v, note %q", n.SubnetMode, n.Subnets, n.SubnetNote)
		}
		if !strings.Contains(n.Pods.Reason, want) || b.problem("kubernetes") != want || n.Kubernetes.Kind != "no_podcidrs" || n.Kubernetes.Since.IsZero() {
			t.Errorf("pods: %q; degraded: %q; kubernetes: %+v", n.Pods.Reason, b.problem("kubernetes"), n.Kubernetes)
		}
		server.say("node-2", subnetOf(42))
		within(t, 8*time.Second, "both route to both", joinedUp(a, b))
		within(t, time.Second, "pods may start", b.leased)
		n = b.status().Node
		if !a.routesTo(subnetOf(42)) || a.kindOf("node-2") != mesh.KindK8s || n.SubnetNote != "" || b.problem("kubernetes") != "" {
			t.Errorf("kind %v, note %q, degraded %q", a.kindOf("node-2"), n.SubnetNote, b.problem("kubernetes"))
		}
		if k := n.Kubernetes; k.Node != "node-2" || k.NodeFrom != "name" || k.Reason != "" || !k.Since.IsZero() || k.Answered.IsZero() ||
			!slices.Equal(k.InForce, k.PodCIDRs) || !slices.Equal(k.InForce, []netip.Prefix{subnetOf(42)}) || k.Credentials != "a test" {
			t.Errorf("kubernetes: %+v", k)
		}
		if !a.carries(b) {
			t.Error("no packet gets through")
		}
	})
}

func TestPodCIDRsOfBothFamiliesKeepTheirOrder(t *testing.T) {
	bubble(t, lan, func(t *testing.T, s *site) {
		m := s.machine(1)
		m.cfg.Network = append(m.cfg.Network, netip.MustParsePrefix("fd00:244::/48"))
		want := []netip.Prefix{subnet6Of(1), subnetOf(1)}
		m.k8s().say("node-1", want...)
		m.start()
		within(t, 2*time.Second, "both are its own", func() bool { return len(m.subnets()) == 2 })
		if got := m.status().Node.Kubernetes.InForce; !slices.Equal(got, want) {
			t.Errorf("in force %v, want %v", got, want)
		}
	})
}

func TestAServerThatIsAwayStopsNoNodeAndARestartGoesOnWithWhatWasKnown(t *testing.T) {
	bubble(t, lan, func(t *testing.T, s *site) {
		a, b := s.machine(1), s.machine(2)
		server := b.k8s()
		server.say("node-2", subnetOf(42))
		a.start()
		b.start()
		within(t, 2*time.Second, "both route to both", joinedUp(a, b))
		server.fail(errAway)
		time.Sleep(10 * time.Minute)
		want := "spec.podCIDRs of node node-2 at https://192.0.2.100:6443: dial: connection refused; it goes on with 10.244.42.0/24"
		if got := b.problem("kubernetes"); !strings.Contains(got, want) || !a.routes(b) || !a.carries(b) {
			t.Errorf("degraded: %q", got)
		}
		b.stop()
		b.start()
		within(t, 2*time.Second, "both route to both", joinedUp(a, b))
		if got := b.problem("kubernetes"); !strings.Contains(got, want) || !a.carries(b) || a.kindOf("node-2") != mesh.KindK8s {
			t.Errorf("after the restart: %q, kind %v", got, a.kindOf("node-2"))
		}
		server.say("node-2", subnetOf(42))
		within(t, 2*time.Minute, "all is well", func() bool { return b.problem("kubernetes") == "" })

		b.stop()
		server.fail(errAway)
		b.cfg.K8sNode = "another"
		b.start()
		time.Sleep(time.Minute)
		if n := b.status().Node; len(n.Subnets) > 0 || !strings.Contains(n.SubnetNote, "of node another") {
			t.Errorf("another node has %v: %q", n.Subnets, n.SubnetNote)
		}
	})
}

func TestAnotherPodCIDRIsTakenAndPodsOfTheFormerOneLiveOn(t *testing.T) {
	bubble(t, lan, func(t *testing.T, s *site) {
		a, b := s.machine(1), s.machine(2)
		server := b.k8s()
		server.say("node-2", subnetOf(42))
		f := b.withPods()
		a.start()
		b.start()
		within(t, 2*time.Second, "pods may start", func() bool { return b.leased() && a.routesTo(subnetOf(42)) })
		b.addPod(f, "old")
		server.say("node-2", subnetOf(43))
		within(t, settled, "the peer has both", func() bool {
			if !a.routesTo(subnetOf(42)) && b.peer("node-1").State == "up" {
				t.Fatal("the peer has lost the former one")
			}
			return a.routesTo(subnetOf(42)) && a.routesTo(subnetOf(43))
		})
		within(t, 3*tidyPeriod, "status says so", func() bool { return strings.Contains(b.problem("former_subnet"), "10.244.42.0/24 has 1 pod") })
		if _, err := b.reload(func(c *config.Config) { c.MTU = 1300 }); err != nil {
			t.Errorf("a reload meanwhile: %v", err)
		}
		b.deletePod(f, "old")
		within(t, 3*tidyPeriod, "the former one is given up", func() bool { return slices.Equal(b.subnets(), []netip.Prefix{subnetOf(43)}) })
	})
}

// settled is more than the longest time between two questions to a server that answers.
const settled = 3 * time.Minute

func TestPodCIDRsThatCannotBeAreNamedWithWhatToSet(t *testing.T) {
	for name, test := range map[string]struct {
		edit func(*machine)
		cidr string
		says []string
	}{
		"network": {nil, "10.42.1.0/24", []string{"10.42.1.0/24, which is not inside network 10.244.0.0/16", "set network on all nodes", "--cluster-cidr", "10.42.0.0/16"}},
		"all":     {nil, "10.244.0.0/16", []string{"all of network"}},
		"routes": {func(m *machine) { m.cfg.Routes = []netip.Prefix{netip.MustParsePrefix("10.244.9.128/25")} }, "10.244.9.0/24",
			[]string{"routes", "10.244.9.128/25 overlaps subnet 10.244.9.0/24"}},
		"kernel": {func(m *machine) { m.kernel.conflict = errors.New("kernel: address 10.244.9.1/24 of docker0") }, "10.244.9.0/24",
			[]string{"docker0"}},
		"underlay": {func(m *machine) {
			m.cfg.Join = []string{"seed.example"}
			m.host.Readdress(addrOf(9), netip.MustParseAddr("10.244.9.9"))
		},
			"10.244.9.0/24", []string{"it covers 10.244.9.9"}},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, lan, func(t *testing.T, s *site) {
				m := s.machine(9)
				m.cfg.Join = nil
				server := m.k8s()
				m.start()
				time.Sleep(time.Second)
				if test.edit != nil {
					m.stop()
					test.edit(m)
					if name == "kernel" {
						conflict := m.kernel.conflict
						m.kernel.conflict = nil
						m.start()
						m.kernel.conflict = conflict
					} else {
						m.start()
					}
				}
				server.say("node-9", netip.MustParsePrefix(test.cidr))
				within(t, 8*time.Second, "the server was heard", func() bool { return m.status().Node.Kubernetes.Kind == "not_usable" })
				for _, want := range test.says {
					if got := m.problem("kubernetes"); !strings.Contains(got, want) || !strings.Contains(m.status().Node.SubnetNote, want) {
						t.Errorf("%q does not say %q", got, want)
					}
				}
				if got := m.subnets(); len(got) > 0 {
					t.Errorf("it has %v", got)
				}
				if _, err := os.Stat(filepath.Join(m.cfg.StateDir, kubernetes.StoreFile)); err == nil {
					t.Error("they were stored")
				}
			})
		})
	}
}

func TestAPodCIDRThatTheCertificateDoesNotAllowWaitsForOneThatDoes(t *testing.T) {
	bubble(t, lan, func(t *testing.T, s *site) {
		o, m := s.operator(1), s.machine(1)
		server := m.k8s()
		allowing := func(list ...netip.Prefix) func(*trust.Certificate) {
			return func(c *trust.Certificate) { c.Subnets = list }
		}
		o.certify(m, allowing(subnetOf(42)))
		server.say("node-1", subnetOf(43))
		must(t, m.boot())
		log := m.logged()
		m.run()
		want := "certificate: it does not allow podCIDR 10.244.43.0/24 (it allows 10.244.42.0/24): sign another one with --subnet 10.244.43.0/24, and run 'weft reload'"
		within(t, 8*time.Second, "the server was heard", func() bool { return m.status().Node.Kubernetes.Kind == "not_usable" })
		time.Sleep(10 * time.Minute)
		if n := m.status().Node; len(n.Subnets) > 0 || n.Kubernetes.Reason != want || !strings.Contains(n.SubnetNote, want) || !strings.HasSuffix(m.problem("kubernetes"), want) {
			t.Errorf("subnets %v, note %q, degraded %q, kubernetes %q", n.Subnets, n.SubnetNote, m.problem("kubernetes"), n.Kubernetes.Reason)
		}
		if got := log.count("node.podcidrs.unknown"); got != 1 || !strings.Contains(string(log.text()), want) {
			t.Errorf("the log says it %d times:\n%s", got, log.text())
		}
		must(t, os.WriteFile(m.cfg.Certificate, o.sign(m, allowing(subnetOf(42), subnetOf(43))).PEM(), 0o644))
		_, err := m.reload(unchanged)
		must(t, err)
		within(t, 2*time.Second, "it has what it was given", func() bool { return slices.Equal(m.subnets(), []netip.Prefix{subnetOf(43)}) })

		must(t, os.WriteFile(m.cfg.Certificate, o.sign(m, allowing(subnetOf(42))).PEM(), 0o644))
		if _, err := m.reload(unchanged); !errors.Is(err, config.ErrConfig) || !strings.Contains(err.Error(), want) || len(m.subnets()) != 1 {
			t.Errorf("a certificate that does not allow it any more: %v, subnets %v", err, m.subnets())
		}
		must(t, os.WriteFile(m.cfg.Certificate, o.sign(m, allowing()).PEM(), 0o644))
		if _, err := m.reload(unchanged); err == nil || !strings.Contains(err.Error(), "(it allows none)") {
			t.Errorf("a certificate that allows nothing: %v", err)
		}
	})
}

func TestStoredPodCIDRsThatDoNotFitAnyMoreKeepNoNodeFromStarting(t *testing.T) {
	for name, text := range map[string]string{
		"damaged": "{",
		"outside": `{"version":1,"node":"node-1","server":"","pod_cidrs":["10.42.1.0/24"]}`,
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, lan, func(t *testing.T, s *site) {
				m := s.machine(1)
				server := m.k8s()
				must(t, os.MkdirAll(m.cfg.StateDir, 0o700))
				must(t, os.WriteFile(filepath.Join(m.cfg.StateDir, kubernetes.StoreFile), []byte(text), 0o600))
				server.fail(errAway)
				m.start()
				time.Sleep(time.Minute)
				if n := m.status().Node; len(n.Subnets) > 0 || !strings.Contains(n.SubnetNote, "connection refused") {
					t.Errorf("subnets %v, note %q", n.Subnets, n.SubnetNote)
				}
				server.say("node-1", subnetOf(1))
				within(t, 8*time.Second, "it has its own", func() bool { return slices.Equal(m.subnets(), []netip.Prefix{subnetOf(1)}) })
				if list, err := kubernetes.Recall(m.cfg.StateDir, "node-1"); err != nil || len(list) != 1 {
					t.Errorf("stored: %v, %v", list, err)
				}
			})
		})
	}
}

func TestAReloadChangesWhereAndAboutWhichNodeIsAsked(t *testing.T) {
	bubble(t, lan, func(t *testing.T, s *site) {
		m := s.machine(1)
		server := m.k8s()
		server.say("node-1", subnetOf(1))
		server.say("vm-1.example", subnetOf(2))
		m.start()
		within(t, 2*time.Second, "it has the first", func() bool { return slices.Equal(m.subnets(), []netip.Prefix{subnetOf(1)}) })
		_, asked := server.query()
		done, err := m.reload(func(c *config.Config) { set(t, c, "log.level", "debug") })
		must(t, err)
		if len(done.Changed) != 1 || !slices.Equal(m.subnets(), []netip.Prefix{subnetOf(1)}) {
			t.Errorf("%+v, subnets %v", done, m.subnets())
		}
		within(t, time.Second, "a reload asks at once", func() bool { _, now := server.query(); return now == asked+1 })

		m.cfg.K8sNode, m.cfg.Kubeconfig = "vm-1.example", "/etc/kubeconfig"
		done, err = m.reload(unchanged)
		must(t, err)
		within(t, time.Second, "it has that of the other", func() bool { return slices.Equal(m.subnets(), []netip.Prefix{subnetOf(2)}) })
		if q, _ := server.query(); q.Kubeconfig != "/etc/kubeconfig" || q.From != "k8s_node" || len(done.Waiting) > 0 {
			t.Errorf("%+v, %+v", q, done)
		}

		m.cfg.K8sNode, m.cfg.Kubeconfig, m.cfg.Subnet = "", "", config.Subnet{Prefixes: []netip.Prefix{subnetOf(3)}}
		_, err = m.reload(unchanged)
		must(t, err)
		within(t, time.Second, "it has what the file says", func() bool { return slices.Equal(m.subnets(), []netip.Prefix{subnetOf(3)}) })
		if n := m.status().Node; n.SubnetMode != "static" || n.Kubernetes != nil || m.problem("kubernetes") != "" {
			t.Errorf("%s, %+v", n.SubnetMode, n.Kubernetes)
		}
		_, before := server.query()
		time.Sleep(time.Hour)
		if _, after := server.query(); after != before {
			t.Error("it asks though nobody wants that")
		}
	})
}

func TestAnAnswerToAQuestionOfBeforeAReloadIsNotTaken(t *testing.T) {
	bubble(t, lan, func(t *testing.T, s *site) {
		m := s.machine(1)
		m.k8s().say("node-1", subnetOf(1))
		m.start()
		own := []netip.Prefix{subnetOf(1)}
		within(t, 2*time.Second, "it has its own", func() bool { return slices.Equal(m.subnets(), own) })
		late := kubernetes.Answer{Server: "https://192.0.2.1:6443", PodCIDRs: []netip.Prefix{subnetOf(9)}}
		must(t, m.node.takePodCIDRs(kubernetes.Query{Kubeconfig: "/before", Node: "node-1", From: "name"}, late))
		time.Sleep(time.Second)
		list, err := kubernetes.Recall(m.cfg.StateDir, "node-1")
		if err != nil || !slices.Equal(list, own) || !slices.Equal(m.subnets(), own) {
			t.Errorf("it has %v, and stored %v, %v", m.subnets(), list, err)
		}
	})
}

func TestANameThatNoNodeOfKubernetesHasIsRefusedAtTheStart(t *testing.T) {
	bubble(t, lan, func(t *testing.T, s *site) {
		m := s.machine(1)
		m.k8s()
		m.cfg.Name = "vm_1"
		err := m.boot()
		if !errors.Is(err, config.ErrConfig) || !strings.Contains(err.Error(), `k8s_node: "vm_1" is no name`) || !strings.Contains(err.Error(), "it is from name") {
			t.Errorf("%v", err)
		}
	})
}
