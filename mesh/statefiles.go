package mesh

import (
	"fmt"
	"log/slog"
	"path/filepath"
	"sync"

	"github.com/google/renameio/v2"
)

// stateFiles writes the state files in a goroutine of its own, so that a slow disk holds nobody up. Of several versions of a
// file that wait, only the newest is written.
type stateFiles struct {
	dir string // empty: nothing is kept
	log *slog.Logger

	mu      sync.Mutex // guards waiting
	waiting map[string][]byte
	ready   chan struct{} // holds one token while files wait
	failed  bool          // the last write did; only the goroutine touches it
}

func newStateFiles(dir string, log *slog.Logger) *stateFiles {
	return &stateFiles{dir: dir, log: log, waiting: map[string][]byte{}, ready: make(chan struct{}, 1)}
}

// save hands over the new contents of a file.
func (f *stateFiles) save(name string, contents []byte) {
	if f.dir == "" {
		return
	}
	f.mu.Lock()
	f.waiting[name] = contents
	f.mu.Unlock()
	select {
	case f.ready <- struct{}{}:
	default:
	}
}

// run writes until stop is closed, and then what is left.
func (f *stateFiles) run(stop <-chan struct{}) {
	for {
		select {
		case <-f.ready:
			f.flush()
		case <-stop:
			f.flush()
			return
		}
	}
}

func (f *stateFiles) flush() {
	f.mu.Lock()
	files := f.waiting
	f.waiting = map[string][]byte{}
	f.mu.Unlock()
	for name, contents := range files {
		f.note(renameio.WriteFile(filepath.Join(f.dir, name), contents, 0o600))
	}
}

// note logs the first of several failures.
func (f *stateFiles) note(err error) {
	if err != nil && !f.failed {
		f.log.Error("mesh.state.unwritable", "error", fmt.Errorf("mesh: write state: %w", err))
	}
	f.failed = err != nil
}
