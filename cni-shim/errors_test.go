package cnishim

import (
	"encoding/json"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/weftnet/weft/cni-shim/ipam"
	"github.com/weftnet/weft/cni-shim/lease"
)

// What is wrong with a configuration or its surroundings is one sentence with a code, and nothing is left half done.
func TestEveryErrorHasACodeAndNamesWhatIsWrong(t *testing.T) {
	s := newSite(t)
	n := newSpace(t)
	good := s.pod("one", n)
	pipe := filepath.Join(t.TempDir(), "pipe")
	if err := unix.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		what  string
		call  call
		code  uint
		named string
	}{
		{"unknown key", good.with("ipMasq", true), codeConfig, `key "ipMasq"`},
		{"key in another case", good.with("rundir", "/run"), codeConfig, `key "rundir"`},
		{"ipam", good.with("ipam", map[string]any{"type": "host-local"}), codeConfig, "weft gives addresses itself"},
		{"wrong kind", good.with("mtu", "big"), codeConfig, `key "mtu" of the network configuration: it is a string, and a whole number is wanted`},
		{"fraction", good.with("mtu", 1.5), codeConfig, `key "mtu"`},
		{"mtu out of bounds", good.with("mtu", 70000), codeConfig, `key "mtu" is 70000`},
		{"mtu too small for IPv6", good.with("mtu", 1279), codeConfig, `IPv6 wants 1280`},
		{"gsoMaxSize", good.with("gsoMaxSize", -1), codeConfig, `key "gsoMaxSize"`},
		{"gsoMaxSize that the kernel refuses", good.with("gsoMaxSize", 318), codeConfig, `key "gsoMaxSize" is 318: want 513 to 524280`},
		{"bridge", good.with("bridge", "a/b"), codeConfig, `key "bridge"`},
		{"long bridge", good.with("bridge", "sixteen-letters-"), codeConfig, `key "bridge"`},
		{"runDir", good.with("runDir", "run"), codeConfig, `key "runDir"`},
		{"stateDir", good.with("stateDir", "var"), codeConfig, `key "stateDir"`},
		{"mac", good.with("runtimeConfig", map[string]any{"mac": "02:00:00:00:00:01"}), codeConfig, "runtimeConfig.mac"},
		{"ips", good.with("runtimeConfig", map[string]any{"ips": []string{"10.244"}}), codeConfig, "runtimeConfig.ips"},
		{"ips of another node", good.with("runtimeConfig", map[string]any{"ips": []string{"10.244.9.7"}}), codeConfig, "10.244.9.7"},
		{"ipRanges", good.with("runtimeConfig", map[string]any{"ipRanges": [][]any{{map[string]any{"subnet": "10.244.1.0"}}}}), codeConfig, "runtimeConfig.ipRanges"},
		{"ipRanges of the gateway alone", good.with("runtimeConfig", map[string]any{"ipRanges": [][]any{{map[string]any{
			"subnet": "10.244.1.0/24", "rangeStart": "10.244.1.0", "rangeEnd": "10.244.1.1"}}}}), codeConfig, "gateway's or broadcast address of 10.244.1.0/24"},
		{"not first", good.with("prevResult", map[string]any{"cniVersion": "1.0.0"}), codeConfig, "comes first"},
		{"no JSON", call{operation: "ADD", container: "one", ifname: "eth0", netns: n.path, raw: `{"name":"weft","cniVersion":"1.0.0"`}, codeDecode, ""},
		{"later version", good.with("cniVersion", "2.0.0"), 1, "incompatible"},
		{"earlier version", good.with("cniVersion", "0.2.0"), 1, "incompatible"},
		{"interface exists", func() call { c := good; c.ifname = "lo"; return c }(), codeEnvironment, "CNI_IFNAME"},
		{"netns gone", func() call { c := good; c.netns = "/run/netns/none"; return c }(), codeEnvironment, "CNI_NETNS"},
		{"netns that is a pipe", func() call { c := good; c.netns = pipe; return c }(), codeEnvironment, "CNI_NETNS"},
		{"netns of another kind", func() call { c := good; c.netns = "/proc/self/ns/uts"; return c }(), codeEnvironment, "CNI_NETNS"},
		{"netns of the host", func() call { c := good; c.netns = "/run/netns/" + s.vm.FullName(); return c }(), codeNamespace, "of the host itself"},
		{"no prevResult", good.as("CHECK"), codeConfig, `key "prevResult" is missing`},
		{"no addresses in prevResult", good.with("prevResult", map[string]any{"cniVersion": "1.1.0"}).as("CHECK"), codeConfig, "not the result of weft-cni"},
		{"bridge that the kernel numbers", good.with("bridge", "br%d"), codeConfig, `key "bridge"`},
		{"bridge of all sysctls", good.with("bridge", "all"), codeConfig, `key "bridge"`},
		{"interface that the kernel numbers", func() call { c := good; c.ifname = "eth%d"; return c }(), codeEnvironment, "CNI_IFNAME"},
		{"interface of all sysctls", func() call { c := good; c.ifname = "default"; return c }(), codeEnvironment, "CNI_IFNAME"},
		{"GC without a list", good.as("GC"), codeConfig, "cni.dev/valid-attachments"},
		{"unknown key in STATUS", good.with("ipMasq", true).as("STATUS"), codeConfig, `key "ipMasq"`},
	} {
		_, err := s.try(c.call)
		if err == nil || err.Code != c.code || !strings.Contains(err.Msg, c.named) {
			t.Errorf("%s: %v", c.what, err)
		}
		if left := s.left(); left != "" {
			t.Errorf("%s: left:\n%s", c.what, left)
		}
	}
}

