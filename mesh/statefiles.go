package mesh

import (
	"log/slog"
	"maps"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/weftnet/weft/atomicfile"
)

// stateFiles writes the state files in a goroutine of its own, so that a slow disk holds nobody up. Of several versions of a
// file that wait, only the newest is written.
type stateFiles struct {
	dir string // empty: nothing is kept
	log *slog.Logger

	mu      sync.Mutex // guards waiting
	waiting map[string][]byte
	ready   chan struct{}          // holds one token while files wait
	problem atomic.Pointer[string] // why the last write failed; nil: it did not
}

// retryWrite is the pause after a write that failed.
const retryWrite = 5 * time.Second

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

// run writes until stop is closed, and then what is left. What could not be written is tried again.
func (f *stateFiles) run(stop <-chan struct{}) {
	retry := time.NewTimer(retryWrite)
	defer retry.Stop()
	for {
		if f.problem.Load() == nil {
			retry.Stop()
		} else {
			retry.Reset(retryWrite)
		}
		select {
		case <-f.ready:
			f.flush()
		case <-retry.C:
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
	var failed error
	for _, name := range slices.Sorted(maps.Keys(files)) { // in order: what fails is told alike each time
		if err := atomicfile.Write(filepath.Join(f.dir, name), files[name], 0o600); err != nil {
			failed = err
			f.keep(name, files[name])
		}
	}
	f.note(failed)
}

// keep puts back contents that could not be written, unless newer ones wait.
func (f *stateFiles) keep(name string, contents []byte) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if _, newer := f.waiting[name]; !newer {
		f.waiting[name] = contents
	}
}

// note remembers why a write failed, and logs the first of several failures and the end of them.
func (f *stateFiles) note(err error) {
	before := f.problem.Load()
	if err == nil {
		if f.problem.Store(nil); before != nil {
			f.log.Info("mesh.state.writable")
		}
		return
	}
	why := err.Error()
	f.problem.Store(&why)
	if before == nil {
		f.log.Error("mesh.state.unwritable", "error", err)
	}
}
