package node

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/weftnet/weft/kernel"
	"github.com/weftnet/weft/node/config"
	"github.com/weftnet/weft/tun"
)

// otherDaemon is another weft on this host.
type otherDaemon struct {
	pid    int
	socket string // its control socket
}

// daemonOn finds the daemon that has a device open; ok is false where none does, or /proc does not tell. Who holds the device
// without a control socket is no daemon, but a service manager that keeps it for the next one.
func daemonOn(device string) (d otherDaemon, ok bool) {
	for _, pid := range tun.Holders(device) {
		if pid == os.Getpid() {
			continue
		}
		if socket := controlSocketOf(pid); socket != "" {
			return otherDaemon{pid: pid, socket: socket}, true
		}
	}
	return otherDaemon{}, false
}

// controlSocketOf is the control socket that a process listens on; empty: none, or it is not known.
func controlSocketOf(pid int) string {
	sockets, err := os.Open(fmt.Sprintf("/proc/%d/net/unix", pid))
	if err != nil {
		return ""
	}
	defer sockets.Close()
	paths := listeningSockets(sockets)
	descriptors, _ := filepath.Glob(fmt.Sprintf("/proc/%d/fd/*", pid))
	for _, fd := range descriptors {
		link, _ := os.Readlink(fd)
		inode := strings.TrimSuffix(strings.TrimPrefix(link, "socket:["), "]")
		if path := paths[inode]; filepath.Base(path) == config.SocketName {
			return path
		}
	}
	return ""
}

// listeningSockets reads the paths of unix sockets by inode from the text of /proc/net/unix, proc_net(5):
//
//	Num       RefCount Protocol Flags    Type St Inode Path
//	00000000: 00000002 00000000 00010000 0001 01 12345 /run/weft/weft.sock
func listeningSockets(text io.Reader) map[string]string {
	const accepts = "00010000" // __SO_ACCEPTCON
	paths := map[string]string{}
	for lines := bufio.NewScanner(text); lines.Scan(); {
		if f := strings.Fields(lines.Text()); len(f) >= 8 && f[3] == accepts {
			paths[f[6]] = strings.Join(f[7:], " ")
		}
	}
	return paths
}

// explainConflict says what to do about a device that another weft has made: if a daemon runs on it, its addresses are no
// remains that could be removed.
func explainConflict(e *kernel.ConflictError) error {
	if !e.Leftover {
		return e
	}
	d, running := daemonOn(e.Interface)
	if !running {
		return e
	}
	down := fmt.Sprintf("weft down --device %s --run-dir %s", e.Interface, filepath.Dir(d.socket))
	return fmt.Errorf("another weft runs on %s as process %d, and its overlay network has %v inside %v: give this one a network of its own, or use that one, or stop and remove that one with '%s' first",
		e.Interface, d.pid, e.Foreign, e.Network, down)
}
