package node

import (
	"context"
	"errors"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/weftnet/weft/encap/simnet"
	"github.com/weftnet/weft/node/api"
	"github.com/weftnet/weft/trust"
)

// realTime runs one machine as the daemon does, with its lock and its control socket, and so outside a bubble.
func realTime(t *testing.T) (*machine, *api.Client) {
	t.Helper()
	s := &site{t: t, net: simnet.New(simnet.Options{}), dir: shortDir(t)}
	m := s.machine(1)
	must(t, m.boot())
	ctx, cancel := context.WithCancel(context.Background())
	m.cancel, m.ended = cancel, make(chan error, 1)
	go func() { m.ended <- m.node.Run(ctx) }()
	t.Cleanup(m.stop)
	client := api.NewClient(m.cfg.Socket())
	for end := time.Now().Add(10 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		status, err := client.Status(t.Context())
		if err == nil && len(status.Node.Subnets) > 0 {
			return m, client
		}
		if time.Now().After(end) {
			t.Fatalf("not up after 10 s: %v", err)
		}
	}
}

// shortDir is a directory whose sockets have names short enough for the kernel (108 bytes).
func shortDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "weft")
	must(t, err)
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

func TestTheControlSocketAnswersAndIsForRootAlone(t *testing.T) {
	m, client := realTime(t)
	info, err := os.Stat(m.cfg.Socket())
	must(t, err)
	if info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v", info.Mode())
	}
	status, err := client.Status(t.Context())
	must(t, err)
	if status.Node.Name != "node-1" || status.Node.ID != m.node.identity.Fingerprint().String() || status.Node.Drops == nil || status.Peers == nil {
		t.Errorf("status %+v", status)
	}
	peers, err := client.Peers(t.Context())
	must(t, err)
	if len(peers) != 0 {
		t.Errorf("peers %+v", peers)
	}
	routes, err := client.Routes(t.Context())
	must(t, err)
	if len(routes) != 1 || routes[0].Prefix != subnetOf(1) || routes[0].Kind != "own" {
		t.Errorf("routes %+v", routes)
	}
}

func TestAStopThatIsAskedForEndsTheDaemonWithoutError(t *testing.T) {
	m, client := realTime(t)
	must(t, client.Stop(t.Context()))
	select {
	case err := <-m.ended:
		if err != nil {
			t.Errorf("Run = %v", err)
		}
	case <-time.After(10 * time.Second):
		t.Fatal("it still runs")
	}
	m.cancel()
	m.cancel = nil
	if _, err := client.Status(t.Context()); !errors.Is(err, api.ErrNotRunning) {
		t.Errorf("Status = %v", err)
	}
	must(t, m.boot()) // the port, the lock and the socket are free again
	ctx, cancel := context.WithCancel(context.Background())
	m.cancel = cancel
	go func() { m.ended <- m.node.Run(ctx) }()
}

func TestAnEpochThatCannotBeReadEndsTheStartAndWhatWasOpenedMeanwhile(t *testing.T) {
	s := &site{t: t, net: simnet.New(simnet.Options{}), dir: shortDir(t)}
	m := s.machine(1)
	must(t, m.boot())
	must(t, os.Mkdir(filepath.Join(m.cfg.StateDir, epochFile), 0o700))
	if err := m.node.Run(t.Context()); err == nil || !strings.Contains(err.Error(), epochFile) {
		t.Errorf("a directory in the place of the epoch: %v", err)
	}
	if !m.dev.closed.Load() {
		t.Error("the device is left open")
	}
}

func TestASecondDaemonOfTheSameRunDirectoryIsRefusedAndTheFirstGoesOn(t *testing.T) {
	m, client := realTime(t)
	second, err := New(m.cfg, m.platform(), testLogger(t))
	must(t, err)
	if err := second.Run(t.Context()); !errors.Is(err, ErrRunning) {
		t.Errorf("Run = %v", err)
	}
	if _, err := client.Status(t.Context()); err != nil {
		t.Error(err)
	}
}

// freshConfig is what 'weft init' or 'weft join' starts from on a host of its own.
func freshConfig(t *testing.T, name string) (file string, cfg Config) {
	dir := filepath.Join(t.TempDir(), name)
	cfg = DefaultConfig()
	cfg.Name, cfg.SecretFile, cfg.Advertise = name, filepath.Join(dir, "secret"), []netip.Addr{addrOf(1), addr6Of(1)}
	return filepath.Join(dir, "weft.yaml"), cfg
}

