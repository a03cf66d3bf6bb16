// Package setup makes a host a node of a cluster: the secret, the configuration file, and the tokens with which others join.
package setup

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
	"strings"

	"github.com/weftnet/weft/atomicfile"
	"github.com/weftnet/weft/kernel"
	"github.com/weftnet/weft/node/config"
	"github.com/weftnet/weft/trust"
)

// ErrExists says that something would be overwritten: a configuration, a secret, a file with a token.
var ErrExists = errors.New("exists already")

// Init makes the first node of a cluster: a secret if there is none, the configuration file, and a token for the others,
// which it gives to deliver. cfg holds what the user chose. Nothing that exists is overwritten. An error, also one of
// deliver, leaves no file that was not there before.
func Init(file string, cfg config.Config, random io.Reader, deliver func(token string) error) error {
	cfg.Bootstrap = cfg.Subnet.Auto
	if err := prepare(file, &cfg); err != nil {
		return err
	}
	secret, err := secretOrNew(cfg.SecretFile, random)
	if err != nil {
		return err
	}
	token, err := tokenOf(cfg, secret)
	if err != nil {
		return err
	}
	return setUp(file, cfg, secret, func() error {
		if err := deliver(token); err != nil {
			return fmt.Errorf("nothing was set up, since the token could not be handed over: %w", err)
		}
		return nil
	})
}

// Token makes the token with which others join a node that is set up with cfg. It reads the secret.
func Token(cfg config.Config) (string, error) {
	secret, _, err := trust.ReadSecretFile(cfg.SecretFile)
	if err != nil {
		return "", secretError(err)
	}
	return tokenOf(cfg, secret)
}

func tokenOf(cfg config.Config, secret trust.Secret) (string, error) {
	seeds, err := callableAt(cfg)
	if err != nil {
		return "", err
	}
	return trust.Token{
		Secret: secret, Join: seeds, Network: cfg.Network, Encryption: cfg.Encryption, SubnetSize: cfg.SubnetSize,
	}.Text()
}

// WriteTokenFile writes a token to a new file that only its owner can read.
func WriteTokenFile(path, token string) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return config.Errorf("%s %w: delete it first, or name another file for the token", path, ErrExists)
	}
	if err != nil {
		return fmt.Errorf("setup: write token: %w", err)
	}
	_, err = f.WriteString(token + "\n")
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		return fmt.Errorf("setup: write token: %w", errors.Join(err, os.Remove(path)))
	}
	return nil
}

// Join makes a further node from a token. cfg holds what the user chose, and chosen the names of those keys: what the
// token decides must not contradict it, but for join, where the user's choice replaces the token's. An error leaves no
// file that was not there before.
func Join(file string, cfg config.Config, chosen map[string]bool, text string) error {
	token, err := trust.ParseToken(text)
	if err != nil {
		return config.Errorf("token: %w", err)
	}
	if cfg.Bootstrap {
		return config.KeyErrorf("bootstrap", "only the first node of a cluster may have it, and a node that joins is not the first")
	}
	if err := follow(token, &cfg, chosen); err != nil {
		return err
	}
	if err := prepare(file, &cfg); err != nil {
		return err
	}
	return setUp(file, cfg, token.Secret, func() error { return nil })
}

// follow gives cfg what the token decides.
func follow(token trust.Token, cfg *config.Config, chosen map[string]bool) error {
	told := *cfg
	told.Network, told.Encryption, told.SubnetSize = token.Network, token.Encryption, token.SubnetSize
	for _, k := range config.Keys() {
		if chosen[k.Name] && k.Name != "join" && !sameItems(k.Values(cfg), k.Values(&told)) {
			return config.KeyErrorf(k.Name, "%s was chosen, but the token says %s: leave it out to join this cluster", k.Get(cfg), k.Get(&told))
		}
	}
	if !chosen["join"] {
		told.Join = token.Join
	}
	*cfg = told
	return nil
}

func sameItems(a, b []string) bool {
	return slices.Equal(slices.Sorted(slices.Values(a)), slices.Sorted(slices.Values(b)))
}

