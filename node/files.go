package node

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/google/renameio/v2"
)

// ErrRunning says that another daemon holds the run directory.
var ErrRunning = errors.New("weft is running already")

// lockRunDir makes sure that only one daemon uses the run directory. The lock ends with the process or with unlock.
func lockRunDir(dir string) (unlock func(), err error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, fmt.Errorf("node: make run_dir: %w", err)
	}
	path := filepath.Join(dir, "weft.lock")
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("node: lock run_dir: %w", err)
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		holder, _ := os.ReadFile(path)
		f.Close()
		return nil, fmt.Errorf("%w: process %s holds %s (stop it, or give this one another run_dir)", ErrRunning, strings.TrimSpace(string(holder)), path)
	}
	if err := f.Truncate(0); err == nil {
		fmt.Fprintln(f, os.Getpid())
	}
	return func() { f.Close() }, nil
}

// epochFile holds the number of the last start. Handshake stamps begin with it, so that they grow from start to start
// even when the clock does not.
const epochFile = "epoch.json"

const stateVersion = 1

type epochState struct {
	Version int    `json:"version"`
	Epoch   uint64 `json:"epoch"`
}

// nextEpoch returns the epoch of this start and stores it. Without a stored one the wall clock in seconds is taken, which
// is greater than any epoch that counted starts from an earlier clock; so it is for a damaged one, which is set aside and
// named in aside.
func nextEpoch(dir string, now time.Time) (epoch uint64, aside string, err error) {
	path := filepath.Join(dir, epochFile)
	var last epochState
	data, err := os.ReadFile(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return 0, "", fmt.Errorf("node: read epoch: %w", err)
	case json.Unmarshal(data, &last) != nil && last.Version <= stateVersion:
		last = epochState{}
		aside = path + ".damaged-" + now.UTC().Format("20060102T150405Z")
		if err := os.Rename(path, aside); err != nil {
			return 0, "", fmt.Errorf("node: set damaged epoch aside: %w", err)
		}
	case last.Version > stateVersion:
		return 0, "", fmt.Errorf("node: %s is of version %d, this weft knows %d: run the newer weft, or another state_dir", path, last.Version, stateVersion)
	}
	next := epochState{Version: stateVersion, Epoch: max(last.Epoch+1, uint64(now.Unix()))}
	data, err = json.Marshal(next)
	if err != nil {
		return 0, "", fmt.Errorf("node: write epoch: %w", err)
	}
	if err := renameio.WriteFile(path, append(data, '\n'), 0o600); err != nil {
		return 0, "", fmt.Errorf("node: write epoch: %w", err)
	}
	return next.Epoch, aside, nil
}
