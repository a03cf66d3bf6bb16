package config

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"pgregory.net/rapid"
)

// badConfigurations must each be refused in one line that names what want holds.
var badConfigurations = map[string]struct {
	yaml string
	want []string
}{
	"unknown key":             {"name: a\nnetwrk: [10.0.0.0/8]\n", []string{"line 2", `"netwrk"`}},
	"unknown key, suggested":  {"secret-file: x\n", []string{"line 1", `"secret-file"`, `did you mean "secret_file"`}},
	"unknown nested key":      {"log:\n  levl: info\n", []string{"line 2", `"log.levl"`}},
	"key twice":               {"name: a\nname: b\n", []string{"line 2", "name"}},
	"not YAML":                {"name: [a\n", []string{"line"}},
	"list for a scalar":       {"name: [a, b]\n", []string{"line 1", "name", "one plain value"}},
	"map for a scalar":        {"name: {a: b}\n", []string{"line 1", "name"}},
	"two documents":           {"name: a\n---\nname: b\n", []string{"line 2", "more than one document"}},
	"syntax in line 1":        {"name: 'a\nmtu: 1400\n", []string{"line"}},
	"mapping in a mapping":    {"name: a: b\n", []string{"line 1"}},
	"tab":                     {"name: a\nlog:\n\tlevel: info\n", []string{"line 3"}},
	"unknown anchor":          {"mtu: 1400\nname: *a\n", []string{"line 2", "anchor"}},
	"control character":       {"mtu: 1400\n\nname: \x01\n", []string{"line 3", "control characters"}},
	"not UTF-8":               {"mtu: 1400\nname: \xff\n", []string{"line 2", "UTF-8"}},
	"bad escape":              {"name: \"\\q\"\n", []string{"line 1"}},
	"bad second document":     {"name: a\n---\nname: [\n", []string{"line"}},
	"no map":                  {"- a\n", []string{"line 1"}},
	"subnet outside network":  {"network: [10.244.0.0/16]\nsubnet: [10.245.1.0/24]\n", []string{"subnet", "10.245.1.0/24", "10.244.0.0/16"}},
	"subnet is network":       {"network: [10.244.0.0/16]\nsubnet: [10.244.0.0/16]\n", []string{"subnet", "all of network"}},
	"overlapping subnets":     {"subnet: [10.244.1.0/24, 10.244.1.128/25]\n", []string{"overlap"}},
	"host bits":               {"subnet: [10.244.1.7/24]\n", []string{"line 1", "10.244.1.0/24"}},
	"bad prefix":              {"network: [10.244.0.0]\n", []string{"line 1", "10.244.0.0"}},
	"two networks of a kind":  {"network: [10.1.0.0/16, 10.2.0.0/16]\n", []string{"one family"}},
	"default route":           {"network: [0.0.0.0/0]\n", []string{"0.0.0.0/0"}},
	"multicast network":       {"network: [224.0.0.0/8]\n", []string{"unicast"}},
	"network over loopback":   {"network: [126.0.0.0/7]\n", []string{"126.0.0.0/7", "127.0.0.0/8", "unicast"}},
	"link-local network":      {"network: [fe80::/48]\n", []string{"fe80::/48", "link-local"}},
	"mapped network":          {"network: ['::ffff:10.0.0.0/104']\n", []string{"IPv4"}},
	"subnet too wide":         {"network: [10.244.0.0/24]\nsubnet: auto\n", []string{"subnet_size", "/24"}},
	"bad size":                {"subnet_size: [24, 200]\n", []string{"200"}},
	"advertise in network":    {"advertise: [10.244.9.9]\n", []string{"advertise", "10.244.9.9"}},
	"bad advertise":           {"advertise: [example.org]\n", []string{"example.org"}},
	"loopback advertised":     {"advertise: [127.0.0.2]\n", []string{"line 1", "advertise", "127.0.0.2"}},
	"IPv6 loopback":           {"advertise: ['::1']\n", []string{"advertise", "::1"}},
	"mapped loopback":         {"advertise: ['::ffff:127.0.0.1']\n", []string{"advertise", "127.0.0.1"}},
	"link-local advertised":   {"advertise: ['fe80::1']\n", []string{"advertise", "fe80::1"}},
	"IPv4 link-local":         {"advertise: [169.254.1.1]\n", []string{"advertise", "169.254.1.1"}},
	"multicast advertised":    {"advertise: [224.0.0.1]\n", []string{"advertise", "224.0.0.1"}},
	"unspecified advertised":  {"advertise: [0.0.0.0]\n", []string{"advertise", "0.0.0.0"}},
	"broadcast advertised":    {"advertise: [255.255.255.255]\n", []string{"advertise", "255.255.255.255"}},
	"seed in network":         {"join: [10.244.0.9]\n", []string{"join", "10.244.0.9"}},
	"bad seed":                {"join: ['a b']\n", []string{"a b"}},
	"bad seed port":           {"join: ['a:99999']\n", []string{"a:99999"}},
	"listen without port":     {"listen: 192.0.2.1\n", []string{"line 1", "192.0.2.1"}},
	"listen on multicast":     {"listen: 224.0.0.1:9338\n", []string{"listen", "224.0.0.1"}},
	"listen on IPv6 group":    {"listen: '[ff02::1]:9338'\n", []string{"listen", "ff02::1"}},
	"bad encryption":          {"encryption: maybe\n", []string{"maybe", "on or off"}},
	"unknown cipher":          {"cipher: rot13\n", []string{"line 1", "cipher", "rot13", "chacha20-poly1305"}},
	"rekey too often":         {"rekey: 4s\n", []string{"line 1", "rekey", "4s", "5s to 1h"}},
	"rekey too seldom":        {"rekey: 61m\n", []string{"line 1", "rekey", "61m", "5s to 1h"}},
	"lease too short":         {"lease: 59s\n", []string{"line 1", "lease", "59s", "1m to 8760h"}},
	"lease too long":          {"lease: 8761h\n", []string{"line 1", "lease", "8761h"}},
	"lease without a unit":    {"lease: 24\n", []string{"line 1", "lease", "24", "such as 24h"}},
	"rekey without a unit":    {"rekey: 120\n", []string{"line 1", "rekey", "120", "such as 2m"}},
	"bad relay":               {"relay: maybe\n", []string{"line 1", "relay", "maybe", "allow, refuse or prefer"}},
	"bad mtu":                 {"mtu: 100\n", []string{"100", "1280"}},
	"bad device":              {"device: a/b\n", []string{"a/b"}},
	"long device":             {"device: abcdefghijklmnop\n", []string{"15"}},
	"device all":              {"device: all\n", []string{"line 1", `"all"`}},
	"device default":          {"device: default\n", []string{"line 1", `"default"`}},
	"device with control":     {"device: \"a\\x07\"\n", []string{"line 1", `"a\a"`}},
	"device in UTF-8":         {"device: wéft\n", []string{"line 1", "ASCII"}},
	"bad driver":              {"driver: fast\n", []string{"fast", "batch"}},
	"too many lanes":          {"lanes: 65\n", []string{"line 1", "65", "64"}},
	"no lanes":                {"lanes: 0\n", []string{"line 1", `"0"`, "auto"}},
	"lanes without queues":    {"lanes: 2\ndriver: batch\n", []string{"lanes", "2", "batch", "super"}},
	"bad knob":                {"offload: {gso: maybe}\n", []string{"line 1", "offload.gso", "maybe", "auto, on or off"}},
	"unknown offload":         {"offload:\n  lro: on\n", []string{"line 2", `"offload.lro"`}},
	"offload without names":   {"offload: on\n", []string{"line 1", "offload: {tso: auto}"}},
	"log without names":       {"log: debug\n", []string{"line 1", "log: {level: info}"}},
	"no metrics, halfway":     {"metrics:\n", []string{"line 1", "metrics", `""`}},
	"encryption as a truth":   {"encryption: false\n", []string{"line 1", "encryption", "on or off"}},
	"too many routes":         {"routes: [" + manyPrefixes(257) + "]\n", []string{"line 1", "routes", "257", "256"}},
	"state_dir is a file":     {"state_dir: /etc/hostname\n", []string{"line 1", "state_dir", "/etc/hostname"}},
	"run_dir below a file":    {"run_dir: /etc/hostname/x\n", []string{"line 1", "run_dir", "/etc/hostname/x"}},
	"unspecified seed":        {"join: [0.0.0.0]\n", []string{"line 1", "join", "0.0.0.0"}},
	"broadcast seed":          {"join: ['255.255.255.255:9338']\n", []string{"line 1", "join", "255.255.255.255"}},
	"seed without zone":       {"join: ['fe80::1']\n", []string{"line 1", "join", "fe80::1"}},
	"bad level":               {"log: {level: loud}\n", []string{"loud"}},
	"level with offset":       {"log: {level: INFO+3}\n", []string{"INFO+3", "debug, info, warn or error"}},
	"long run_dir":            {"run_dir: /" + strings.Repeat("r", 97) + "\n", []string{"run_dir", "108", "107"}},
	"control in a path":       {"state_dir: \"/a\\n\"\n", []string{"state_dir", `"/a\n"`}},
	"loopback route":          {"routes: [127.1.0.0/16]\n", []string{"routes", "127.1.0.0/16", "loopback"}},
	"link-local route":        {"routes: [169.254.0.0/16]\n", []string{"routes", "link-local"}},
	"IPv6 link-local route":   {"routes: ['fe80::/64']\n", []string{"routes", "link-local"}},
	"multicast route":         {"routes: [239.0.0.0/8]\n", []string{"routes", "multicast"}},
	"IPv6 multicast route":    {"routes: ['ff05::/16']\n", []string{"routes", "multicast"}},
	"route of this host":      {"routes: [0.0.0.0/8]\n", []string{"routes", "0.0.0.0/8"}},
	"wide route":              {"routes: [128.0.0.0/7]\n", []string{"routes", "128.0.0.0/7", "/8"}},
	"wide IPv6 route":         {"routes: ['2000::/15']\n", []string{"routes", "2000::/15", "/16"}},
	"route is default":        {"routes: [0.0.0.0/0]\n", []string{"default route"}},
	"route over network":      {"routes: [10.0.0.0/8]\n", []string{"routes", "10.0.0.0/8", "10.244.0.0/16"}},
	"route is network":        {"routes: [10.244.0.0/16]\n", []string{"routes", "covers", "10.244.0.0/16"}},
	"route in subnet":         {"subnet: [10.244.4.0/22]\nroutes: [10.244.5.0/24]\n", []string{"routes", "10.244.5.0/24", "10.244.4.0/22"}},
	"route twice":             {"routes: [192.168.7.0/24, 192.168.7.0/24]\n", []string{"routes", "192.168.7.0/24", "twice"}},
	"k8s and a prefix":        {"subnet: [k8s, 10.244.1.0/24]\n", []string{"k8s", "not a prefix"}},
	"k8s_node":                {"subnet: k8s\nk8s_node: VM_1\n", []string{"line 2", "k8s_node", `"VM_1"`, "kubectl get nodes"}},
	"kubeconfig alone":        {"kubeconfig: /etc/rancher/k3s/k3s.yaml\n", []string{"line 1", "kubeconfig", "subnet k8s alone", "subnet is auto"}},
	"tab before a key":        {"\tmtu: 1400\n", []string{"line 1", "with a tab: use blanks"}},
	"tab in a section":        {"log:\n\tlevel: info\n", []string{"line 2", "with a tab: use blanks"}},
	"key that is a list":      {"? [a]\n: b\n", []string{"line 1", "a plain word"}},
	"second line with CRLF":   {"mtu: 1400\r\nmtu: 1500\r\n", []string{"line 2", `"mtu"`, "line 1"}},
	"after a byte order mark": {"\ufeffmtu: 1\n", []string{"line 1", "mtu", `"1"`}},
	"UTF-16":                  {"\xff\xfem\x00t\x00u\x00", []string{"line 1"}},
	"endless value":           {"mtu: " + strings.Repeat("9", 5000) + "\n", []string{"line 1", "mtu", "5000", "1024"}},
	"list for a number":       {"mtu: [1400]\n", []string{"line 1", "mtu", "one plain value"}},
	"scalar":                  {"hello\n", []string{"line 1", "key: value"}},
	"no value":                {"mtu:\n", []string{"line 1", "mtu", "has no value"}},
	"empty value":             {"name: \n", []string{"line 1", "name"}},
	"bad name":                {"name: \"a b\"\n", []string{"name", "a b"}},
}