// initialise is Init with a delivery that always works.
func initialise(file string, cfg Config) (token string, err error) {
	err = Init(file, cfg, strings.NewReader(strings.Repeat("secret random bytes ", 10)), func(text string) error {
		token = text
		return nil
	})
	return token, err
}

func TestInitMakesASecretAndATokenWithWhichOthersJoin(t *testing.T) {
	file, cfg := freshConfig(t, "first")
	cfg.Encryption, cfg.SubnetSize = false, [2]int{25, 72}
	text, err := initialise(file, cfg)
	must(t, err)
	first := DefaultConfig()
	must(t, first.ReadFile(file))
	must(t, first.Validate())
	if !first.Bootstrap || first.Encryption || first.SubnetSize != cfg.SubnetSize {
		t.Errorf("the first node's configuration is %+v", first)
	}

	other, mine := freshConfig(t, "second")
	must(t, Join(other, mine, nil, "  "+text+"\n"))
	second := DefaultConfig()
	must(t, second.ReadFile(other))
	must(t, second.Validate())
	if second.Bootstrap || second.Encryption || second.SubnetSize != cfg.SubnetSize || second.Network[0] != cfg.Network[0] {
		t.Errorf("the second node's configuration is %+v", second)
	}
	if want := "192.0.2.1:9338,[2001:db8::1]:9338"; strings.Join(second.Join, ",") != want {
		t.Errorf("it calls %v, want %s", second.Join, want)
	}
	checkSameSecret(t, cfg.SecretFile, mine.SecretFile)
	if err := Join(other, mine, nil, text); !errors.Is(err, ErrConfig) || !errors.Is(err, ErrExists) {
		t.Errorf("a second Join = %v", err)
	}
	if _, err := initialise(file, cfg); !errors.Is(err, ErrExists) {
		t.Errorf("a second Init = %v", err)
	}
}

func checkSameSecret(t *testing.T, a, b string) {
	t.Helper()
	x, exposedX, err := trust.ReadSecretFile(a)
	must(t, err)
	y, exposedY, err := trust.ReadSecretFile(b)
	must(t, err)
	if x != y || exposedX || exposedY {
		t.Errorf("the secrets differ, or others may read them (%v, %v)", exposedX, exposedY)
	}
}

func TestJoinOverwritesNoOtherSecretAndTakesNoBadToken(t *testing.T) {
	file, cfg := freshConfig(t, "first")
	text, err := initialise(file, cfg)
	must(t, err)
	other, mine := freshConfig(t, "second")
	must(t, os.MkdirAll(filepath.Dir(other), 0o700))
	must(t, os.WriteFile(mine.SecretFile, []byte(trust.Secret{1}.Text()), 0o600))
	if err := Join(other, mine, nil, text); !errors.Is(err, ErrExists) || !strings.Contains(err.Error(), mine.SecretFile) {
		t.Errorf("Join over another secret = %v", err)
	}
	if got, _, _ := trust.ReadSecretFile(mine.SecretFile); got != (trust.Secret{1}) {
		t.Error("the secret was overwritten")
	}
	for _, bad := range []string{"", "weft1.", text[:len(text)-5], strings.ToUpper(text), "weft9" + text[5:]} {
		if err := Join(other, mine, nil, bad); !errors.Is(err, ErrConfig) || strings.Contains(err.Error(), "\n") {
			t.Errorf("Join with token %q = %v", bad, err)
		}
	}
	if _, err := os.Stat(other); err == nil {
		t.Error("a refused Join left a configuration")
	}
}

func TestInitRefusesWhatUpWouldRefuse(t *testing.T) {
	file, cfg := freshConfig(t, "first")
	cfg.Subnet = Subnet{Prefixes: []netip.Prefix{netip.MustParsePrefix("10.9.0.0/24")}}
	if _, err := initialise(file, cfg); !errors.Is(err, ErrConfig) {
		t.Errorf("Init = %v", err)
	}
	if _, err := os.Stat(filepath.Dir(file)); err == nil {
		t.Error("a refused Init left something")
	}
}
