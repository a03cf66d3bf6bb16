package setup

import (
	"errors"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/weftnet/weft/node/config"
	"github.com/weftnet/weft/trust"
)

// freshConfig is what 'weft init' or 'weft join' starts from on a host of its own.
func freshConfig(t *testing.T, name string) (file string, cfg config.Config) {
	dir := filepath.Join(t.TempDir(), name)
	cfg = config.Default()
	cfg.Name, cfg.SecretFile, cfg.Advertise = name, filepath.Join(dir, "secret"), []netip.Addr{netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("2001:db8::1")}
	return filepath.Join(dir, "weft.yaml"), cfg
}

// initialise is Init with a delivery that always works.
func initialise(file string, cfg config.Config) (token string, err error) {
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
	first := config.Default()
	must(t, first.ReadFile(file))
	must(t, first.Validate())
	if !first.Bootstrap || first.Encryption || first.SubnetSize != cfg.SubnetSize {
		t.Errorf("the first node's configuration is %+v", first)
	}

	other, mine := freshConfig(t, "second")
	must(t, Join(other, mine, nil, "  "+text+"\n"))
	second := config.Default()
	must(t, second.ReadFile(other))
	must(t, second.Validate())
	if second.Bootstrap || second.Encryption || second.SubnetSize != cfg.SubnetSize || second.Network[0] != cfg.Network[0] {
		t.Errorf("the second node's configuration is %+v", second)
	}
	if want := "192.0.2.1:9338,[2001:db8::1]:9338"; strings.Join(second.Join, ",") != want {
		t.Errorf("it calls %v, want %s", second.Join, want)
	}
	checkSameSecret(t, cfg.SecretFile, mine.SecretFile)
	if err := Join(other, mine, nil, text); !errors.Is(err, config.ErrConfig) || !errors.Is(err, ErrExists) {
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
		if err := Join(other, mine, nil, bad); !errors.Is(err, config.ErrConfig) || strings.Contains(err.Error(), "\n") {
			t.Errorf("Join with token %q = %v", bad, err)
		}
	}
	if _, err := os.Stat(other); err == nil {
		t.Error("a refused Join left a configuration")
	}
}

func TestInitRefusesWhatUpWouldRefuse(t *testing.T) {
	file, cfg := freshConfig(t, "first")
	cfg.Subnet = config.Subnet{Prefixes: []netip.Prefix{netip.MustParsePrefix("10.9.0.0/24")}}
	if _, err := initialise(file, cfg); !errors.Is(err, config.ErrConfig) {
		t.Errorf("Init = %v", err)
	}
	if _, err := os.Stat(filepath.Dir(file)); err == nil {
		t.Error("a refused Init left something")
	}
}

func absent(t *testing.T, paths ...string) {
	t.Helper()
	for _, path := range paths {
		if _, err := os.Lstat(path); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s is there (%v)", path, err)
		}
	}
}

func TestATokenThatCannotBeDeliveredUndoesInit(t *testing.T) {
	file, cfg := freshConfig(t, "first")
	full := errors.New("no space left")
	err := Init(file, cfg, strings.NewReader(strings.Repeat("x", 32)), func(string) error { return full })
	if !errors.Is(err, full) {
		t.Errorf("Init = %v", err)
	}
	absent(t, file, cfg.SecretFile)
	if _, err := initialise(file, cfg); err != nil {
		t.Errorf("a second try: %v", err)
	}
}

func TestAConfigurationThatCannotBeWrittenLeavesNoNewSecret(t *testing.T) {
	_, cfg := freshConfig(t, "first")
	inTheWay := filepath.Join(t.TempDir(), "file")
	must(t, os.WriteFile(inTheWay, nil, 0o600))
	if _, err := initialise(filepath.Join(inTheWay, "weft.yaml"), cfg); err == nil {
		t.Error("it was written into a file")
	}
	absent(t, cfg.SecretFile)
}

func TestAFailedInitKeepsASecretThatWasThere(t *testing.T) {
	file, cfg := freshConfig(t, "first")
	must(t, os.MkdirAll(filepath.Dir(file), 0o700))
	must(t, os.WriteFile(cfg.SecretFile, []byte(trust.Secret{7}.Text()), 0o600))
	if err := Init(file, cfg, strings.NewReader(""), func(string) error { return fs.ErrClosed }); !errors.Is(err, fs.ErrClosed) {
		t.Errorf("Init = %v", err)
	}
	absent(t, file)
	if got, _, err := trust.ReadSecretFile(cfg.SecretFile); err != nil || got != (trust.Secret{7}) {
		t.Errorf("the secret is %v, %v", got, err)
	}
}

func TestTheTokenCanBeMadeAgain(t *testing.T) {
	file, cfg := freshConfig(t, "first")
	token, err := initialise(file, cfg)
	must(t, err)
	back := config.Default()
	must(t, back.ReadFile(file))
	if again, err := Token(back); err != nil || again != token {
		t.Errorf("Token = %q, %v, want %q", again, err, token)
	}
}

