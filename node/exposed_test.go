package node

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/weftnet/weft/node/config"
	"github.com/weftnet/weft/trust"
)

func TestKeyFilesThatOthersMayUseAreRefused(t *testing.T) {
	bubble(t, lan, func(t *testing.T, s *site) {
		a := s.machine(1)
		a.start()
		a.stop()
		for file, key := range map[string]string{
			a.cfg.SecretFile: "secret_file: ", filepath.Join(a.cfg.StateDir, trust.IdentityFile): "state_dir: ",
		} {
			for _, mode := range []os.FileMode{0o640, 0o604, 0o620, 0o602, 0o644, 0o666} {
				must(t, os.Chmod(file, mode))
				err := a.boot()
				for _, want := range []string{key, file, "chmod 600 " + file} {
					if !errors.Is(err, config.ErrConfig) || strings.Contains(err.Error(), "\n") || !strings.Contains(err.Error(), want) {
						t.Errorf("mode %04o: %v, want one line with %q", mode, err, want)
					}
				}
			}
			must(t, os.Chmod(file, 0o600))
		}
		must(t, a.boot())
	})
}

func TestAKeyFileThatBecomesReadableIsSaidUntilItIsMended(t *testing.T) {
	bubble(t, lan, func(t *testing.T, s *site) {
		a := s.machine(1)
		must(t, a.boot())
		log := a.logged()
		a.run()
		for _, file := range []string{a.cfg.SecretFile, filepath.Join(a.cfg.StateDir, trust.IdentityFile)} {
			before := log.count("node.secret.exposed")
			must(t, os.Chmod(file, 0o644))
			within(t, 2*tidyPeriod, "it is said", func() bool { return strings.Contains(a.degraded("secret"), "chmod 600 "+file) })
			if _, err := a.reload(unchanged); file == a.cfg.SecretFile && err == nil {
				t.Error("a reload took it")
			}
			must(t, os.Chmod(file, 0o600))
			within(t, 2*tidyPeriod, "it is not said any more", func() bool { return a.degraded("secret") == "" })
			if n := log.count("node.secret.exposed") - before; n != 1 {
				t.Errorf("it was logged %d times", n)
			}
		}
	})
}
