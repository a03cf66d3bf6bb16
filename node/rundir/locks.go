package rundir

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// Holder is the process that holds a lock (flock) on path; 0: none, or the kernel does not tell. It takes no lock itself, which
// could refuse a daemon that starts meanwhile.
func Holder(path string) (pid int) {
	info, err := os.Stat(path)
	if err != nil {
		return 0
	}
	stat, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return 0
	}
	locks, err := os.Open("/proc/locks")
	if err != nil {
		return 0
	}
	defer locks.Close()
	return flockOf(locks, unix.Major(stat.Dev), unix.Minor(stat.Dev), stat.Ino)
}

// flockOf finds the holder of a lock on a file in the text of /proc/locks, proc_locks(5):
//
//	1: FLOCK  ADVISORY  WRITE 4711 00:1a:815 0 EOF
func flockOf(locks io.Reader, major, minor uint32, inode uint64) (pid int) {
	file := fmt.Sprintf("%02x:%02x:%d", major, minor, inode)
	for lines := bufio.NewScanner(locks); lines.Scan(); {
		var number, kind, mode, access, at string
		var holder int
		_, err := fmt.Sscan(lines.Text(), &number, &kind, &mode, &access, &holder, &at)
		if err == nil && kind == "FLOCK" && at == file {
			return holder
		}
	}
	return 0
}
