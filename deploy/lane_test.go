package deploy

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// laneThreads are the threads of a process that have the time slice that lanes ask for (router/thread.go). A kernel before 6.12
// knows no slices.
func laneThreads(t *testing.T, pid int) (list []int) {
	t.Helper()
	tasks, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*", pid))
	check(t, err)
	for _, task := range tasks {
		tid, err := strconv.Atoi(filepath.Base(task))
		check(t, err)
		attr, err := unix.SchedGetAttr(tid, 0)
		if err == nil && time.Duration(attr.Runtime) == 100*time.Microsecond {
			list = append(list, tid)
		}
	}
	return list
}

// halt stops one thread of a process, and no other, for good: SIGKILL to the process ends it.
func halt(t *testing.T, tid int) {
	t.Helper()
	halted := make(chan error, 1)
	go func() {
		runtime.LockOSThread() // the one that traces, until it ends with this goroutine
		err := unix.PtraceSeize(tid)
		if err == nil {
			err = unix.PtraceInterrupt(tid)
		}
		halted <- err
		for err == nil { // it stops, and ends; a tracer that did not wait would keep it from ending
			_, err = unix.Wait4(tid, nil, unix.WALL, nil)
		}
	}()
	check(t, <-halted)
}

func TestADaemonWithOneLaneThatHangsIsStartedAgainByTheWatchdog(t *testing.T) {
	s := newService(t)
	s.impatient()
	s.setUp()
	s.sh("echo 'lanes: 2' >>/etc/weft/weft.yaml")
	s.run("systemctl", "start", "weft")
	s.reached()
	for range 5 { // the thread may be caught where Go's runtime waits for it: then nobody is left to tell
		haltOneLane(t, s)
		if log := s.run("journalctl", "--unit=weft", "--no-pager"); strings.Contains(log, "answer from control") {
			t.Fatalf("the journal names more than one lane:\n%s", log)
		} else if strings.Contains(log, "node.watchdog.silent") && strings.Contains(log, "no answer from lane ") {
			return
		}
	}
	t.Error("the journal never named the lane")
}

// haltOneLane waits until the service has been started again in place of the process whose lane hangs.
func haltOneLane(t *testing.T, s *service) {
	t.Helper()
	inside := s.pid()
	pid, err := s.PID(inside)
	check(t, err)
	threads := laneThreads(t, pid)
	if len(threads) == 0 {
		t.Skip("lanes have no time slice of their own on this kernel, so their threads cannot be told")
	}
	if len(threads) != 2 {
		t.Fatalf("%d threads of lanes, want 2", len(threads))
	}
	halt(t, threads[1])
	s.restarted(inside)
	if _, err := os.Stat(fmt.Sprintf("/proc/%d", pid)); err == nil {
		t.Errorf("process %d still runs", pid)
	}
}
