package config

import (
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// oddWords are what YAML takes for something else than text, or for syntax.
var oddWords = []string{"null", "~", "-", "yes", "no", "on", "true", "1e3", "0x10", "012", "1_000", ".inf", "=", "<<", "!a", "&a", "*a", "%a",
	"@a", "`a", "'", "\"", "a:", ":", "a#", "#a", "?", "[", "{}", "|", ">", "a,b", "---", "...", "2001-01-01", "60:60", "9999999999999999999999"}

// drawConfig is a random configuration that Validate accepts, over every key.
func drawConfig(t *rapid.T) Config {
	cfg := Default()
	for _, k := range Keys() {
		if values := drawValues(t, k.Name); values != nil && k.Set(&cfg, values) != nil {
			t.Fatalf("%s does not take %q", k.Name, values)
		}
	}
	if err := cfg.Validate(); err != nil {
		t.Skip(err)
	}
	return cfg
}

// drawValues are values for a key that it accepts; nil leaves it alone.
func drawValues(t *rapid.T, key string) []string {
	one := func(choices ...string) []string { return []string{rapid.SampledFrom(choices).Draw(t, key)} }
	some := func(choices ...string) []string {
		return rapid.SliceOfNDistinct(rapid.SampledFrom(choices), 0, 3, rapid.ID).Draw(t, key)
	}
	text := func(runes string, most int) []string {
		return []string{rapid.OneOf(rapid.SampledFrom(oddWords), rapid.StringMatching(fmt.Sprintf("%s{1,%d}", runes, most))).Draw(t, key)}
	}
	path := func() []string {
		return []string{"/" + rapid.OneOf(rapid.SampledFrom(oddWords), rapid.StringMatching(`[^\p{C}]{1,16}`)).Draw(t, key)}
	}
	switch key {
	case "name":
		return text("[!-~]", 63)
	case "network":
		return [][]string{{"10.99.0.0/16"}, {"10.99.0.0/16", "fd99::/48"}, {"fd99::/48"}}[rapid.IntRange(0, 2).Draw(t, key)]
	case "subnet":
		return one("auto", "10.99.7.0/24", "fd99:0:0:7::/64")
	case "subnet_size":
		return []string{one("17", "24", "30")[0], one("64", "126")[0]}
	case "bootstrap":
		return one("true", "false")
	case "routes":
		return some("192.168.0.0/16", "172.16.0.0/12", "2001:db8::/32")
	case "listen":
		return one(":1", "192.0.2.1:9000", "[::]:9338", "[2001:db8::1]:65535", "[fe80::1%eth 0]:9338")
	case "advertise":
		return some("192.0.2.1", "2001:db8::1", "10.1.2.3")
	case "join":
		return some(append(nameSeeds(), "192.0.2.1", "[2001:db8::1]:77", "2001:db8::2", "auto", "host:9")...)
	case "encryption":
		return one("on", "off")
	case "cipher":
		return one("auto", "aes-256-gcm", "chacha20-poly1305")
	case "lease":
		return one("1m", "24h", "90m", "8760h", "1m0.5s")
	case "relay":
		return one("allow", "refuse", "prefer")
	case "rekey":
		return one("5s", "90s", "2m", "1h", "7.5s")
	case "mtu":
		return one("auto", "1280", "9000")
	case "device":
		return []string{rapid.StringMatching(`[!-$&-.0-9;-~]{1,15}`).Filter(func(s string) bool {
			return setDevice(new(Config), []string{s}) == nil
		}).Draw(t, key)}
	case "secret_file", "state_dir", "run_dir":
		return path()
	case "driver":
		return one("auto", "super", "batch", "plain")
	case "lanes":
		return one("auto", "1", "64")
	case "offload.tso", "offload.uso", "offload.join_tcp", "offload.join_udp", "offload.gso", "offload.gro", "offload.partial":
		return one("auto", "on", "off")
	case "log.level":
		return one("debug", "info", "warn", "error")
	case "log.format":
		return one("text", "json")
	}
	return nil
}

// nameSeeds are the odd words that are accepted as names of hosts.
func nameSeeds() []string {
	var list []string
	for _, w := range oddWords {
		if setJoin(new(Config), []string{w}) == nil {
			list = append(list, w)
		}
	}
	return list
}

func TestEveryValidConfigurationReadsBackAsItWasWritten(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		cfg := drawConfig(t)
		text, err := cfg.text()
		if err != nil {
			t.Fatal(err)
		}
		back := Default()
		if err := back.Parse(text); err != nil {
			t.Fatalf("%v\n%s", err, text)
		}
		for _, k := range Keys() {
			if got, want := k.Values(&back), k.Values(&cfg); fmt.Sprintf("%q", got) != fmt.Sprintf("%q", want) {
				t.Errorf("%s = %q after reading back, want %q\n%s", k.Name, got, want, text)
			}
		}
	})
}

func TestOddWordsAreNamesAndPathsLikeAnyOther(t *testing.T) {
	for _, word := range oddWords {
		file, cfg := filepath.Join(t.TempDir(), "weft.yaml"), Default()
		cfg.Name, cfg.StateDir = word, "/var/lib/"+word
		if err := WriteFile(file, cfg); err != nil {
			t.Errorf("%q: %v", word, err)
			continue
		}
		back := Default()
		if err := back.ReadFile(file); err != nil || back.Name != word || back.StateDir != "/var/lib/"+word {
			text, _ := os.ReadFile(file)
			t.Errorf("%q: %v, name %q, state_dir %q\n%s", word, err, back.Name, back.StateDir, text)
		}
	}
}

func TestAnOrdinaryConfigurationIsWrittenWithoutQuotes(t *testing.T) {
	cfg := Default()
	cfg.Name, cfg.Bootstrap, cfg.SubnetSize, cfg.Join = "vm-1", true, [2]int{25, 64}, []string{"192.0.2.1:9338"}
	cfg.LogFormat, cfg.Advertise = "json", []netip.Addr{netip.MustParseAddr("192.0.2.2")}
	text, err := cfg.text()
	must(t, err)
	want := `name: vm-1
network: [10.244.0.0/16]
subnet: auto
subnet_size: [25, 64]
bootstrap: true
advertise: [192.0.2.2]
join: ['192.0.2.1:9338']
encryption: on
log: {format: json}
`
	if _, got, _ := strings.Cut(string(text), "\n"); strings.TrimLeft(got, "\n") != want {
		t.Errorf("%s\nwant\n%s", text, want)
	}
}
