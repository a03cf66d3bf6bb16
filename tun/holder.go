package tun

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// holder says who has the interface open, as " (process 4711, weft)", or nothing where /proc does not tell.
func holder(name string) string {
	pids := Holders(name)
	if len(pids) == 0 {
		return ""
	}
	command, _ := os.ReadFile(fmt.Sprintf("/proc/%d/comm", pids[0]))
	return fmt.Sprintf(" (process %d, %s)", pids[0], strings.TrimSpace(string(command)))
}

// Holders are the processes that have the interface open, as far as /proc tells: they may be in another PID namespace. Only
// those of our own network namespace count, for others may have an interface of the same name.
func Holders(name string) (pids []int) {
	ours, err := os.Readlink("/proc/thread-self/ns/net")
	if err != nil {
		return nil
	}
	infos, _ := filepath.Glob("/proc/[0-9]*/fdinfo/*")
	for _, info := range infos {
		process := filepath.Dir(filepath.Dir(info))
		if link, _ := os.Readlink(filepath.Join(process, "fd", filepath.Base(info))); link != clonePath {
			continue
		}
		text, _ := os.ReadFile(info)
		namespace, _ := os.Readlink(filepath.Join(process, "ns/net"))
		if namespace != ours || !strings.Contains(string(text), "iff:\t"+name+"\n") {
			continue
		}
		if pid, err := strconv.Atoi(filepath.Base(process)); err == nil && !slices.Contains(pids, pid) {
			pids = append(pids, pid)
		}
	}
	return pids
}

func busyError(name string) error {
	return fmt.Errorf("tun: open %s: %w%s", name, ErrBusy, holder(name))
}
