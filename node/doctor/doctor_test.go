package doctor

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"strings"
	"testing"

	"github.com/safchain/ethtool"
	"golang.org/x/sys/unix"

	"github.com/weftnet/weft/kernel"
	"github.com/weftnet/weft/node/api"
	"github.com/weftnet/weft/node/cpu"
)

func switchedOn(names ...string) (list []api.Feature) {
	for _, name := range names {
		list = append(list, api.Feature{Name: name, State: on})
	}
	return list
}

// healthy is a machine without a daemon on which everything is as weft wants it.
func healthy() *Facts {
	active := ethtool.FeatureState{Available: true, Active: true}
	return &Facts{
		DaemonErr: api.ErrNotRunning, Kernel: "6.18.1", CPU: cpu.Share{CPUs: 4},
		Device: switchedOn("tso", "uso"), Port: switchedOn("gso", "gro", largeBuffers), Receive: wantedBuffer, Send: wantedBuffer,
		Limits:  map[string]int{"net.core.rmem_max": 212992, "net.core.wmem_max": 212992},
		Overlay: "weft0", QueueLen: wantedQueue,
		Egress: kernel.Egress{Source: netip.MustParseAddr("192.0.2.1"), Interface: "eth0", MTU: 1500},
		NIC:    map[string]ethtool.FeatureState{"tx-checksum-ip-generic": active, "tx-udp-segmentation": active, "rx-gro": active},
	}
}

// served is a healthy machine with a daemon.
func served() *Facts {
	f := healthy()
	drops := uint64(0)
	f.DaemonErr, f.Daemon = nil, &api.Node{
		PID: 77, Device: api.Device{Name: "weft0", Driver: "super", Why: "configured"},
		FastPath: api.FastPath{Lanes: 2, LanesWhy: "auto: 4 CPUs", Queue: &api.Queues{KernelDrops: &drops}},
	}
	return f
}

func TestAHealthyMachineHasNoFindings(t *testing.T) {
	for name, f := range map[string]*Facts{"without a daemon": healthy(), "with a daemon": served()} {
		r := Examine(f)
		if r.Count(OK) != len(r.Checks) || len(r.Checks) < 10 {
			t.Errorf("%s: %+v", name, r.Checks)
		}
		for _, c := range r.Checks {
			if c.Name == "" || c.Detail == "" || c.Remedy != "" {
				t.Errorf("%s: %+v", name, c)
			}
		}
	}
	if got := Examine(served()).Daemon; !strings.Contains(got, "process 77") {
		t.Errorf("daemon: %q", got)
	}
}

// broken are facts with one thing wrong, and the one check that must say so, with words that its detail and remedy hold.
var broken = map[string]struct {
	daemon  bool
	spoil   func(*Facts)
	name    string
	finding Finding
	detail  string
	remedy  string
}{
	"no TUN": {false, func(f *Facts) { f.TUN = &os.PathError{Op: "open", Path: "/dev/net/tun", Err: unix.ENOENT} },
		"tun", Fail, "/dev/net/tun", "modprobe tun"},
	"TUN for others": {false, func(f *Facts) { f.TUN = unix.EACCES }, "tun", Fail, "permission denied", "sudo"},
	"no privileges": {false, func(f *Facts) { f.Privileges, f.DeviceErr = errors.New("not permitted"), errors.New("not permitted") },
		"privileges", Fail, "not permitted", "sudo"},
	"no device": {false, func(f *Facts) { f.DeviceErr = errors.New("no such ioctl") }, "device", Fail, "no such ioctl", "boot"},
	"no port":   {false, func(f *Facts) { f.PortErr = errors.New("no sockets") }, "port", Fail, "no sockets", "boot"},
	"old kernel": {false, func(f *Facts) {
		f.Device[1] = api.Feature{Name: "uso", State: "unavailable", Reason: "Linux 6.2 has it"}
	}, "device.uso", Warn, "unavailable: Linux 6.2 has it", "6.2"},
	"configured off": {true, func(f *Facts) {
		f.Port[0] = api.Feature{Name: "gso", State: off, Reason: "it is configured off"}
	}, "port.gso", Warn, "configured off", "offload.gso: auto"},
	"IPv4 only": {false, func(f *Facts) {
		f.Port = append(f.Port, api.Feature{Name: "ipv6", State: "unavailable", Reason: "no IPv6"})
	}, "port.ipv6", Warn, "no IPv6", "disable_ipv6=0"},
	"small buffers": {false, func(f *Facts) {
		f.Receive = 1 << 20
		f.Port[2] = api.Feature{Name: largeBuffers, State: "unavailable", Reason: "too small"}
	}, "buffers", Warn, "net.core.rmem_max is 212992", "sysctl -w net.core.rmem_max=8388608 net.core.wmem_max=8388608"},
	"short queue": {false, func(f *Facts) { f.QueueLen = 500 }, "queue", Warn, "500", "ip link set dev weft0 txqueuelen 1000"},
	"one CPU":     {false, func(f *Facts) { f.CPU.CPUs = 1 }, "spin", Warn, "one CPU", "second CPU"},
	"quota":       {false, func(f *Facts) { f.CPU.Quota = 1.5 }, "spin", Warn, "1.5", "CPUQuota="},
	"no egress":   {false, func(f *Facts) { f.EgressErr = kernel.ErrNoAddress }, "egress", Warn, "address", "ip route add"},
	"small MTU":   {false, func(f *Facts) { f.Egress.MTU = 1359 }, "egress", Warn, "1359", "ip link set dev eth0 mtu"},
	"NIC unknown": {false, func(f *Facts) { f.NICErr = unix.EOPNOTSUPP }, "nic", Warn, "not known", ""},
	"GRO off":     {false, func(f *Facts) { f.NIC["rx-gro"] = ethtool.FeatureState{Available: true} }, "nic.gro", Warn, "rx-gro", "ethtool -K eth0 gro on"},
	"no checksums": {false, func(f *Facts) { f.NIC["tx-checksum-ip-generic"] = ethtool.FeatureState{Available: true} },
		"nic.checksum", Warn, "refuses trains", "ethtool -K eth0 tx on"},
	"driver chosen": {true, func(f *Facts) { f.Daemon.Device.Driver = "plain" }, "driver", Warn, "plain: configured", "driver: auto"},
	"driver fell back": {true, func(f *Facts) {
		f.Daemon.Device.Driver = "batch"
		f.Daemon.Degraded = []api.Note{{What: "driver", Reason: "x"}}
	}, "driver", Warn, "batch", "newer kernel"},
	"too few lanes": {true, func(f *Facts) {
		f.Daemon.FastPath.LanesLack = "driver batch gave 1 queue"
		f.Daemon.Degraded = []api.Note{{What: "lanes", Reason: "x"}}
	}, "lanes", Warn, "driver batch gave 1 queue", "lanes: 1"},
	"trains refused": {true, func(f *Facts) { f.Daemon.FastPath.Refused = []api.Note{{What: "vm-2"}, {What: "vm-3"}} },
		"trains", Warn, "vm-2, vm-3", "ethtool -K eth0 tx on"},
	"overflow":    {true, func(f *Facts) { f.Daemon.Socket.Overflow = 5 }, "overflow", Warn, "5 datagrams", "lanes"},
	"queue drops": {true, func(f *Facts) { *f.Daemon.FastPath.Queue.KernelDrops = 6 }, "queue-drops", Warn, "6 packets", "txqueuelen 2000"},
	"anything else": {true, func(f *Facts) { f.Daemon.Degraded = []api.Note{{What: "state_dir", Reason: "disk full"}} },
		"daemon.state_dir", Warn, "disk full", ""},
}