func TestADDUndoesEverythingWhenItFailsInTheMiddle(t *testing.T) {
	s := newSite(t)
	s.run("ip link add weftbr0 type veth peer name other")
	n := newSpace(t)
	if _, err := s.try(s.pod("one", n)); err == nil || err.Code != codeConfig || !strings.Contains(err.Msg, "ip link delete weftbr0") {
		t.Errorf("where the bridge's name is taken: %v", err)
	}
	s.run("ip link delete weftbr0")
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer full.Close()
	read, broken, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	read.Close()
	defer broken.Close()
	for _, out := range []*os.File{full, broken} {
		cmd, _ := s.pod("one", n).command(t.Context())
		cmd.Stdout = out
		if err := s.vm.Do(cmd.Run); err == nil {
			t.Error("nobody got the result, and ADD succeeded")
		}
		if left := s.left(); left != "" {
			t.Errorf("left:\n%s", left)
		}
	}
	if left := s.left(); left != "" {
		t.Errorf("left:\n%s", left)
	}
	if links := n.run(t, "ip -br link"); strings.Contains(links, "eth0") {
		t.Errorf("left in the pod:\n%s", links)
	}
}

// The host reaches the pods of its subnets by one bridge: another one's would be lost.
func TestAPodOnAnotherBridgeThanThoseOfItsSubnetIsRefused(t *testing.T) {
	s := newSite(t)
	s.add("one", newSpace(t))
	before := s.left()
	_, err := s.try(s.pod("two", newSpace(t)).with("bridge", "other0").with("name", "second"))
	if err == nil || err.Code != codeConfig || !strings.Contains(err.Msg, "bridge other0 cannot have 10.244.1.1/24: weftbr0 has it") {
		t.Errorf("err = %v", err)
	}
	if now := s.left(); now != before {
		t.Errorf("there was\n%s\nand there is\n%s", before, now)
	}
}

// A second ADD must not take from the pod what the first gave.
func TestASecondADDFailsAndLeavesThePodWhole(t *testing.T) {
	s := newSite(t)
	_, one := s.add("one", newSpace(t))
	if _, err := s.try(one.with("prevResult", nil)); err == nil || err.Code != codeEnvironment {
		t.Errorf("err = %v", err)
	}
	s.must(one.as("CHECK"))
}

