package node

import (
	"errors"
	"os"
	"os/exec"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"testing"

	"github.com/weftnet/weft/encap"
	"github.com/weftnet/weft/encap/simnet"
	"github.com/weftnet/weft/node/config"
	"github.com/weftnet/weft/node/cpu"
	"github.com/weftnet/weft/tun"
)

func TestAutoTakesOneLaneUpToThreeCPUsAndThenOneForEveryTwo(t *testing.T) {
	for cpus, want := range map[int]int{1: 1, 2: 1, 3: 1, 4: 2, 5: 2, 8: 4, 16: 8, 128: 8} {
		cfg := config.Default()
		if got := chooseLanes(&cfg, cpu.Share{CPUs: cpus}); got.wanted != want || !strings.HasPrefix(got.why, "auto: ") {
			t.Errorf("%d CPUs: %+v, want %d", cpus, got, want)
		}
	}
}

func TestLanesAreChosenByQuotaDriverAndConfiguration(t *testing.T) {
	many := cpu.Share{CPUs: 16}
	for name, test := range map[string]struct {
		share cpu.Share
		edit  func(*config.Config)
		want  int
		why   string
	}{
		"quota":      {cpu.Share{CPUs: 16, Quota: 4.5}, func(*config.Config) {}, 2, "grants 4.5"},
		"one queue":  {many, func(c *config.Config) { c.Driver = tun.DriverBatch }, 1, "driver batch"},
		"configured": {cpu.Share{CPUs: 1}, func(c *config.Config) { c.Lanes = 5 }, 5, "configured"},
	} {
		cfg := config.Default()
		test.edit(&cfg)
		if got := chooseLanes(&cfg, test.share); got.wanted != test.want || !strings.Contains(got.why, test.why) {
			t.Errorf("%s: %+v, want %d, %q", name, got, test.want, test.why)
		}
	}
}

func TestALaneSpinsWhereThereIsTimeToSpare(t *testing.T) {
	for _, test := range []struct {
		share cpu.Share
		spins bool
		why   string
	}{
		{cpu.Share{CPUs: 1}, false, "one CPU"},
		{cpu.Share{CPUs: 4, Quota: 1.5}, false, "1.5"},
		{cpu.Share{CPUs: 2}, true, "2 CPUs"},
	} {
		if rounds, why := spinFor(test.share); (rounds > 0) != test.spins || !strings.Contains(why, test.why) {
			t.Errorf("%+v: %d rounds, %q", test.share, rounds, why)
		}
	}
}

// basePort is an encap.Port whose method Port does not collide with a field's name.
type basePort = encap.Port

// lanePort is a port with that many lanes.
type lanePort struct {
	basePort
	lanes  int
	closed bool
}

func (p *lanePort) Lanes() []encap.Conn { return make([]encap.Conn, p.lanes) }
func (p *lanePort) Close() error {
	p.closed = true
	return p.basePort.Close()
}

// opened opens port and device of a node with 8 CPUs, on a kernel that shares a port between most lanes at most. The fake device
// has one queue. It returns the node, what opening it said, and the ports that were opened.
func opened(t *testing.T, most int, edit ...func(*config.Config)) (n *Node, ports []*lanePort, err error) {
	t.Helper()
	s := &site{t: t, net: simnet.New(simnet.Options{}), dir: t.TempDir()}
	m := s.machine(1, edit...)
	m.cpu = cpu.Share{CPUs: 8}
	m.listen = func(o encap.UDPOptions) (encap.Port, error) {
		if o.Lanes > most {
			return nil, errors.New("no such option")
		}
		p := &lanePort{basePort: m.host.ListenUDP(config.DefaultPort), lanes: o.Lanes}
		ports = append(ports, p)
		return p, nil
	}
	must(t, m.boot())
	tcp, err := m.open()
	if err == nil {
		t.Cleanup(func() { tcp.Close(); m.node.close() })
	}
	return m.node, ports, err
}

func TestAPortWithMoreLanesThanTheDeviceHasQueuesIsOpenedAgain(t *testing.T) {
	n, ports, err := opened(t, 4)
	must(t, err)
	if len(ports) != 2 || ports[0].lanes != 4 || !ports[0].closed || ports[1].lanes != 1 || ports[1].closed || n.port != ports[1] {
		t.Errorf("ports %+v", ports)
	}
	if got := n.settings().Lanes; got != 1 {
		t.Errorf("peers are told of %d lanes", got)
	}
	if d := n.state.degraded(); len(d) != 1 || d[0].What != "lanes" || !strings.HasPrefix(d[0].Reason, "1 of 4: driver memory gave 1 queue") {
		t.Errorf("degraded %+v", d)
	}
}