func TestWhatIsWrongIsFoundByOneCheckWithItsRemedy(t *testing.T) {
	for name, test := range broken {
		t.Run(name, func(t *testing.T) {
			f := healthy()
			if test.daemon {
				f = served()
			}
			test.spoil(f)
			var found []Check
			for _, c := range Examine(f).Checks {
				if c.Finding != OK {
					found = append(found, c)
				}
			}
			if len(found) != 1 {
				t.Fatalf("found %+v", found)
			}
			c := found[0]
			if c.Name != test.name || c.Finding != test.finding || !strings.Contains(c.Detail, test.detail) ||
				!strings.Contains(c.Remedy, test.remedy) || (c.Remedy == "") != (test.remedy == "") {
				t.Errorf("found %+v", c)
			}
		})
	}
}

func TestWhatANetworkCardCannotIsNoFinding(t *testing.T) {
	for _, driver := range []string{"e1000", "veth"} {
		f := healthy()
		f.NIC, f.NICDriver = nil, driver
		if r := Examine(f); r.Count(OK) != len(r.Checks) {
			t.Errorf("%s: %+v", driver, r.Checks)
		}
	}
}

func TestTheDaemonsWordCountsForWhatItHasOpen(t *testing.T) {
	f := served()
	f.TUN, f.Privileges = fmt.Errorf("open: %w", unix.EACCES), errors.New("not permitted") // of who asks
	if r := Examine(f); r.Count(OK) != len(r.Checks) {
		t.Errorf("%+v", r.Checks)
	}
	asked := &Facts{Overlay: "weft0"}
	asked.ask(&api.Node{
		Device: api.Device{Name: "w7", Features: switchedOn("tso")}, Socket: api.Socket{ReceiveBuffer: 1, SendBuffer: 2, Features: switchedOn("gso")},
		FastPath: api.FastPath{CPUs: 3, CPUQuota: 1.5},
	})
	if asked.Overlay != "w7" || asked.CPU != (cpu.Share{CPUs: 3, Quota: 1.5}) || len(asked.Device) != 1 || len(asked.Port) != 1 ||
		asked.Receive != 1 || asked.Send != 2 {
		t.Errorf("%+v", asked)
	}
}

func TestTheReportsJSONIsStable(t *testing.T) {
	text, err := json.Marshal(Report{Daemon: "d", Checks: []Check{{"a", OK, "b", ""}, {"c", Fail, "d", "e"}}})
	want := `{"daemon":"d","checks":[{"name":"a","finding":"ok","detail":"b"},{"name":"c","finding":"fail","detail":"d","remedy":"e"}]}`
	if err != nil || string(text) != want {
		t.Errorf("%s, %v; want %s", text, err, want)
	}
}