func TestAPoolThatIsUsedUpSaysByWhom(t *testing.T) {
	s := newSite(t)
	s.lease(func(l *lease.Lease) { l.Subnets = prefixes("10.244.1.0/30") })
	one := s.pod("one", newSpace(t))
	one.args = "IgnoreUnknown;K8S_POD_NAMESPACE=web\n\x1b[31m;K8S_POD_NAME=\xff=;"
	s.must(one)
	before := s.left()
	_, err := s.try(s.pod("two", newSpace(t)))
	if err == nil || err.Code != codeLater || !strings.Contains(err.Msg, "1 are held (1 by namespace web??[31m)") {
		t.Errorf("err = %v", err)
	}
	if now := s.left(); now != before {
		t.Errorf("there was\n%s\nand there is\n%s", before, now)
	}
}

func TestWithoutALeaseThePluginTellsTheDaemonsReason(t *testing.T) {
	s := newSite(t)
	n := newSpace(t)
	if err := lease.Remove(s.runDir); err != nil {
		t.Fatal(err)
	}
	s.refused(n, "weft is not running on this node (no lease at "+lease.Path(s.runDir)+", and nobody listens on "+s.runDir+"/weft.sock): systemctl status weft")

	answers := "{}"
	socket := filepath.Join(s.runDir, socketName)
	listener, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	daemon := &httptest.Server{Listener: listener, Config: &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet || r.URL.Path != statusPath {
			http.NotFound(w, r)
			return
		}
		_, _ = w.Write([]byte(answers))
	})}}
	daemon.Start()
	defer daemon.Close()
	for answer, want := range map[string]string{
		`{"node":{"name":"vm-1","pods":{"reason":"waits for spec.podCIDRs of node vm-1"},"subnet_note":"x"}}`: "weft on node vm-1: waits for spec.podCIDRs of node vm-1",
		`{"node":{"name":"vm-1","subnet_note":"no answer of peers yet"}}`:                                     "weft on node vm-1 has no subnet for pods yet: no answer of peers yet",
		`{"node":{"name":"vm-1","subnet_mode":"auto"}}`:                                                       "has no subnet for pods yet (subnet: auto)",
		`{"node":{"name":"vm-1","subnets":["10.244.1.0/24"]}}`:                                                "has not set its device and routes yet",
		`{`: "unexpected end of JSON input",
	} {
		answers = answer
		s.refused(n, want)
	}
}

// refused has ADD and STATUS fail for the same reason.
func (s *site) refused(n *space, reason string) {
	s.t.Helper()
	for operation, code := range map[string]uint{"ADD": codeLater, "STATUS": codeNotReady} {
		if _, err := s.try(s.pod("one", n).as(operation)); err == nil || err.Code != code || !strings.Contains(err.Msg, reason) {
			s.t.Errorf("%s: %v, want %q", operation, err, reason)
		}
	}
}

