package install

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// lockRecord locks the directory of the record (flock(2)), which it makes where it is missing, and waits for whoever has it locked: that
// takes as long as to copy some files. The kernel unlocks it when the process ends.
func lockRecord(stateDir string) (release func(), err error) {
	dir := filepath.Dir(recordPath(stateDir))
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("install: %w", err)
	}
	f, err := os.Open(dir)
	if err != nil {
		return nil, fmt.Errorf("install: %w", err)
	}
	return locked(f, unix.LOCK_EX)
}

// keeperFile is locked by whoever keeps what is installed, shared with others that do.
const keeperFile = "cni/keeper.lock"

// errKept says that a keeper runs.
var errKept = errors.New("install: 'weft cni install --keep' runs on this host and would put all back: stop it first (systemctl stop weft-cni, or remove the DaemonSet)")

// lockKeeper keeps Uninstall out until release is called, or waits for it to end.
func lockKeeper(stateDir string) (release func(), err error) {
	return lockKeepers(stateDir, unix.LOCK_SH)
}

// excludeKeepers keeps keepers out until release is called. The error is errKept where one runs.
func excludeKeepers(stateDir string) (release func(), err error) {
	release, err = lockKeepers(stateDir, unix.LOCK_EX|unix.LOCK_NB)
	if errors.Is(err, unix.EWOULDBLOCK) {
		return nil, errKept
	}
	return release, err
}

func lockKeepers(stateDir string, how int) (release func(), err error) {
	path := filepath.Join(stateDir, keeperFile)
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, fmt.Errorf("install: %w", err)
	}
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600) // it stays: a new one would lock nobody out
	if err != nil {
		return nil, fmt.Errorf("install: %w", err)
	}
	return locked(f, how)
}

// locked locks a file until release is called.
func locked(f *os.File, how int) (release func(), err error) {
	for {
		if err = unix.Flock(int(f.Fd()), how); err != unix.EINTR {
			break
		}
	}
	if err != nil {
		f.Close()
		return nil, fmt.Errorf("install: lock %s: %w", f.Name(), err)
	}
	return func() { f.Close() }, nil
}
