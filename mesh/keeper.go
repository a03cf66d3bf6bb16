package mesh

import (
	"fmt"
	"log/slog"
	"path/filepath"
	"sync"

	"github.com/google/renameio/v2"
)

// keeper writes the state files in a goroutine of its own, so that a slow disk holds nobody up. Of several versions of a
// file that wait, only the newest is written.
type keeper struct {
	dir string // empty: nothing is kept
	log *slog.Logger

	mu      sync.Mutex // guards waiting
	waiting map[string][]byte
	ready   chan struct{} // holds one token while files wait
	failed  bool          // the last write did; only the goroutine touches it
}

func newKeeper(dir string, log *slog.Logger) *keeper {
	return &keeper{dir: dir, log: log, waiting: map[string][]byte{}, ready: make(chan struct{}, 1)}
}

// save hands over the new contents of a file.
func (k *keeper) save(name string, contents []byte) {
	if k.dir == "" {
		return
	}
	k.mu.Lock()
	k.waiting[name] = contents
	k.mu.Unlock()
	select {
	case k.ready <- struct{}{}:
	default:
	}
}

// run writes until stop is closed, and then what is left.
func (k *keeper) run(stop <-chan struct{}) {
	for {
		select {
		case <-k.ready:
			k.flush()
		case <-stop:
			k.flush()
			return
		}
	}
}

func (k *keeper) flush() {
	k.mu.Lock()
	files := k.waiting
	k.waiting = map[string][]byte{}
	k.mu.Unlock()
	for name, contents := range files {
		k.note(renameio.WriteFile(filepath.Join(k.dir, name), contents, 0o600))
	}
}

// note logs the first of several failures.
func (k *keeper) note(err error) {
	if err != nil && !k.failed {
		k.log.Error("mesh.state.unwritable", "error", fmt.Errorf("mesh: write state: %w", err))
	}
	k.failed = err != nil
}