func TestATokenNamesTheAddressThatIsListenedOn(t *testing.T) {
	file, cfg := freshConfig(t, "first")
	cfg.Advertise, cfg.Listen = nil, "192.0.2.77:9000"
	text, err := initialise(file, cfg)
	must(t, err)
	token, err := trust.ParseToken(text)
	must(t, err)
	if len(token.Join) != 1 || token.Join[0] != cfg.Listen {
		t.Errorf("the token names %v", token.Join)
	}
}

func TestATokenFileIsNewAndForItsOwnerAlone(t *testing.T) {
	path := filepath.Join(t.TempDir(), "token")
	must(t, WriteTokenFile(path, "weft1.x"))
	info, err := os.Stat(path)
	must(t, err)
	if text, err := os.ReadFile(path); err != nil || string(text) != "weft1.x\n" || info.Mode().Perm() != 0o600 {
		t.Errorf("%q, mode %v, %v", text, info.Mode(), err)
	}
	if err := WriteTokenFile(path, "weft1.y"); !errors.Is(err, ErrExists) || !errors.Is(err, config.ErrConfig) {
		t.Errorf("over a file that exists: %v", err)
	}
}

func TestRelativePathsAreWrittenAsAbsoluteOnes(t *testing.T) {
	file, cfg := freshConfig(t, "first")
	t.Chdir(t.TempDir())
	here, err := os.Getwd()
	must(t, err)
	cfg.SecretFile, cfg.StateDir, cfg.RunDir = "secret", "./state", "../run"
	_, err = initialise(file, cfg)
	must(t, err)
	back := config.Default()
	must(t, back.ReadFile(file))
	if back.SecretFile != filepath.Join(here, "secret") || back.StateDir != filepath.Join(here, "state") || back.RunDir != filepath.Join(filepath.Dir(here), "run") {
		t.Errorf("it wrote %q, %q, %q", back.SecretFile, back.StateDir, back.RunDir)
	}
}

// join sets up a node from the token of a first one, with the values that a user chose.
func join(t *testing.T, chosen map[string][]string) (config.Config, error) {
	t.Helper()
	file, cfg := freshConfig(t, "first")
	token, err := initialise(file, cfg)
	must(t, err)
	other, mine := freshConfig(t, "second")
	names := map[string]bool{}
	for _, k := range config.Keys() {
		if values, ok := chosen[k.Name]; ok {
			must(t, k.Set(&mine, values))
			names[k.Name] = true
		}
	}
	if err := Join(other, mine, names, token); err != nil {
		absent(t, other, mine.SecretFile)
		return mine, err
	}
	back := config.Default()
	must(t, back.ReadFile(other))
	return back, nil
}

func TestAChoiceThatContradictsTheTokenIsRefusedWithBothValues(t *testing.T) {
	for key, test := range map[string]struct{ chosen, told string }{
		"network":     {"10.7.0.0/16", "10.244.0.0/16"},
		"encryption":  {"off", "on"},
		"subnet_size": {"26", "24,64"},
	} {
		_, err := join(t, map[string][]string{key: {test.chosen}})
		if !errors.Is(err, config.ErrConfig) || !strings.Contains(err.Error(), key) || !strings.Contains(err.Error(), test.chosen) || !strings.Contains(err.Error(), test.told) {
			t.Errorf("%s: %v", key, err)
		}
	}
}

func TestAChoiceThatTheTokenAlsoMadeIsTaken(t *testing.T) {
	if _, err := join(t, map[string][]string{"network": {"10.244.0.0/16"}, "encryption": {"on"}, "subnet_size": {"24"}}); err != nil {
		t.Error(err)
	}
}

func TestSeedsThatTheUserNamesReplaceTheToken(t *testing.T) {
	cfg, err := join(t, map[string][]string{"join": {"seed.example.org", "192.0.2.9:1"}})
	must(t, err)
	if strings.Join(cfg.Join, " ") != "seed.example.org 192.0.2.9:1" {
		t.Errorf("it calls %v", cfg.Join)
	}
}

func TestANodeThatJoinsMayNotBootstrap(t *testing.T) {
	if _, err := join(t, map[string][]string{"bootstrap": {"true"}}); !errors.Is(err, config.ErrConfig) || !strings.Contains(err.Error(), "bootstrap") {
		t.Errorf("Join = %v", err)
	}
	if _, err := join(t, map[string][]string{"bootstrap": {"false"}}); err != nil {
		t.Error(err)
	}
}

func TestWhatATokenDecidesIsTakenOver(t *testing.T) {
	cfg, err := join(t, map[string][]string{"name": {"null"}})
	must(t, err)
	if cfg.Name != "null" || cfg.Network[0] != netip.MustParsePrefix("10.244.0.0/16") || len(cfg.Join) != 2 {
		t.Errorf("%+v", cfg)
	}
}
