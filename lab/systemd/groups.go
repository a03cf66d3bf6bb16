package systemd

import (
	"bufio"
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

// groups is the control group in which a machine's systemd makes its own.
type groups struct{ path string }

// endWithin is how long close waits for processes that were killed.
const endWithin = 10 * time.Second

// newGroups makes an empty group for the host of that full name, and removes those that a killed process left.
func newGroups(name string) (*groups, error) {
	root, err := cgroup2()
	if err != nil {
		return nil, err
	}
	sweep(root)
	g := &groups{path: filepath.Join(root, name)}
	if err := os.Mkdir(g.path, 0o755); err != nil {
		return nil, fmt.Errorf("systemd: make control group: %w", err)
	}
	return g, nil
}

// sweep removes the groups of hosts that are no more: a lab, when it is made, removes the namespaces that others left. What
// cannot be removed now is left to the next time.
func sweep(root string) {
	left, _ := filepath.Glob(filepath.Join(root, "weft-*-*"))
	for _, path := range left {
		if _, err := os.Stat(filepath.Join("/run/netns", filepath.Base(path))); errors.Is(err, fs.ErrNotExist) {
			_ = (&groups{path}).remove()
		}
	}
}

// cgroup2 is where the unified hierarchy is mounted.
func cgroup2() (string, error) {
	f, err := os.Open("/proc/self/mounts")
	if err != nil {
		return "", fmt.Errorf("systemd: find control groups: %w", err)
	}
	defer f.Close()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		if fields := strings.Fields(lines.Text()); len(fields) > 2 && fields[2] == "cgroup2" {
			return fields[1], nil
		}
	}
	return "", fmt.Errorf("%w: cgroup2 is not mounted", ErrUnavailable)
}

// close kills what is in the group and removes it with all groups in it. Without the group it does nothing.
func (g *groups) close() error {
	if g == nil {
		return nil
	}
	for end := time.Now().Add(endWithin); ; time.Sleep(10 * time.Millisecond) {
		err := g.remove()
		if err == nil || !errors.Is(err, unix.EBUSY) || time.Now().After(end) {
			return err
		}
	}
}

func (g *groups) remove() error {
	err := os.WriteFile(filepath.Join(g.path, "cgroup.kill"), []byte("1"), 0) // Linux 5.14
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("systemd: kill what is in the control group: %w", err)
	}
	return lab.RemoveControlGroup(g.path)
}
