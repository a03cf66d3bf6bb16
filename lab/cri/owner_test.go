package cri

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/weftnet/weft/lab"
)

// ownerVariable makes the test program the owner of a machine, that a test kills.
const ownerVariable = "WEFT_CRI_TEST_OWNER"

// playOwner boots a machine on which a process has left its parent and has a control group of its own, says where, and waits.
func playOwner() error {
	ctx := context.Background()
	l, err := lab.New(ctx, lab.Options{})
	if err != nil {
		return err
	}
	host, err := l.Host("vm-1")
	if err != nil {
		return err
	}
	m, err := Boot(ctx, host)
	if err != nil {
		return err
	}
	group := filepath.Join(hierarchies()[0], string(m.groups), "pod")
	const script = `mkdir "$1"; setsid sleep 1000 & mount -t tmpfs of-the-owner /mnt`
	if _, err := m.Run(ctx, "bash", "-c", script, "bash", group); err != nil {
		return err
	}
	fmt.Println(m.init, group)
	select {}
}

// TestAMachineEndsWithItsOwner kills the owner of a machine: everything on it ends at once, and the next machine removes its
// control groups.
func TestAMachineEndsWithItsOwner(t *testing.T) {
	first, err := testLab(t).Host("vm-1")
	check(t, err)
	check(t, mustBoot(t, first).Close())
	owner := exec.CommandContext(within(t, soon), os.Args[0])
	owner.Env = append(os.Environ(), ownerVariable+"=1")
	owner.Stderr = os.Stderr
	out, err := owner.StdoutPipe()
	check(t, err)
	check(t, owner.Start())
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		owner.Process.Kill()
		t.Fatalf("the owner has no machine: %v", errors.Join(err, owner.Wait()))
	}
	var init int
	var group string
	_, err = fmt.Sscan(strings.TrimSpace(line), &init, &group)
	check(t, err)
	space, err := os.Readlink(fmt.Sprintf("/proc/%d/ns/pid", init))
	check(t, err)

	check(t, owner.Process.Kill())
	owner.Wait() // it was killed
	check(t, Poll(within(t, soon), func() error { return nobodyIn(space) }))

	host, err := testLab(t).Host("vm-1") // a lab, when it is made, removes the namespaces of the dead
	check(t, err)
	check(t, mustBoot(t, host).Close())
	if _, err := os.Stat(group); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("%s is left: %v", group, err)
	}
}

// nobodyIn says which process is in a namespace of processes; nil: none.
func nobodyIn(space string) error {
	links, _ := filepath.Glob("/proc/[0-9]*/ns/pid")
	for _, link := range links {
		if found, _ := os.Readlink(link); found == space {
			return fmt.Errorf("%s is left", filepath.Dir(filepath.Dir(link)))
		}
	}
	return nil
}
