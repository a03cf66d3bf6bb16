package tun

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// holder says who has the interface open, as " (process 4711, weft)", or nothing where /proc does not tell: the process may
// be in another PID namespace. Only processes of our own network namespace count, for others may have an interface of the
// same name.
func holder(name string) string {
	ours, err := os.Readlink("/proc/thread-self/ns/net")
	if err != nil {
		return ""
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
		command, _ := os.ReadFile(filepath.Join(process, "comm"))
		return fmt.Sprintf(" (process %s, %s)", filepath.Base(process), strings.TrimSpace(string(command)))
	}
	return ""
}

func busyError(name string) error {
	return fmt.Errorf("tun: open %s: %w%s", name, ErrBusy, holder(name))
}
