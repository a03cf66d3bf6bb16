package measure

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strconv"
	"time"

	"golang.org/x/sys/unix"
)

// tick is the unit of processor time in /proc: USER_HZ is 100 on all architectures that Go knows, see time(7).
const tick = time.Second / 100

// kernelThread is PF_KTHREAD of include/linux/sched.h.
const kernelThread = 0x00200000

// procID names one process of this boot: a pid is used again, a pid with its start time is not.
type procID struct {
	pid   int
	start uint64 // ticks since boot
}

// proc is one process at a moment.
type proc struct {
	procID
	parent   int
	kernel   bool   // a thread of the kernel
	own      uint64 // ticks of processor time that it used itself
	children uint64 // ticks that its children used which have ended and were waited for, theirs included
}

// procs reads all processes that are visible. One that ends meanwhile is left out.
func procs() (map[int]proc, error) {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return nil, fmt.Errorf("measure: list processes: %w", err)
	}
	all := make(map[int]proc, len(entries))
	for _, entry := range entries {
		pid, err := strconv.Atoi(entry.Name())
		if err != nil {
			continue
		}
		p, err := readProc(pid)
		if gone(err) {
			continue
		}
		if err != nil {
			return nil, err
		}
		all[pid] = p
	}
	return all, nil
}

// gone reports whether the process of a pid has ended.
func gone(err error) bool {
	return errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.ESRCH)
}

func readProc(pid int) (proc, error) {
	raw, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return proc{}, fmt.Errorf("measure: read process %d: %w", pid, err)
	}
	p, err := parseProc(raw)
	if err != nil {
		return proc{}, fmt.Errorf("measure: read process %d: %w", pid, err)
	}
	p.pid = pid
	return p, nil
}

// parseProc reads /proc/PID/stat, proc_pid_stat(5). The second field is the program's name in parentheses and may hold
// anything, also spaces and parentheses, so counting starts behind the last one.
func parseProc(raw []byte) (proc, error) {
	const first, last = 3, 22 // the numbers of the fields behind the name, up to the start time
	fields := bytes.Fields(raw[bytes.LastIndexByte(raw, ')')+1:])
	if len(fields) <= last-first {
		return proc{}, fmt.Errorf("stat has %d fields behind the name, want more than %d", len(fields), last-first)
	}
	var err error
	field := func(number int) uint64 {
		n, e := strconv.ParseInt(string(fields[number-first]), 10, 64) // cutime and cstime are signed
		err = errors.Join(err, e)
		return uint64(max(n, 0))
	}
	p := proc{
		parent: int(field(4)), kernel: field(9)&kernelThread != 0,
		own: field(14) + field(15), children: field(16) + field(17),
	}
	p.start = field(last)
	return p, err
}
