package cri

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/weftnet/weft/lab"
)

// soon bounds what takes a second or so.
const soon = time.Minute

// TestAMachineLeavesNothing makes on a machine what containers would: files, mounts, processes of other groups, control groups.
func TestAMachineLeavesNothing(t *testing.T) {
	l := testLab(t)
	host, err := l.Host("vm-1")
	check(t, err)
	m := mustBoot(t, host)

	const script = `set -eu
		echo there >/etc/of-the-machine
		mkdir -p /run/netns && mount -t tmpfs of-the-machine /run/netns
		for g in "$@"; do mkdir -p "$g/pods/one"; done
		setsid sleep 1000 & pid=$!
		for g in "$@"; do case $g in */cpuset/*) ;; *) echo $pid >"$g/pods/one/cgroup.procs" ;; esac; done
		cat /proc/sys/kernel/panic
		echo $pid`
	args := []string{"bash", "-c", script, "bash"}
	for _, hierarchy := range hierarchies() {
		args = append(args, filepath.Join(hierarchy, string(m.groups)))
	}
	out, err := m.Run(within(t, soon), args...)
	check(t, err)
	lines := strings.Fields(out)
	if len(lines) != 2 || lines[0] != "10" {
		t.Fatalf("the machine says %q, want kernel.panic as kubelets want it, and a pid", out)
	}
	if raw, err := os.ReadFile(m.Path("/etc/of-the-machine")); err != nil || string(raw) != "there\n" {
		t.Errorf("the machine's file holds %q: %v", raw, err)
	}
	proc := fmt.Sprintf("/proc/%d", outside(t, m, lines[1]))

	check(t, m.Close())
	check(t, m.Close()) // again: nothing
	left := []string{proc, "/etc/of-the-machine"}
	for _, hierarchy := range hierarchies() {
		left = append(left, filepath.Join(hierarchy, string(m.groups)))
	}
	for _, path := range left {
		if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s is left: %v", path, err)
		}
	}
	if mounts, err := os.ReadFile("/proc/self/mounts"); err != nil || strings.Contains(string(mounts), "of-the-machine") {
		t.Errorf("a mount is left: %v", err)
	}
	if _, err := m.Run(within(t, soon), "true"); err == nil {
		t.Error("a program runs on a machine that is closed")
	}
}

// mustBoot boots a machine, or skips with the reason why this kernel has none.
func mustBoot(t *testing.T, host *lab.Host) *Machine {
	t.Helper()
	m, err := Boot(within(t, soon), host)
	if errors.Is(err, ErrUnavailable) {
		t.Skip(err)
	}
	check(t, err)
	t.Cleanup(func() { check(t, m.Close()) })
	return m
}

// outside is the process that has a number on the machine, as this one sees it.
func outside(t *testing.T, m *Machine, inside string) int {
	t.Helper()
	files, _ := filepath.Glob("/proc/[0-9]*/status")
	for _, file := range files {
		text, _ := os.ReadFile(file)
		_, after, _ := strings.Cut(string(text), "\nNSpid:") // proc_pid_status(5): its numbers, the innermost last
		line, _, _ := strings.Cut(after, "\n")
		numbers := strings.Fields(line)
		if len(numbers) < 2 || numbers[len(numbers)-1] != inside || !sameSpace(filepath.Dir(file), m.init) {
			continue
		}
		var pid int
		if _, err := fmt.Sscan(numbers[0], &pid); err == nil {
			return pid
		}
	}
	t.Fatalf("no process %s on %s", inside, m.Name())
	return 0
}

func sameSpace(process string, init int) bool {
	var a, b unix.Stat_t
	errs := errors.Join(unix.Stat(process+"/ns/pid", &a), unix.Stat(fmt.Sprintf("/proc/%d/ns/pid", init), &b))
	return errs == nil && a.Ino == b.Ino && a.Dev == b.Dev
}
