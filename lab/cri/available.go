package cri

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"

	"github.com/weftnet/weft/lab"
)

// ErrUnavailable says what is missing for a machine with containerd.
var ErrUnavailable = errors.New("no containerd can be run on virtual hosts here")

// tools are what machines run, and the package of Debian that has it.
var tools = [][2]string{
	{"containerd", "containerd"}, {"ctr", "containerd"}, {"runc", "runc"}, {"busybox", "busybox-static"},
	{"nsenter", "util-linux"}, {"unshare", "util-linux"}, {"pivot_root", "util-linux"}, {"bash", "bash"},
}

// Available says whether this machine can run containerd on virtual hosts: nil, or what is missing. A kernel may still refuse.
func Available() error {
	if err := lab.Available(); err != nil {
		return err
	}
	for _, tool := range tools {
		if _, err := exec.LookPath(tool[0]); err != nil {
			return fmt.Errorf("%w: %s is missing (package %s): scripts/setup.sh --all", ErrUnavailable, tool[0], tool[1])
		}
	}
	kinds, err := os.ReadFile("/proc/filesystems")
	if err != nil || !strings.Contains(string(kinds), "\toverlay\n") {
		return fmt.Errorf("%w: the kernel has no overlay file system", ErrUnavailable)
	}
	return nil
}