func manyPrefixes(n int) string {
	list := make([]string, n)
	for i := range list {
		list[i] = fmt.Sprintf("192.168.%d.%d/32", i/256, i%256)
	}
	return strings.Join(list, ", ")
}

func TestAPathThatIsNoFileIsRefusedAtOnce(t *testing.T) {
	pipe := filepath.Join(t.TempDir(), "pipe")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	long := filepath.Join(t.TempDir(), "long")
	if err := os.WriteFile(long, make([]byte, maxConfigLen+1), 0o600); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{
		pipe: "not a regular file", t.TempDir(): "a directory", long: "more than 1048576 bytes", "": "--config",
	} {
		cfg := Default()
		if err := cfg.ReadFile(path); err == nil || !errors.Is(err, ErrConfig) || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", path, err, want)
		}
	}
	cfg := Default()
	if err := cfg.ReadFile(os.DevNull); err != nil {
		t.Error(err)
	}
}

// Each of them must be refused in one line that names the place and the value, with exit code 2.
func TestBadConfigurationIsRefusedInOneLineThatNamesPlaceAndValue(t *testing.T) {
	for name, test := range badConfigurations {
		t.Run(name, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "weft.yaml")
			if err := os.WriteFile(file, []byte(test.yaml), 0o600); err != nil {
				t.Fatal(err)
			}
			cfg := Default()
			err := cfg.ReadFile(file)
			if err == nil {
				err = cfg.Validate()
			}
			if err == nil {
				t.Fatal("accepted")
			}
			if !errors.Is(err, ErrConfig) {
				t.Errorf("%v does not wrap ErrConfig", err)
			}
			if strings.Contains(err.Error(), "\n") {
				t.Errorf("more than one line: %q", err)
			}
			for _, want := range test.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("%q does not name %q", err, want)
				}
			}
		})
	}
}

