package lab

import (
	"errors"
	"os"
	"os/exec"
	"runtime"
	"testing"

	"golang.org/x/sys/unix"
)

// firstThreadVariable asks the re-executed test binary to play what only the first thread can show.
const firstThreadVariable = "WEFT_LAB_TEST_FIRST_THREAD"

func init() {
	if os.Getenv(firstThreadVariable) != "" {
		runtime.LockOSThread() // main runs on the first thread then
	}
}

// playFirstThread lets a thread of the lab begin on the first thread of the process. The exit code says how it went.
func playFirstThread() int {
	t := &thread{calls: make(chan func()), quit: make(chan struct{})}
	entered := make(chan error, 1)
	onFirst := true
	t.main(func() error { onFirst = unix.Gettid() == os.Getpid(); return nil }, entered)
	defer t.end()
	switch {
	case unix.Gettid() != os.Getpid():
		return 3 // nothing was shown
	case <-entered != nil || onFirst:
		return 4
	}
	return 0
}

func TestFirstThreadIsNeverGivenToANamespace(t *testing.T) {
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), firstThreadVariable+"=yes")
	if err := cmd.Run(); err != nil {
		t.Error(err)
	}
}

func TestThreadThatCannotEnterIsNone(t *testing.T) {
	failure := errors.New("no way in")
	if _, err := startThread(func() error { return failure }); !errors.Is(err, failure) {
		t.Errorf("start: %v", err)
	}
}

func TestEndedThreadRefusesCalls(t *testing.T) {
	th, err := startThread(func() error { return nil })
	if err != nil {
		t.Fatal(err)
	}
	if err := th.call(func() error { return nil }); err != nil {
		t.Error(err)
	}
	th.end()
	if err := th.call(func() error { return nil }); !errors.Is(err, errEnded) {
		t.Errorf("call after the end: %v", err)
	}
}
