package lab

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

// proc names one process of this boot for good: a pid is used again, a pid with its start time is not.
type proc struct {
	PID   int    `json:"pid"`
	Start uint64 `json:"start"` // clock ticks since boot: field 22 of /proc/PID/stat, proc_pid_stat(5)
}

// findProc reads which process has the pid now. A process that has ended and only waits to be reaped is none.
func findProc(pid int) (p proc, ok bool, err error) {
	raw, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.ESRCH) {
		return proc{}, false, nil
	}
	if err != nil {
		return proc{}, false, fmt.Errorf("lab: read process %d: %w", pid, err)
	}
	state, start, err := parseStat(raw)
	if err != nil {
		return proc{}, false, fmt.Errorf("lab: read process %d: %w", pid, err)
	}
	return proc{PID: pid, Start: start}, state != 'Z' && state != 'X', nil
}

// parseStat takes state and start time out of /proc/PID/stat. The second field is the program's name in parentheses and may
// hold anything, also spaces and parentheses, so counting starts behind the last one.
func parseStat(raw []byte) (state byte, start uint64, err error) {
	const (
		stateField = 0      // the first behind the name is number 3
		startField = 22 - 3 // from there
	)
	fields := bytes.Fields(raw[bytes.LastIndexByte(raw, ')')+1:])
	if len(fields) <= startField {
		return 0, 0, fmt.Errorf("stat has %d fields behind the name, want more than %d", len(fields), startField)
	}
	start, err = strconv.ParseUint(string(fields[startField]), 10, 64)
	if err != nil {
		return 0, 0, fmt.Errorf("start time: %w", err)
	}
	return fields[stateField][0], start, nil
}

// alive reports whether this very process still runs. A process that cannot be read counts as running.
func (p proc) alive() bool {
	now, ok, err := findProc(p.PID)
	return err != nil || ok && now == p
}

// kill ends the process if it is still this very one, and waits for its end until the deadline. The descriptor pins the
// process before its start time is compared, so that the signal cannot reach a later process with the same pid.
func (p proc) kill(deadline time.Time) error {
	fd, err := unix.PidfdOpen(p.PID, 0)
	if noProcess(err) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("lab: kill process %d: %w", p.PID, err)
	}
	defer unix.Close(fd)
	if !p.alive() {
		return nil
	}
	err = unix.PidfdSendSignal(fd, unix.SIGKILL, nil, 0)
	if errors.Is(err, unix.ESRCH) {
		return nil
	}
	if err == nil {
		err = awaitEnd(fd, deadline)
	}
	if err != nil {
		return fmt.Errorf("lab: kill process %d: %w", p.PID, err)
	}
	return nil
}

// noProcess says whether pidfd_open(2) failed because no process has the number: nobody has it, or it is now a thread's, which is EINVAL,
// and ENOENT since Linux 6.15 (pidfd_prepare in kernel/fork.c).
func noProcess(err error) bool {
	return errors.Is(err, unix.ESRCH) || errors.Is(err, unix.EINVAL) || errors.Is(err, unix.ENOENT)
}

// awaitEnd waits until the process of a descriptor has ended.
func awaitEnd(pidfd int, deadline time.Time) error {
	for {
		left := time.Until(deadline)
		if left <= 0 {
			return os.ErrDeadlineExceeded
		}
		fds := []unix.PollFd{{Fd: int32(pidfd), Events: unix.POLLIN}}
		n, err := unix.Poll(fds, int(left.Milliseconds())+1)
		if n > 0 || err != nil && !errors.Is(err, unix.EINTR) {
			return err
		}
	}
}
