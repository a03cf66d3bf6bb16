package lab

import (
	"context"
	"errors"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func TestProcessSeesItsHostsName(t *testing.T) {
	l := testLab(t, Options{})
	h := testHosts(t, l, "vm-1")[0]
	out, err := h.Run(soon(t), "uname", "-n")
	if err != nil || strings.TrimSpace(out) != "vm-1" {
		t.Errorf("hostname = %q, %v; want vm-1", out, err)
	}
}

func TestOutputIsReadableWhileAndAfterTheProcessRuns(t *testing.T) {
	l := testLab(t, Options{})
	p, err := testHosts(t, l, "a")[0].StartCommand(Command{
		Args:  []string{"sh", "-c", "echo $WORD; echo oops >&2; cat; exit 3"},
		Env:   []string{"WORD=hello"},
		Stdin: strings.NewReader("from stdin\n"),
	})
	if err != nil {
		t.Fatal(err)
	}
	await(t, "output", func() bool { out, _ := p.Stdout(); return strings.HasPrefix(out, "hello\n") })
	failed, ok := errors.AsType[*ExitError](p.Wait(soon(t)))
	if !ok || failed.Code != 3 || failed.Stderr != "oops\n" || !strings.HasSuffix(failed.Error(), "exit status 3: oops") {
		t.Errorf("end of the process: %v", failed)
	}
	if out, err := p.Stdout(); out != "hello\nfrom stdin\n" || err != nil {
		t.Errorf("output = %q, %v", out, err)
	}
}

func TestRunLeavesNoFiles(t *testing.T) {
	l := testLab(t, Options{})
	a := testHosts(t, l, "a")[0]
	if out, err := a.Run(soon(t), "echo", "x"); out != "x\n" || err != nil {
		t.Errorf("output = %q, %v", out, err)
	}
	if n := count(t, a.Dir()); n != 0 {
		t.Errorf("%d files are left", n)
	}
}

func TestKillReachesWhatTheProgramStarted(t *testing.T) {
	l := testLab(t, Options{})
	a := testHosts(t, l, "a")[0]
	p, err := a.Start("sh", "-c", "sleep 1000 & echo started; wait")
	if err != nil {
		t.Fatal(err)
	}
	await(t, "the child runs", func() bool { out, _ := p.Stdout(); return out != "" })
	p.Kill()
	<-p.Done()
	await(t, "nothing runs in the namespace", func() bool {
		procs, err := inside([]string{a.FullName()})
		return err == nil && len(procs) == 0
	})
	p.Kill() // does nothing
	if err := p.Signal(os.Interrupt); !errors.Is(err, os.ErrProcessDone) {
		t.Errorf("signal after the end: %v", err)
	}
}

func TestCloseFindsProcessesThatLeftTheirGroup(t *testing.T) {
	l := testLab(t, Options{})
	a := testHosts(t, l, "a")[0]
	p, err := a.Start("sh", "-c", "setsid sleep 1000 & echo $!")
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Wait(soon(t)); err != nil {
		t.Fatal(err)
	}
	left, err := inside([]string{a.FullName()})
	if err != nil || len(left) != 1 {
		t.Fatalf("in the namespace: %v, %v; want the one that was left", left, err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if left[0].alive() {
		t.Error("the process outlived the lab")
	}
}

func TestRunEndsWithItsContext(t *testing.T) {
	l := testLab(t, Options{})
	a := testHosts(t, l, "a")[0]
	ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	if _, err := a.Run(ctx, "sleep", "1000"); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("end of Run: %v", err)
	}
	if procs, err := inside([]string{a.FullName()}); err != nil || len(procs) > 0 {
		t.Errorf("processes left: %v, %v", procs, err)
	}
}

func TestMissingProgramIsNamed(t *testing.T) {
	l := testLab(t, Options{})
	a := testHosts(t, l, "a")[0]
	_, err := a.Start("no-such-program-here")
	if err == nil || !strings.Contains(err.Error(), "no-such-program-here") {
		t.Errorf("start of a missing program: %v", err)
	}
	if _, err := a.Start(); err == nil {
		t.Error("nothing was started")
	}
}

func TestSocketMadeInsideStaysInside(t *testing.T) {
	l := testLab(t, Options{})
	h := testHosts(t, l, "a", "b")
	var listener net.Listener
	err := h[0].Do(func() (err error) {
		listener, err = net.Listen("tcp", net.JoinHostPort(h[0].Addr4().String(), "7000"))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	err = h[1].Do(func() error {
		conn, err := net.Dial("tcp", listener.Addr().String())
		if err != nil {
			return err
		}
		return conn.Close()
	})
	if err != nil {
		t.Error(err)
	}
}

func TestDoComesBackAlsoFromPanicAndNesting(t *testing.T) {
	l := testLab(t, Options{})
	h := testHosts(t, l, "a", "b")
	home := currentNamespace(t)
	err := h[0].Do(func() error {
		outer := currentNamespace(t)
		func() {
			defer func() { recover() }()
			h[1].Do(func() error {
				if inner := currentNamespace(t); inner == outer || inner == home {
					t.Error("the inner namespace is not its own")
				}
				panic("inside")
			})
		}()
		if currentNamespace(t) != outer {
			t.Error("not back in the outer namespace")
		}
		return nil
	})
	if err != nil || currentNamespace(t) != home {
		t.Errorf("not back at home: %v", err)
	}
}

func currentNamespace(t *testing.T) uint64 {
	t.Helper()
	var stat unix.Stat_t
	if err := unix.Stat("/proc/thread-self/ns/net", &stat); err != nil {
		t.Fatal(err)
	}
	return stat.Ino
}
