package bench

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/google/renameio/v2"
	"golang.org/x/sys/unix"

	"github.com/weftnet/weft/bench/report"
)

// Unfinished is the file, in the folder of the report, of a run that is under way or was interrupted: a report that is not
// complete.
const Unfinished = "unfinished.json"

// minFree is the room that must be there for a report, in bytes: full reports have one or two MiB, of which two versions are
// on the disk while a file is replaced.
const minFree = 16 << 20

// folder is where a run writes to.
type folder struct {
	dir  string
	made []string // folders that were not there before, the outermost first
}

// openFolder makes dir, and makes sure that files can be written there.
func openFolder(dir string) (*folder, error) {
	f := &folder{dir: filepath.Clean(dir)}
	err := f.prepare()
	if err != nil {
		f.leave()
		return nil, fmt.Errorf("bench: the report cannot be written to %s: %w", f.dir, err)
	}
	return f, nil
}

// MayWrite says why no report can be written to dir; nil: one can. It leaves nothing there.
func MayWrite(dir string) error {
	f, err := openFolder(dir)
	if err != nil {
		return err
	}
	f.leave()
	return nil
}

func (f *folder) prepare() error {
	if err := f.make(f.dir); err != nil {
		return err
	}
	probe, err := os.CreateTemp(f.dir, ".weft-bench-*")
	if err != nil {
		return cause(err)
	}
	probe.Close()
	if err := os.Remove(probe.Name()); err != nil {
		return cause(err)
	}
	return enoughRoom(f.dir)
}

// make makes dir and what is missing above it, and remembers what.
func (f *folder) make(dir string) error {
	info, err := os.Stat(dir)
	switch {
	case err == nil && !info.IsDir():
		return errors.New("it is not a folder")
	case err == nil:
		return nil
	case !errors.Is(err, fs.ErrNotExist):
		return cause(err)
	}
	if parent := filepath.Dir(dir); parent != dir {
		if err := f.make(parent); err != nil {
			return err
		}
	}
	if err := os.Mkdir(dir, 0o755); err != nil {
		return cause(err)
	}
	f.made = append(f.made, dir)
	return nil
}

func enoughRoom(dir string) error {
	var s unix.Statfs_t
	if err := unix.Statfs(dir, &s); err != nil {
		return err
	}
	if free := s.Bavail * uint64(s.Bsize); free < minFree {
		return fmt.Errorf("%.1f MiB free, want at least %d", float64(free)/(1<<20), minFree>>20)
	}
	return nil
}

// leave removes the folders that were made, as long as they are empty.
func (f *folder) leave() {
	for i := len(f.made) - 1; i >= 0; i-- {
		if os.Remove(f.made[i]) != nil {
			return
		}
	}
}

// cause is the error without the operation and the path, which the caller says.
func cause(err error) error {
	var p *fs.PathError
	if errors.As(err, &p) {
		return p.Err
	}
	return err
}

func (f *folder) unfinished() string { return filepath.Join(f.dir, Unfinished) }

// hasUnfinished tells whether an unfinished run is there.
func (f *folder) hasUnfinished() bool {
	_, err := os.Lstat(f.unfinished())
	return err == nil
}

// keep writes the report of a run that is under way.
func (f *folder) keep(r *report.Report) error {
	text, err := report.Encode(r)
	if err != nil {
		return err
	}
	if err := renameio.WriteFile(f.unfinished(), text, 0o644); err != nil {
		return fmt.Errorf("bench: keep the run in %s: %w; what was measured so far is kept: make room, then the same command with --resume",
			f.dir, cause(err))
	}
	return nil
}

// forget removes the unfinished run, when there is one.
func (f *folder) forget() error {
	if err := os.Remove(f.unfinished()); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("bench: %w", err)
	}
	return nil
}