func TestEveryKeySetsWhatItSaysItIs(t *testing.T) {
	const text = `
name: vm-7
network: [10.99.0.0/16, 'fd99::/48']
subnet: [10.99.7.0/24, 'fd99:0:0:7::/64']
routes: [192.168.7.0/24, 10.99.200.0/24]
listen: "192.0.2.7:9000"
advertise: [192.0.2.7, '2001:db8::7']
join: [192.0.2.8, "seed.example.org:9000", "[2001:db8::9]:9000"]
encryption: off
secret_file: /tmp/s
mtu: 1400
device: w7
driver: super
lanes: 3
offload: {tso: on, uso: off, join_tcp: off, join_udp: on, gso: off, gro: on, partial: off}
state_dir: /tmp/state
run_dir: /tmp/run
log: {level: debug, format: json}
`
	cfg := Default()
	if err := cfg.Parse([]byte(text)); err != nil {
		t.Fatal(err)
	}
	if err := cfg.Validate(); err != nil {
		t.Fatal(err)
	}
	want := map[string]string{
		"name": "vm-7", "network": "10.99.0.0/16,fd99::/48", "subnet": "10.99.7.0/24,fd99:0:0:7::/64",
		"routes": "192.168.7.0/24,10.99.200.0/24", "listen": "192.0.2.7:9000", "advertise": "192.0.2.7,2001:db8::7",
		"join":       "192.0.2.8,seed.example.org:9000,[2001:db8::9]:9000",
		"encryption": "off", "secret_file": "/tmp/s", "mtu": "1400", "device": "w7", "driver": "super", "lanes": "3",
		"offload.tso": "on", "offload.uso": "off", "offload.join_tcp": "off", "offload.join_udp": "on", "offload.gso": "off",
		"offload.gro": "on", "offload.partial": "off",
		"state_dir": "/tmp/state", "run_dir": "/tmp/run", "log.level": "debug", "log.format": "json",
	}
	for _, k := range Keys() {
		if value, ok := want[k.Name]; ok && k.Get(&cfg) != value {
			t.Errorf("%s = %q, want %q", k.Name, k.Get(&cfg), value)
		}
	}
}

