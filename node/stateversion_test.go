package node

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/weftnet/weft/mesh"
	"github.com/weftnet/weft/node/config"
	"github.com/weftnet/weft/node/version"
)

func TestAStateDirectoryOfANewerVersionIsRefusedBeforeAnythingInItIsTouched(t *testing.T) {
	for _, name := range append(mesh.StateFiles(), versionFile, epochFile) {
		t.Run(name, func(t *testing.T) {
			bubble(t, lan, func(t *testing.T, s *site) {
				m := s.machine(1)
				must(t, os.MkdirAll(m.cfg.StateDir, 0o700))
				file := filepath.Join(m.cfg.StateDir, name)
				const text = `{"version": 7, "weft": "v9.8.7", "further": {"fields": [1]}}`
				must(t, os.WriteFile(file, []byte(text), 0o600))
				err := m.boot()
				if !errors.Is(err, config.ErrConfig) {
					t.Fatalf("New = %v", err)
				}
				for _, want := range []string{"state_dir", file, "version 7", "v9.8.7", fmt.Sprint("version ", stateVersion), version.Get().Version} {
					if !strings.Contains(err.Error(), want) {
						t.Errorf("%q does not name %s", err, want)
					}
				}
				entries, err := os.ReadDir(m.cfg.StateDir)
				must(t, err)
				after, err := os.ReadFile(file)
				if must(t, err); len(entries) != 1 || string(after) != text {
					t.Errorf("the directory holds %v, the file %q", entries, after)
				}
			})
		})
	}
}

func TestTheStateDirectorySaysWhoWroteItAndADamagedMarkIsWrittenAnew(t *testing.T) {
	m, _ := realTime(t)
	file := filepath.Join(m.cfg.StateDir, versionFile)
	want := stateMark{Version: stateVersion, Weft: version.Get().Version}
	if got := readMark(file); got != want {
		t.Errorf("%+v, want %+v", got, want)
	}
	for _, damaged := range []string{"", "{", `{"version": "one"}`, `{"version": 1, "weft": "v0.0.1"}`} {
		must(t, os.WriteFile(file, []byte(damaged), 0o600))
		must(t, checkStateVersion(&m.cfg))
		m.node.markStateDir()
		if got := readMark(file); got != want {
			t.Errorf("over %q: %+v, want %+v", damaged, got, want)
		}
	}
}
