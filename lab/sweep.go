package lab

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"golang.org/x/sys/unix"
)

// killWithin is how long the processes of a run are given to end after SIGKILL: long enough for a machine under load, while
// one that hangs in the kernel becomes an error.
const killWithin = 15 * time.Second

// Sweep removes the runs whose owner has died, and says which. Those of living owners and kept ones are left alone.
func Sweep() (removed []string, err error) {
	r := registry{Directory}
	if _, err := os.Stat(r.dir); err != nil {
		return nil, nil
	}
	err = r.locked(func() error {
		removed, err = r.sweep()
		return err
	})
	return removed, err
}

// sweep is Sweep with the lock held. What cannot be removed does not stop the rest.
func (r registry) sweep() (removed []string, err error) {
	runs, err := r.runs()
	for _, run := range runs {
		if run.Alive || run.Kept {
			continue
		}
		if failed := r.remove(run.ID); failed != nil {
			err = errors.Join(err, failed)
			continue
		}
		removed = append(removed, run.ID)
	}
	return removed, err
}

// Run is what a lab has left, or has, on the machine.
type Run struct {
	ID    string
	Owner int  // pid; 0: it was killed before it could say
	Alive bool // the owner lives
	Kept  bool // left standing on purpose
}

// Runs lists the runs on this machine. With an error, those that could be read.
func Runs() ([]Run, error) {
	return registry{Directory}.runs()
}

func (r registry) runs() ([]Run, error) {
	ids, err := r.ids()
	var runs []Run
	for _, id := range ids {
		run, failed := r.run(id)
		if failed != nil {
			err = errors.Join(err, failed)
			continue
		}
		runs = append(runs, run)
	}
	return runs, err
}

// run reads one run.
func (r registry) run(id string) (Run, error) {
	rec, found, err := readRecord(r.runDir(id))
	if err != nil || !found {
		return Run{ID: id}, err
	}
	dead, err := rec.dead()
	return Run{ID: id, Owner: rec.Owner.PID, Alive: !dead, Kept: rec.Kept}, err
}

// Remove removes a run that was kept or whose owner has died. An unknown id is an error.
func Remove(id string) error {
	if err := checkID(id); err != nil {
		return err
	}
	r := registry{Directory}
	if _, err := os.Stat(r.runDir(id)); err != nil {
		return fmt.Errorf("lab: remove %s: there is no such lab", id)
	}
	return r.locked(func() error {
		run, err := r.run(id)
		if err == nil && run.Alive && !run.Kept {
			return fmt.Errorf("lab: remove %s: it is in use by process %d", id, run.Owner)
		}
		return r.remove(id) // also one whose record cannot be read: the caller has named it
	})
}

// remove ends everything of a run: processes, then names, then the directory, so that it can be called again after it failed
// or was interrupted at any point. The lock is held.
func (r registry) remove(id string) error {
	names, err := namesOf(id)
	if err != nil {
		return err
	}
	deadline := time.Now().Add(killWithin)
	if err := errors.Join(killJournal(journalOf(r.runDir(id)), deadline), killInside(names, deadline)); err != nil {
		return err
	}
	var failed []error
	for _, name := range names {
		failed = append(failed, removeName(name))
	}
	if err := errors.Join(failed...); err != nil {
		return err
	}
	if err := os.RemoveAll(r.runDir(id)); err != nil {
		return fmt.Errorf("lab: remove run: %w", err)
	}
	return nil
}

// killJournal kills the processes that a run has noted.
func killJournal(j journal, deadline time.Time) error {
	procs, err := j.list()
	for _, p := range procs {
		err = errors.Join(err, p.kill(deadline))
	}
	return err
}

// killInside kills whatever lives in the namespaces, and again until nothing is born there any more.
func killInside(names []string, deadline time.Time) error {
	for {
		procs, err := inside(names)
		if err != nil || len(procs) == 0 {
			return err
		}
		for _, p := range procs {
			if err := p.kill(deadline); err != nil {
				return err
			}
		}
	}
}

// inside lists the processes in the namespaces but for this one.
func inside(names []string) ([]proc, error) {
	type file struct{ dev, ino uint64 }
	wanted := map[file]bool{}
	for _, name := range names {
		var stat unix.Stat_t
		if unix.Stat(filepath.Join(namesDir, name), &stat) == nil {
			wanted[file{stat.Dev, stat.Ino}] = true
		}
	}
	pids, err := allPIDs()
	if err != nil {
		return nil, err
	}
	var procs []proc
	for _, pid := range pids {
		var stat unix.Stat_t
		if unix.Stat(fmt.Sprintf("/proc/%d/ns/net", pid), &stat) != nil || !wanted[file{stat.Dev, stat.Ino}] {
			continue // not ours, or it has ended
		}
		if p, ok, err := findProc(pid); err == nil && ok {
			procs = append(procs, p)
		}
	}
	return procs, nil
}

// allPIDs lists the processes of the machine but for this one.
func allPIDs() ([]int, error) {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return nil, fmt.Errorf("lab: list processes: %w", err)
	}
	var pids []int
	for _, entry := range entries {
		if pid, err := strconv.Atoi(entry.Name()); err == nil && pid != os.Getpid() {
			pids = append(pids, pid)
		}
	}
	return pids, nil
}
