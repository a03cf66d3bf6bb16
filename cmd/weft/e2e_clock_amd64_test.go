package main

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/weftnet/weft/lab/cluster"
	"github.com/weftnet/weft/node/api"
)

// stepClock sets the wall clock of one running process, by so much from the machine's; all others keep theirs. A program reads
// the clock by calling clock_gettime in the vDSO, a page of code that the kernel maps into every process. What the process has
// there of its own is replaced, as a debugger sets a breakpoint, by code that asks the kernel and adds the step to
// CLOCK_REALTIME. The monotonic clock stays, as it does when somebody runs date -s.
func stepClock(t *testing.T, n *cluster.Node, by time.Duration) {
	t.Helper()
	pid := n.Daemon().PID()
	memory, err := os.OpenFile(fmt.Sprintf("/proc/%d/mem", pid), os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer memory.Close()
	at := clockFunction(t, pid, memory)
	code := steppedClock(by)
	pause(t, n, at, at+uint64(len(code)))
	_, err = memory.WriteAt(code, int64(at))
	if wake := n.Daemon().Signal(syscall.SIGCONT); wake != nil || err != nil {
		t.Fatal(wake, err)
	}
}

// steppedClock is the machine code of int clock_gettime(clockid_t edi, struct timespec *rsi).
func steppedClock(by time.Duration) []byte {
	code := []byte{
		0xb8, 228, 0, 0, 0, // mov eax, SYS_clock_gettime
		0x0f, 0x05, // syscall, which keeps rdi and rsi
		0x85, 0xff, // test edi, edi: CLOCK_REALTIME is 0
		0x75, 13, // jne to ret
		0x48, 0xb9, 0, 0, 0, 0, 0, 0, 0, 0, // mov rcx, seconds
		0x48, 0x01, 0x0e, // add [rsi], rcx
		0xc3, // ret
	}
	binary.LittleEndian.PutUint64(code[13:], uint64(by/time.Second))
	return code
}

// clockFunction is the address of __vdso_clock_gettime in the process.
func clockFunction(t *testing.T, pid int, memory *os.File) uint64 {
	t.Helper()
	maps, err := os.ReadFile(fmt.Sprintf("/proc/%d/maps", pid))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(maps)) {
		var start, end uint64
		if !strings.HasSuffix(line, "[vdso]\n") {
			continue
		}
		if _, err := fmt.Sscanf(line, "%x-%x", &start, &end); err != nil {
			t.Fatal(err)
		}
		image := make([]byte, end-start)
		if _, err := memory.ReadAt(image, int64(start)); err != nil {
			t.Fatal(err)
		}
		return start + symbol(t, image, "__vdso_clock_gettime")
	}
	t.Skip("this kernel maps no vDSO")
	return 0
}

func symbol(t *testing.T, image []byte, name string) uint64 {
	t.Helper()
	file, err := elf.NewFile(bytes.NewReader(image))
	if err != nil {
		t.Fatal(err)
	}
	symbols, err := file.DynamicSymbols()
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range symbols {
		if s.Name == name {
			return s.Value
		}
	}
	t.Skip("the vDSO has no " + name)
	return 0
}

// pause stops the process while none of its threads is inside the code from start to end.
func pause(t *testing.T, n *cluster.Node, start, end uint64) {
	t.Helper()
	await(t, func() (bool, string) {
		if err := n.Daemon().Signal(syscall.SIGSTOP); err != nil {
			t.Fatal(err)
		}
		await(t, func() (bool, string) { return len(counters(t, n)) > 0, "it does not stop" })
		for _, at := range counters(t, n) {
			if at > start && at < end {
				return n.Daemon().Signal(syscall.SIGCONT) != nil, "a thread reads the clock"
			}
		}
		return true, ""
	})
}