func TestSTATUSIsReadyWithALeaseOfThisBootAndABookThatCanBeRead(t *testing.T) {
	s := newSite(t)
	status := s.pod("one", nil).as("STATUS")
	s.must(status)
	s.lease(func(l *lease.Lease) { l.BootID = "another" })
	if _, err := s.try(status); err == nil || err.Code != codeNotReady || !strings.Contains(err.Msg, "of boot another") {
		t.Errorf("with a lease of another boot: %v", err)
	}
	if err := os.WriteFile(lease.Path(s.runDir), []byte("{"), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := s.try(status); err == nil || err.Code != codeNotReady || !strings.Contains(err.Msg, lease.Path(s.runDir)) {
		t.Errorf("with a damaged lease: %v", err)
	}
	s.lease()
	s.add("one", newSpace(t))
	if err := os.WriteFile(filepath.Join(s.stateDir, ipam.Folder, ipam.File), []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := s.try(status); err == nil || err.Code != codeNotReady || !strings.Contains(err.Msg, ipam.File) {
		t.Errorf("with a damaged book: %v", err)
	}
}

func TestAPodOfTwoAddressesOfAFamilyHasEachRouteOnce(t *testing.T) {
	s := newSite(t)
	result, again := s.addCall(s.pod("one", newSpace(t)).with("runtimeConfig", map[string]any{"ips": []string{"10.244.1.77", "10.244.1.78"}}))
	if len(result.IPs) != 3 || len(result.Routes) != 4 {
		t.Errorf("addresses %v, routes %v", result.IPs, result.Routes)
	}
	s.must(again.as("CHECK"))
}

func TestAPodOfTwoSubnetsHasBothGatewaysAndOneDefaultRoute(t *testing.T) {
	s := newSite(t)
	s.lease(func(l *lease.Lease) { l.Subnets = prefixes("10.244.1.0/24", "10.244.7.0/24") })
	n := newSpace(t)
	result, again := s.addCall(s.pod("one", n).with("runtimeConfig", map[string]any{"ips": []string{"10.244.1.77", "10.244.7.78"}}))
	if len(result.IPs) != 2 || len(result.Routes) != 3 {
		t.Errorf("addresses %v, routes %v", result.IPs, result.Routes)
	}
	if routes := n.run(t, "ip route"); !strings.HasPrefix(routes, "default via 10.244.1.1 dev eth0") {
		t.Errorf("in the pod:\n%s", routes)
	}
	s.must(again.as("CHECK"))
	s.run("ping -c1 -W2 10.244.1.77; ping -c1 -W2 10.244.7.78")
}

// The gateway of an address is what stands beside it in the result.
func TestAnAddressHasOneGatewayAlsoWhereSubnetsOverlap(t *testing.T) {
	a := &attachment{config: &config{}, lease: lease.Lease{Subnets: prefixes("10.244.0.0/23", "10.244.1.0/24", "fd10::/64")}}
	got := a.interfaceOf([]netip.Addr{netip.MustParseAddr("10.244.1.5"), netip.MustParseAddr("fd10::5")}).Gateways
	if want := []netip.Addr{netip.MustParseAddr("10.244.0.1"), netip.MustParseAddr("fd10::1")}; !slices.Equal(got, want) {
		t.Errorf("gateways %v, want %v", got, want)
	}
}

func TestAWantedAddressIsGiven(t *testing.T) {
	s := newSite(t)
	c := s.pod("one", newSpace(t)).with("runtimeConfig", map[string]any{"ips": []string{"10.244.1.77/24"}, "portMappings": []any{}})
	result, again := s.addCall(c)
	if got := result.IPs[0].Address.String(); got != "10.244.1.77/32" {
		t.Errorf("it has %s", got)
	}
	s.must(again.as("CHECK"))
	c = s.pod("two", newSpace(t)).with("runtimeConfig", map[string]any{"ipRanges": [][]any{{map[string]any{
		"subnet": "10.244.1.0/24", "rangeStart": "10.244.1.100", "rangeEnd": "10.244.1.101"}}}})
	if result, _ := s.addCall(c); result.IPs[0].Address.String() != "10.244.1.100/32" {
		t.Errorf("of a range it has %s", result.IPs[0].Address.String())
	}
}

// A configuration never makes the plugin panic, and what the strict reader takes the loose one reads the same.
func FuzzParse(f *testing.F) {
	f.Add([]byte(`{"cniVersion":"1.1.0","name":"weft","type":"weft-cni","mtu":1400,"runtimeConfig":{"ips":["10.0.0.1/24"],"ipRanges":[[{"subnet":"10.0.0.0/24","rangeEnd":"10.0.0.9"}]]}}`))
	f.Add([]byte(`{"runDir":7,"ipam":{},"cni.dev/valid-attachments":[{"containerID":"a","ifname":"b"}]}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		loose := parseLoosely(data)
		strict, err := parse(data)
		if err != nil {
			return
		}
		a, _ := json.Marshal(strict)
		if b, _ := json.Marshal(loose); string(a) != string(b) {
			t.Errorf("strict %s, loose %s", a, b)
		}
	})
}
