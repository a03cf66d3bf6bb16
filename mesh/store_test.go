package mesh

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/weftnet/weft/trust"
)

func TestKnownPeersAreCalledAgainAfterARestartWithoutSeeds(t *testing.T) {
	bubble(t, func(t *testing.T, n *fakeNet) {
		a, b := n.host(1, nil), n.host(2, []int{1}, func(c *Config) { c.StateDir = t.TempDir() })
		a.start()
		b.start()
		within(t, time.Second, "both see both", allSee(a, b))
		b.crash()
		b.cfg.Seeds = nil
		b.start()
		if m, ok := b.member(a); !ok || m.Alive || m.Claim == nil || m.Name != "node-1" {
			t.Errorf("after the restart: %+v, want a known, dead member with its claim", m)
		}
		within(t, 10*time.Second, "both see both", allSee(a, b))
	})
}

func TestAClaimKeepsItsVersionAndAgeOverARestart(t *testing.T) {
	bubble(t, func(t *testing.T, n *fakeNet) {
		a := n.host(1, nil, func(c *Config) { c.StateDir = t.TempDir() })
		a.start()
		within(t, time.Second, "it claims", allSeeSelf(a))
		before := a.mesh.View().Self
		a.crash()
		time.Sleep(time.Hour)
		a.start()
		within(t, time.Second, "it claims", allSeeSelf(a))
		if after := a.mesh.View().Self; after.digest != before.digest {
			t.Errorf("version %d since %v became version %d since %v", before.Version, before.Since, after.Version, after.Since)
		}
	})
}

func allSeeSelf(h *fakeHost) func() bool {
	return func() bool { s := h.mesh.View().Self; return s != nil && len(s.Endpoints) > 0 }
}

func TestStateFilesAreForTheOwnerOnly(t *testing.T) {
	bubble(t, func(t *testing.T, n *fakeNet) {
		dir := t.TempDir()
		a, b := n.host(1, nil), n.host(2, []int{1}, func(c *Config) { c.StateDir = dir })
		a.start()
		b.start()
		within(t, time.Second, "both see both", allSee(a, b))
		b.crash()
		for _, name := range []string{claimFile, peersFile} {
			info, err := os.Stat(filepath.Join(dir, name))
			if err != nil || info.Mode().Perm() != 0o600 {
				t.Errorf("%s: %v %v", name, info, err)
			}
		}
	})
}

// testConfig is a configuration without a network around it.
func testConfig(dir string, log *slog.Logger) Config {
	return Config{
		Identity: testIdentity("a"), Boot: nextBoot(), Name: "a", StateDir: dir, Logger: log, Network: lawsRules.Network,
		Subnet: Subnet{Kind: KindStatic, Prefixes: lawsRules.Network[:0]}, Underlay: &fakeHost{},
	}
}

func TestADamagedStateFileIsSetAsideAndNamed(t *testing.T) {
	foreign := string(encodeClaimFile(mustSign(t, "another", testContent())))
	for name, contents := range map[string]struct{ file, text string }{
		"claim empty":           {claimFile, ""},
		"claim not JSON":        {claimFile, "garbage"},
		"claim cut":             {claimFile, foreign[:len(foreign)/2]},
		"claim forged":          {claimFile, `{"version":1,"claim":"AAAA"}`},
		"claim of another key":  {claimFile, foreign},
		"peers not JSON":        {peersFile, "\x00\x00"},
		"peers of no version":   {peersFile, `{"peers":[]}`},
		"peers with a bad id":   {peersFile, `{"version":1,"peers":[{"id":"xx"}]}`},
		"peers with a bad addr": {peersFile, fmt.Sprintf(`{"version":1,"peers":[{"id":%q,"observed":["0.0.0.0:1"]}]}`, testIdentity("b").Fingerprint())},
	} {
		t.Run(name, func(t *testing.T) {
			dir, log := t.TempDir(), &strings.Builder{}
			path := filepath.Join(dir, contents.file)
			if err := os.WriteFile(path, []byte(contents.text), 0o600); err != nil {
				t.Fatal(err)
			}
			if _, err := New(testConfig(dir, slog.New(slog.NewTextHandler(log, nil)))); err != nil {
				t.Fatal(err)
			}
			if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
				t.Error("the damaged file is still in its place")
			}
			aside, err := filepath.Glob(path + ".damaged-*")
			if err != nil || len(aside) != 1 || !strings.Contains(log.String(), aside[0]) {
				t.Errorf("set aside %v, log %q", aside, log)
			}
		})
	}
}

func TestAStateFileOfANewerWeftIsRefusedAndKept(t *testing.T) {
	for _, name := range []string{claimFile, peersFile} {
		dir := t.TempDir()
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(`{"version":2,"peers":"of another kind"}`), 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := New(testConfig(dir, nil))
		if !errors.Is(err, ErrNewerState) || !strings.Contains(err.Error(), path) || !strings.Contains(err.Error(), "version 2") {
			t.Errorf("error %v, want one that names the file and both versions", err)
		}
		if _, err := os.Stat(path); err != nil {
			t.Errorf("the file is gone: %v", err)
		}
	}
}

func TestBadConfigurationIsRefusedInOneLine(t *testing.T) {
	for name, edit := range map[string]func(*Config){
		"no identity":            func(c *Config) { c.Identity = nil },
		"no underlay":            func(c *Config) { c.Underlay = nil },
		"no network":             func(c *Config) { c.Network = nil },
		"no name":                func(c *Config) { c.Name = "" },
		"no kind":                func(c *Config) { c.Subnet.Kind = 0 },
		"subnet outside":         func(c *Config) { c.Subnet.Prefixes = testContent().Routes },
		"all of the network":     func(c *Config) { c.Subnet.Prefixes = c.Network },
		"route over the network": func(c *Config) { c.Routes = []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")} },
		"route to loopback":      func(c *Config) { c.Routes = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")} },
		"auto size too small":    func(c *Config) { c.Subnet = Subnet{Kind: KindAuto, Bits4: 16} },
		"auto size too large":    func(c *Config) { c.Subnet = Subnet{Kind: KindAuto, Bits4: 33} },
		"seed with a bad port":   func(c *Config) { c.Seeds = []string{"x:99999"} },
		"more routes than fits":  func(c *Config) { c.Routes = slices.Repeat(testContent().Routes, MaxPrefixes+1) },
	} {
		t.Run(name, func(t *testing.T) {
			cfg := testConfig("", nil)
			edit(&cfg)
			_, err := New(cfg)
			if err == nil || !strings.HasPrefix(err.Error(), "mesh: ") || strings.Contains(err.Error(), "\n") {
				t.Errorf("error %v", err)
			}
		})
	}
}

func TestADamagedRecordOfWhoIsShutOutKeepsANodeFromStarting(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, revokedFile)
	if err := os.WriteFile(path, []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	err := store{dir: dir, log: slog.New(slog.DiscardHandler), now: time.Now()}.loadRevoked(trust.NewAdmission(nil))
	if err == nil || !strings.Contains(err.Error(), path+" is damaged") {
		t.Errorf("error %v", err)
	}
	if _, err := os.Stat(path); err != nil {
		t.Errorf("it is not left where it is: %v", err)
	}
}
