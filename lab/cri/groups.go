package cri

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/weftnet/weft/lab"
)

// groupsRoot is where distributions mount control groups: the unified hierarchy itself, or one directory for each of the old.
const groupsRoot = "/sys/fs/cgroup"

// endWithin is how long close waits for the end of processes that were killed.
const endWithin = 20 * time.Second

// groups is the name of the control group below which all of a machine's containers have theirs, in every hierarchy.
type groups string

// hierarchies are the directories that hold control groups of their own.
func hierarchies() []string {
	if _, err := os.Stat(filepath.Join(groupsRoot, "cgroup.controllers")); err == nil {
		return []string{groupsRoot}
	}
	found, _ := filepath.Glob(filepath.Join(groupsRoot, "*", "cgroup.procs"))
	for i := range found {
		found[i] = filepath.Dir(found[i])
	}
	return found
}

// make makes the group in every hierarchy.
func (g groups) make() error {
	list := hierarchies()
	if len(list) == 0 {
		return fmt.Errorf("%w: no control groups at %s", ErrUnavailable, groupsRoot)
	}
	for _, hierarchy := range list {
		if err := os.Mkdir(filepath.Join(hierarchy, string(g)), 0o755); err != nil && !errors.Is(err, fs.ErrExist) {
			return fmt.Errorf("cri: make control group: %w", err)
		}
	}
	return nil
}

// close removes the group everywhere, once the processes in it have ended.
func (g groups) close() error {
	for end := time.Now().Add(endWithin); ; time.Sleep(20 * time.Millisecond) {
		err := g.remove()
		if err == nil || !errors.Is(err, unix.EBUSY) || time.Now().After(end) {
			return err
		}
	}
}

func (g groups) remove() error {
	var failed []error
	for _, hierarchy := range hierarchies() {
		failed = append(failed, lab.RemoveControlGroup(filepath.Join(hierarchy, string(g))))
	}
	return errors.Join(failed...)
}

// sweepGroups removes the groups of hosts that are no more: a lab, when it is made, removes the namespaces that others left.
// What cannot be removed now is left to the next time.
func sweepGroups() {
	for _, hierarchy := range hierarchies() {
		left, _ := filepath.Glob(filepath.Join(hierarchy, "weft-*-*"))
		for _, path := range left {
			name := filepath.Base(path)
			if _, err := os.Stat(filepath.Join("/run/netns", name)); errors.Is(err, fs.ErrNotExist) && !strings.Contains(name, ".") {
				_ = lab.RemoveControlGroup(path)
			}
		}
	}
}