// prepare checks cfg and makes its paths absolute, since 'up' may run elsewhere. It changes nothing on the machine.
func prepare(file string, cfg *config.Config) error {
	for _, path := range []*string{&cfg.SecretFile, &cfg.StateDir, &cfg.RunDir, &cfg.Authority, &cfg.Certificate} {
		if *path == "" {
			continue
		}
		absolute, err := filepath.Abs(*path)
		if err != nil {
			return fmt.Errorf("setup: make %s absolute: %w", *path, err)
		}
		*path = absolute
	}
	if err := cfg.Validate(); err != nil {
		return err
	}
	if _, err := os.Lstat(file); err == nil {
		return config.Errorf("%s %w: this host is set up; delete the file first to start over", file, ErrExists)
	}
	return nil
}

// setUp writes secret and configuration, then calls last. When something fails, what it wrote is removed again.
func setUp(file string, cfg config.Config, secret trust.Secret, last func() error) error {
	created, err := writeSecret(cfg.SecretFile, secret)
	if err != nil {
		return err
	}
	err = config.WriteFile(file, cfg)
	if err == nil {
		if err = last(); err == nil {
			return nil
		}
		err = errors.Join(err, os.Remove(file))
	}
	if created {
		err = errors.Join(err, os.Remove(cfg.SecretFile))
	}
	return err
}

func secretOrNew(path string, random io.Reader) (trust.Secret, error) {
	secret, _, err := trust.ReadSecretFile(path)
	switch {
	case err == nil:
		return secret, nil
	case errors.Is(err, fs.ErrNotExist):
		return trust.NewSecret(random)
	}
	return secret, secretError(err)
}

// writeSecret writes the secret, unless it is there already; another one is not overwritten.
func writeSecret(path string, secret trust.Secret) (created bool, err error) {
	old, _, err := trust.ReadSecretFile(path)
	switch {
	case err == nil && old == secret:
		return false, nil
	case err == nil:
		return false, config.KeyErrorf("secret_file", "%s %w with another secret; delete it first to join this cluster", path, ErrExists)
	case !errors.Is(err, fs.ErrNotExist):
		return false, secretError(err)
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return false, fmt.Errorf("setup: make the directory of %s: %w", path, config.RootHint(err))
	}
	err = atomicfile.Create(path, []byte(secret.Text()+"\n"), 0o600)
	if errors.Is(err, fs.ErrExist) { // it came meanwhile, or is a symbolic link that leads nowhere
		return false, config.KeyErrorf("secret_file", "%s %w: it came just now, or is a symbolic link that leads nowhere; try again, or delete it first", path, ErrExists)
	}
	if err != nil {
		return false, fmt.Errorf("setup: write secret: %w", config.RootHint(err))
	}
	return true, nil
}

// secretError explains why the secret cannot be read: the configuration is wrong, or the user may not.
func secretError(err error) error {
	if errors.Is(err, fs.ErrPermission) {
		return fmt.Errorf("secret_file: %w", config.RootHint(err))
	}
	return config.KeyErrorf("secret_file", "%w", err)
}

// callableAt lists the addresses that go into a token: those that are advertised, or else the one that is listened on, or
// else the source address of the default route.
func callableAt(cfg config.Config) ([]string, error) {
	host, port, err := net.SplitHostPort(cfg.Listen)
	if err != nil {
		return nil, config.KeyErrorf("listen", "%w", err)
	}
	addrs := cfg.Advertise
	if bound, err := netip.ParseAddr(host); err == nil && !bound.IsUnspecified() && len(addrs) == 0 {
		addrs = []netip.Addr{bound.Unmap()}
	}
	if len(addrs) == 0 {
		source, err := defaultSource()
		if err != nil {
			return nil, err
		}
		addrs = []netip.Addr{source}
	}
	seeds := make([]string, len(addrs))
	for i, a := range addrs {
		seeds[i] = net.JoinHostPort(a.String(), port)
	}
	return seeds, nil
}

func defaultSource() (netip.Addr, error) {
	host, err := kernel.New(slog.New(slog.DiscardHandler))
	if err != nil {
		return netip.Addr{}, err
	}
	e, err := host.Egress(netip.Addr{})
	if err != nil {
		return netip.Addr{}, fmt.Errorf("no address for the token: %s (name the address that the others shall call with --advertise)",
			strings.TrimPrefix(err.Error(), "kernel: egress: "))
	}
	return e.Source, nil
}
