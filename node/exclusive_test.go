package node

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/weftnet/weft/encap"
	"github.com/weftnet/weft/encap/simnet"
	"github.com/weftnet/weft/node/rundir"
	"github.com/weftnet/weft/node/statedir"
	"github.com/weftnet/weft/tun"
)

// tree lists all files below a directory.
func tree(t *testing.T, dir string) string {
	t.Helper()
	var list []string
	must(t, filepath.WalkDir(dir, func(path string, _ os.DirEntry, err error) error {
		list = append(list, strings.TrimPrefix(path, dir))
		return err
	}))
	return strings.Join(list, "\n")
}

func TestANodeThatIsRefusedHasWrittenNothing(t *testing.T) {
	busy := errors.New("the port is in use")
	for name, spoil := range map[string]func(m *machine, p *Platform){
		"port": func(_ *machine, p *Platform) {
			p.ListenUDP = func(encap.UDPOptions) (encap.Port, error) { return nil, busy }
		},
		"device": func(_ *machine, p *Platform) { p.CheckDevice = func(string) error { return tun.ErrForeign } },
		"no TUN": func(_ *machine, p *Platform) { p.CheckDevice = func(string) error { return tun.ErrNoDevice } },
		"socket": func(m *machine, _ *Platform) { must(m.t, os.MkdirAll(m.cfg.Socket(), 0o700)) },
		"lock": func(m *machine, _ *Platform) {
			must(m.t, os.MkdirAll(filepath.Join(m.cfg.RunDir, rundir.LockName), 0o700))
		},
		"epoch": func(m *machine, _ *Platform) {
			must(m.t, os.MkdirAll(filepath.Join(m.cfg.StateDir, statedir.EpochFile), 0o700))
		},
		"claim": func(m *machine, _ *Platform) { must(m.t, os.MkdirAll(filepath.Join(m.cfg.StateDir, "claim"), 0o700)) },
		"state": func(m *machine, _ *Platform) { m.cfg.StateDir = "/proc/weft" },
		"run":   func(m *machine, _ *Platform) { m.cfg.RunDir = "/proc/weft" },
	} {
		t.Run(name, func(t *testing.T) {
			s := &site{t: t, net: simnet.New(simnet.Options{}), dir: shortDir(t)}
			m := s.machine(1)
			platform := m.platform()
			spoil(m, platform)
			before := tree(t, s.dir)
			n, err := New(m.cfg, platform, testLogger(t))
			if err == nil {
				err = n.Run(t.Context())
			}
			if err == nil || strings.Contains(err.Error(), "\n") {
				t.Errorf("Run = %v", err)
			}
			if after := tree(t, s.dir); after != before {
				t.Errorf("there was\n%s\nand is\n%s", before, after)
			}
			if m.opens() > 0 {
				t.Error("the device was opened")
			}
		})
	}
}
