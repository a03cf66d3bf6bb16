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
	"github.com/weftnet/weft/node/statedir"
	"github.com/weftnet/weft/node/version"
)

func TestAStateDirectoryOfANewerVersionIsRefusedBeforeAnythingInItIsTouched(t *testing.T) {
	for _, name := range append(mesh.StateFiles(), statedir.VersionFile, statedir.EpochFile) {
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
				for _, want := range []string{"state_dir", file, "version 7", "v9.8.7", fmt.Sprint("version ", statedir.Version), version.Get().Version} {
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

func TestANodeMarksItsStateDirectory(t *testing.T) {
	m, _ := realTime(t)
	mark, err := os.ReadFile(filepath.Join(m.cfg.StateDir, statedir.VersionFile))
	if must(t, err); !strings.Contains(string(mark), version.Get().Version) {
		t.Errorf("the mark is %q", mark)
	}
}