func TestAKernelThatCannotShareThePortGetsOneLane(t *testing.T) {
	n, ports, err := opened(t, 1)
	must(t, err)
	if len(ports) != 1 || n.deviceOptions().Queues != 1 {
		t.Errorf("ports %+v, device %+v", ports, n.deviceOptions())
	}
	if d := n.state.degraded(); len(d) != 1 || d[0].Reason != "1 of 4: no such option" {
		t.Errorf("degraded %+v", d)
	}
}

func TestConfiguredLanesThatTheKernelCannotGiveAreAnError(t *testing.T) {
	_, ports, err := opened(t, 1, func(c *config.Config) { c.Lanes = 2 })
	if err == nil || err.Error() != "no such option" || len(ports) != 0 {
		t.Errorf("%v, ports %+v", err, ports)
	}
}

func TestTheKnobsReachDeviceAndPort(t *testing.T) {
	var asked encap.UDPOptions
	s := &site{t: t, net: simnet.New(simnet.Options{}), dir: t.TempDir()}
	m := s.machine(1, func(c *config.Config) {
		for key, value := range map[string]string{"tso": "on", "uso": "off", "join_tcp": "off", "join_udp": "on", "gso": "off", "gro": "on"} {
			i := slices.IndexFunc(config.Keys(), func(k *config.Key) bool { return k.Name == "offload."+key })
			must(t, config.Keys()[i].Set(c, []string{value}))
		}
	})
	m.listen = func(o encap.UDPOptions) (encap.Port, error) {
		asked = o
		return m.host.ListenUDP(config.DefaultPort), nil
	}
	must(t, m.boot())
	tcp, err := m.open()
	must(t, err)
	defer m.node.close()
	defer tcp.Close()
	want := tun.OffloadKnobs{TSO: tun.KnobOn, USO: tun.KnobOff, JoinTCP: tun.KnobOff, JoinUDP: tun.KnobOn}
	if got := m.node.deviceOptions().Offloads; got != want {
		t.Errorf("the device is asked for %+v, want %+v", got, want)
	}
	if asked.GSO != encap.KnobOff || asked.GRO != encap.KnobOn || asked.Lanes != 1 || asked.Listen != m.cfg.Listen {
		t.Errorf("the port is asked for %+v", asked)
	}
}

// threadsEnv makes the test below, in a process of its own, say how many threads there are.
const threadsEnv = "WEFT_TEST_THREADS"

func TestThereIsAThreadForEachLaneUnlessTheOperatorSaysOtherwise(t *testing.T) {
	if os.Getenv(threadsEnv) != "" {
		giveThreads(30)
		if got := runtime.GOMAXPROCS(0); os.Getenv(threadsEnv) != strings.Repeat("x", got) {
			t.Errorf("%d threads", got)
		}
		return
	}
	for variable, want := range map[string]int{"GOMAXPROCS=": 32, "GOMAXPROCS=3": 3} {
		c := exec.Command(os.Args[0], "-test.run=^"+t.Name()+"$")
		c.Env = append(os.Environ(), variable, threadsEnv+"="+strings.Repeat("x", want))
		if out, err := c.CombinedOutput(); err != nil {
			t.Errorf("%s: %v\n%s", variable, err, out)
		}
	}
}

func TestTheCollectorIsStillOnlyDuringAStartAndThenAsTheOperatorSaid(t *testing.T) {
	if os.Getenv(collectorEnv) != "" {
		resume := postponeCollection()
		if percent := debug.SetGCPercent(-1); percent != -1 {
			t.Errorf("%d %% during the start", percent)
		}
		resume()
		if percent := debug.SetGCPercent(-1); percent != 70 {
			t.Errorf("%d %% after it", percent)
		}
		return
	}
	c := exec.Command(os.Args[0], "-test.run=^"+t.Name()+"$")
	c.Env = append(os.Environ(), "GOGC=70", collectorEnv+"=yes")
	if out, err := c.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}

// collectorEnv makes the test above, in a process of its own, be the one that starts.
const collectorEnv = "WEFT_TEST_COLLECTOR"
