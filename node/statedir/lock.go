package statedir

import (
	"errors"
	"fmt"
	"os"
	"syscall"

	"github.com/weftnet/weft/node/rundir"
)

// Lock keeps other daemons out of the state directory, whose key two nodes cannot share, until unlock or the end of
// the process. A file system without locks is no reason not to run.
func Lock(dir string) (unlock func(), err error) {
	f, err := os.Open(dir)
	if err != nil {
		return nil, fmt.Errorf("statedir: lock state_dir: %w", err)
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); errors.Is(err, syscall.EWOULDBLOCK) {
		f.Close()
		return nil, InUse(dir, rundir.Holder(dir))
	}
	return func() { f.Close() }, nil
}

// InUse is the error of a state directory that another daemon uses: process pid; 0: not known.
func InUse(dir string, pid int) error {
	who := "another daemon"
	if pid != 0 {
		who = fmt.Sprintf("process %d", pid)
	}
	return fmt.Errorf("%w: %s uses state_dir %s (stop it, or give this one a state_dir of its own)", rundir.ErrRunning, who, dir)
}