// counters are the program counters of the threads of a stopped daemon; none while a thread runs.
func counters(t *testing.T, n *cluster.Node) []uint64 {
	t.Helper()
	threads, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/syscall", n.Daemon().PID()))
	if err != nil {
		t.Fatal(err)
	}
	var list []uint64
	for _, file := range threads {
		raw, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var at uint64
		fields := strings.Fields(string(raw)) // "running", or: number, arguments, stack pointer, program counter
		if _, err := fmt.Sscanf(fields[len(fields)-1], "0x%x", &at); err != nil {
			return nil
		}
		list = append(list, at)
	}
	return list
}

// The clock of one node is set an hour ahead and then an hour back, while it runs and across restarts, and that of its peer
// the other way.
func TestAClockThatIsSetByAnHourDisturbsNothing(t *testing.T) {
	t.Parallel()
	c := newCluster(t, 2)
	startAll(t, c)
	a, b := c.Nodes[0], c.Nodes[1]
	s := startStream(t, a, b, status(t, b).Node.Addresses[0])
	started := status(t, a).Node.Started
	for _, by := range []time.Duration{time.Hour, -time.Hour} {
		mark, start := markLog(t, a), time.Now()
		stepClock(t, a, by)
		stepClock(t, b, -by)
		await(t, func() (bool, string) {
			return count(mark.lines(t), "node.clock.stepped") == 1, "the step is not noticed"
		})
		if gap := s.gap(start); gap > hiccup {
			t.Errorf("%v: the stream stood still for %v", by, gap)
		}
		said := slices.DeleteFunc(mark.lines(t), func(line string) bool { return strings.Contains(line, "node.clock.apart") })
		if len(said) > 1 {
			t.Errorf("%v: the log says\n%s", by, strings.Join(said, "\n"))
		}
		if shown := status(t, a).Node.Started; shown.Sub(started.Add(by)).Abs() > time.Second {
			t.Errorf("%v: status says that it started at %v, by the clock as it is now it was %v", by, shown, started.Add(by))
		}
	}

	if _, err := c.Add(within(t, patience)); err != nil { // a claim made by an honest clock
		t.Fatal(err)
	}
	startAll(t, c)
	for _, by := range []time.Duration{time.Hour, -time.Hour} {
		stepClock(t, a, by)
		if err := a.Stop(within(t, patience)); err != nil {
			t.Fatal(err)
		}
		awaitPeer(t, b, a.Name(), api.StateAway)
		if err := a.Up(); err != nil { // by the machine's clock: an hour from when it stopped, either way
			t.Fatal(err)
		}
		awaitAll(t, c)
		s.flows(t)
	}
	for _, n := range c.Nodes {
		if conflicts := status(t, n).Node.Conflicts; len(conflicts) > 0 {
			t.Errorf("%s: conflicts %+v", n.Name(), conflicts)
		}
	}
}

// Where certificates have times, a clock that is wrong by hours or days is a reason to have no session, as long as it is: the node
// cannot tell whether it or the other one is wrong.
func TestAClockThatIsWrongByHoursOpensNoSessionThatCertificatesDoNotAllow(t *testing.T) {
	t.Parallel()
	o := newOperator(t, 2)
	startAll(t, o.Cluster)
	a, b := o.Nodes[0], o.Nodes[1]
	for _, wrong := range []struct {
		by      time.Duration
		of, own string
	}{
		{-3 * time.Hour, "its certificate counts from", ": set the clock that is wrong"},
		{100 * 24 * time.Hour, "its certificate expired", ", or set the clock if it is wrong"},
	} {
		mark := markLog(t, a)
		stepClock(t, a, wrong.by)
		awaitRefused(t, a, b.Name(), wrong.of)
		awaitDegraded(t, a, "certificate", wrong.of, wrong.own)
		silent(t, a, b)
		silent(t, b, a)
		if n := count(mark.lines(t), "node.certificate.refused"); n != 1 {
			t.Errorf("%v: said %d times:\n%s", wrong.by, n, strings.Join(mark.lines(t), "\n"))
		}
		stepClock(t, a, 0)
		awaitAll(t, o.Cluster)
		awaitPing(t, a, status(t, b).Node.Addresses[0])
	}
	awaitNotDegraded(t, a, "certificate")
}