func TestErrorsThatOnlyTheWholeShowsNameThePlaceOfTheKeyToo(t *testing.T) {
	file := filepath.Join(t.TempDir(), "weft.yaml")
	must(t, os.WriteFile(file, []byte("name: a\n\nlog: {level: debug}\nroutes:\n  - 0.0.0.0/0\n"), 0o600))
	cfg := Default()
	must(t, cfg.ReadFile(file))
	copied := cfg
	if err := cfg.Validate(); err == nil || !strings.HasPrefix(err.Error(), file+": line 4: routes: ") {
		t.Errorf("from a file: %v", err)
	}
	cfg.Given("routes", "--routes")
	if err := cfg.Validate(); err == nil || !strings.HasPrefix(err.Error(), "--routes: 0.0.0.0/0 is") {
		t.Errorf("from a flag: %v", err)
	}
	if err := copied.Validate(); err == nil || !strings.HasPrefix(err.Error(), file+": line 4: ") {
		t.Errorf("of a copy: %v", err)
	}
	bare := Default()
	bare.Name = ""
	if err := bare.Validate(); err == nil || !strings.HasPrefix(err.Error(), "name: ") {
		t.Errorf("from nowhere: %v", err)
	}
}

func TestEveryProposedValueIsAccepted(t *testing.T) {
	for _, k := range Keys() {
		for _, choice := range k.Choices {
			cfg := Default()
			if err := k.Set(&cfg, []string{choice}); err != nil || k.Get(&cfg) != choice {
				t.Errorf("%s: %s: %v, it is then %s", k.Name, choice, err, k.Get(&cfg))
			}
		}
	}
}

// What a reload copies from one configuration into another is the same there.
func TestEveryKeyTakesItsOwnValues(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		from, to := drawConfig(t), Default()
		for _, k := range Keys() {
			if err := k.Set(&to, k.Values(&from)); err != nil || k.Get(&to) != k.Get(&from) {
				t.Fatalf("%s: %v, %q became %q", k.Name, err, k.Get(&from), k.Get(&to))
			}
		}
	})
}

func FuzzConfigurationNeverPanics(f *testing.F) {
	f.Add("name: a\nsubnet: [10.244.1.0/24]\n")
	f.Add("log: {level: info}\n? [a]\n: b\n")
	f.Add("a: &x [*x]\n")
	f.Fuzz(func(t *testing.T, text string) {
		cfg := Default()
		if cfg.Parse([]byte(text)) == nil {
			_ = cfg.Validate() // only must not panic
		}
	})
}
