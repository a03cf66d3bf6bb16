package node

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/google/renameio/v2"

	"github.com/weftnet/weft/kernel"
	"github.com/weftnet/weft/trust"
)

// ErrExists says that Init or Join would overwrite a configuration.
var ErrExists = errors.New("exists already")

// Init makes the first node of a cluster: a secret if there is none, the configuration file, and a token for the others.
// cfg holds what the user chose. Nothing that exists is overwritten.
func Init(file string, cfg Config, random io.Reader) (token string, err error) {
	cfg.Bootstrap = cfg.Subnet.Auto
	if err := prepare(file, cfg); err != nil {
		return "", err
	}
	secret, err := ensureSecret(cfg.SecretFile, random)
	if err != nil {
		return "", err
	}
	if err := writeConfig(file, cfg); err != nil {
		return "", err
	}
	return TokenOf(cfg, secret)
}

// TokenOf makes the token with which others join a node of that configuration.
func TokenOf(cfg Config, secret trust.Secret) (string, error) {
	seeds, err := callableAt(cfg)
	if err != nil {
		return "", err
	}
	return trust.Token{
		Secret: secret, Join: seeds, Network: cfg.Network, Encryption: cfg.Encryption, SubnetSize: cfg.SubnetSize,
	}.Text()
}

// Join makes a further node from a token.
func Join(file string, cfg Config, text string) error {
	token, err := trust.ParseToken(text)
	if err != nil {
		return configErrorf("token: %w", err)
	}
	cfg.Network, cfg.Encryption, cfg.SubnetSize = token.Network, token.Encryption, token.SubnetSize
	cfg.Join, cfg.Bootstrap = token.Join, false
	if err := prepare(file, cfg); err != nil {
		return err
	}
	if err := writeSecret(cfg.SecretFile, token.Secret); err != nil {
		return err
	}
	return writeConfig(file, cfg)
}

func prepare(file string, cfg Config) error {
	if err := cfg.Validate(); err != nil {
		return err
	}
	if _, err := os.Stat(file); err == nil {
		return configErrorf("%s %w: this host is set up; delete the file first to start over", file, ErrExists)
	}
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		return fmt.Errorf("node: make directory of %s: %w", file, err)
	}
	return nil
}

func ensureSecret(path string, random io.Reader) (trust.Secret, error) {
	secret, _, err := trust.ReadSecretFile(path)
	if err == nil {
		return secret, nil
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return secret, configErrorf("secret_file: %w", err)
	}
	if secret, err = trust.NewSecret(random); err != nil {
		return secret, err
	}
	return secret, writeSecret(path, secret)
}

func writeSecret(path string, secret trust.Secret) error {
	old, _, err := trust.ReadSecretFile(path)
	switch {
	case err == nil && old == secret:
		return nil
	case err == nil:
		return configErrorf("secret_file: %s %w with another secret; delete it first to join this cluster", path, ErrExists)
	case !errors.Is(err, fs.ErrNotExist):
		return configErrorf("secret_file: %w", err)
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return fmt.Errorf("node: make directory of %s: %w", path, err)
	}
	if err := renameio.WriteFile(path, []byte(secret.Text()+"\n"), 0o600); err != nil {
		return fmt.Errorf("node: write secret: %w", err)
	}
	return nil
}

// writeConfig writes the keys that differ from the defaults, and those that everybody looks for.
func writeConfig(file string, cfg Config) error {
	always := map[string]bool{"name": true, "network": true, "subnet": true, "join": true, "encryption": true}
	defaults := DefaultConfig()
	var b strings.Builder
	b.WriteString("# weft: all keys are in docs/configuration.md and 'weft up --help'\n")
	for _, k := range keys {
		if strings.Contains(k.Name, ".") || !always[k.Name] && k.Get(&cfg) == k.Get(&defaults) {
			continue
		}
		fmt.Fprintf(&b, "%s: %s\n", k.Name, yamlValue(k, &cfg))
	}
	if err := renameio.WriteFile(file, []byte(b.String()), 0o644); err != nil {
		return fmt.Errorf("node: write configuration: %w", err)
	}
	return nil
}

// yamlValue is a key's value in flow style; quoted, so that no colon, bracket or word of YAML's own is taken for syntax.
func yamlValue(k *Key, cfg *Config) string {
	values := slices.Clone(k.Values(cfg))
	for i, v := range values {
		if strings.ContainsAny(v, ":[]{}#&*!|>'\"%@`, ") || v == "" {
			values[i] = strconv.Quote(v)
		}
	}
	if !k.List || len(values) == 1 && values[0] == "auto" {
		return strings.Join(values, ", ")
	}
	return "[" + strings.Join(values, ", ") + "]"
}

// callableAt lists the addresses that go into a token.
func callableAt(cfg Config) ([]string, error) {
	addrs := cfg.Advertise
	if len(addrs) == 0 {
		host, err := kernel.New(slog.New(slog.DiscardHandler))
		if err != nil {
			return nil, err
		}
		e, err := host.Egress(netip.Addr{})
		if err != nil {
			return nil, fmt.Errorf("%w (name the address that the others shall call with --advertise)", err)
		}
		addrs = []netip.Addr{e.Source}
	}
	_, port, err := net.SplitHostPort(cfg.Listen)
	if err != nil {
		return nil, configErrorf("listen: %w", err)
	}
	seeds := make([]string, len(addrs))
	for i, a := range addrs {
		seeds[i] = net.JoinHostPort(a.String(), port)
	}
	return seeds, nil
}
