package measure

import (
	"math"
	"os"
	"testing"

	"golang.org/x/sys/unix"
)

// table makes a table of processes.
func table(all ...proc) map[int]proc {
	now := map[int]proc{}
	for _, p := range all {
		if p.start == 0 {
			p.start = 1
		}
		now[p.pid] = p
	}
	return now
}

// at is a process with its processor time.
func at(pid, parent int, own, children uint64) proc {
	return proc{procID: procID{pid: pid}, parent: parent, own: own, children: children}
}

func TestOnlyProcessesThatAreNotOursAndNotTheKernelsAreForeign(t *testing.T) {
	kernel := at(2, 0, 0, 0)
	kernel.kernel = true
	f := newForeigners(table(at(1, 0, 5, 5), kernel, at(10, 1, 0, 0), at(11, 10, 0, 0), at(12, 11, 0, 0), at(20, 1, 100, 0)), []int{10}, nil)
	kernel.own = 1000
	now := table(at(1, 0, 6, 5), kernel, at(10, 1, 100, 50), at(11, 10, 100, 0), at(12, 11, 100, 0), at(13, 12, 100, 0), at(20, 1, 107, 0))
	if got := f.used(now); got != 1+7 {
		t.Errorf("foreign ticks = %d, want 8: one of process 1, seven of 20", got)
	}
}

func TestForeignProcessesThatEndedCountOnceAndOnlyForTheTimeOfTheWatch(t *testing.T) {
	before := table(at(1, 0, 0, 0), at(5, 1, 0, 1000), at(6, 5, 400, 0))
	f := newForeigners(before, []int{99}, nil)
	// 6 used 25 more and ended; 7 began, used 30 and ended; 5 waited for both and used 2 itself.
	if got := f.used(table(at(1, 0, 0, 0), at(5, 1, 2, 1000+425+30))); got != 2+25+30 {
		t.Errorf("foreign ticks = %d, want 57", got)
	}
}

func TestForeignProcessWhoseTimeNobodyCountedTakesNothingFromTheOthers(t *testing.T) {
	f := newForeigners(table(at(1, 0, 0, 0), at(6, 1, 400, 0), at(8, 1, 10, 0)), []int{99}, nil)
	if got := f.used(table(at(1, 0, 0, 0), at(8, 1, 40, 0))); got != 30 {
		t.Errorf("foreign ticks = %d, want 30", got)
	}
}

func TestReusedPidIsAnotherProcess(t *testing.T) {
	f := newForeigners(table(at(10, 1, 0, 0), at(11, 10, 500, 0)), []int{10}, nil)
	later := at(11, 1, 40, 0)
	later.start = 7
	if got := f.used(table(at(10, 1, 0, 0), later)); got != 40 {
		t.Errorf("foreign ticks = %d, want 40: the pid was ours before", got)
	}
}

func TestProcessOfOursWhoseParentEndedStaysOurs(t *testing.T) {
	f := newForeigners(table(at(10, 1, 0, 0), at(11, 10, 0, 0), at(12, 11, 0, 0)), []int{10}, nil)
	if got := f.used(table(at(10, 1, 0, 0), at(12, 1, 500, 0), at(13, 12, 50, 0))); got != 0 {
		t.Errorf("foreign ticks = %d, want none", got)
	}
}

func TestRingOfParentsEnds(t *testing.T) {
	f := newForeigners(table(at(11, 12, 0, 0), at(12, 11, 0, 0)), []int{10}, nil)
	if got := f.used(table(at(11, 12, 3, 0), at(12, 11, 0, 0))); got != 3 {
		t.Errorf("foreign ticks = %d, want 3", got)
	}
}

func TestThisProcessIsOursAndForeignToOthers(t *testing.T) {
	mine, err := watchForeigners([]int{os.Getpid()}, nil)
	if err != nil {
		t.Fatal(err)
	}
	others, err := watchForeigners([]int{math.MaxInt}, nil)
	if err != nil {
		t.Fatal(err)
	}
	const work = 5 // ticks
	burn(t, work)
	now, err := procs()
	if err != nil {
		t.Fatal(err)
	}
	self := now[os.Getpid()]
	if self.start == 0 || self.parent != os.Getppid() || !mine.mine(self) || others.mine(self) {
		t.Errorf("this process is %+v; ours: %v, to others: %v", self, mine.mine(self), others.mine(self))
	}
	if got := others.used(now); got < work-1 {
		t.Errorf("foreign ticks = %d, want the %d that this process used", got, work)
	}
}

// burn uses processor time.
func burn(t *testing.T, ticks int64) {
	t.Helper()
	used := func() int64 {
		var r unix.Rusage
		if err := unix.Getrusage(unix.RUSAGE_SELF, &r); err != nil {
			t.Fatal(err)
		}
		return r.Utime.Nano() + r.Stime.Nano()
	}
	for end := used() + ticks*tick.Nanoseconds(); used() < end; {
	}
}

func TestKernelThreadsAreKnown(t *testing.T) {
	raw := []byte("2 (kthreadd) S 0 0 0 0 -1 2129984 0 0 0 0 0 3 0 0 20 0 1 0 7 0 0")
	p, err := parseProc(raw)
	if err != nil || !p.kernel || p.own != 3 || p.start != 7 {
		t.Errorf("%+v, %v", p, err)
	}
}

func TestProcessNameMayHoldAnything(t *testing.T) {
	raw := []byte("5 (a) S 1 (b) R 4 5 5 0 -1 64 0 0 0 0 10 20 30 40 20 0 1 0 99 0 0")
	p, err := parseProc(raw)
	if err != nil || p.parent != 4 || p.own != 30 || p.children != 70 || p.start != 99 || p.kernel {
		t.Errorf("%+v, %v", p, err)
	}
}

func TestDamagedProcessTableIsAnError(t *testing.T) {
	for _, raw := range []string{"", "5 (a)", "5 (a) S 1 2 3", "5 (a) S x 5 5 0 -1 64 0 0 0 0 10 20 30 40 20 0 1 0 99"} {
		if p, err := parseProc([]byte(raw)); err == nil {
			t.Errorf("%q: %+v", raw, p)
		}
	}
}

func TestRoutersOfOtherSubjectsAreForeignAlthoughTheBenchStartedThem(t *testing.T) {
	f := newForeigners(table(at(10, 1, 0, 0), at(11, 10, 0, 0), at(12, 10, 0, 0), at(13, 12, 0, 0)), []int{10, 11}, []int{12})
	if used := f.used(table(at(10, 1, 50, 0), at(11, 10, 60, 0), at(12, 10, 7, 0), at(13, 12, 3, 0))); used != 10 {
		t.Errorf("foreign processes used %d ticks, want the 10 of the other router and its child", used)
	}
}
