package lab

import (
	"errors"
	"os"
	"runtime"

	"golang.org/x/sys/unix"
)

// errEnded is what a thread answers after its end.
var errEnded = errors.New("the lab is closed")

// thread is an operating system thread that lives in one namespace from the namespace's birth to the lab's end. Processes
// are started on it: they inherit its namespaces, and their parent death signal comes when it ends and not sooner.
type thread struct {
	calls chan func()
	quit  chan struct{}
}

// startThread makes a thread that first calls enter. When enter fails there is no thread.
func startThread(enter func() error) (*thread, error) {
	t := &thread{calls: make(chan func()), quit: make(chan struct{})}
	entered := make(chan error, 1)
	go t.main(enter, entered)
	return t, <-entered
}

// main stays locked to its thread for good: the runtime ends the thread with the goroutine and never uses it for another.
func (t *thread) main(enter func() error, entered chan<- error) {
	runtime.LockOSThread()
	if unix.Gettid() == os.Getpid() {
		// The first thread outlives its goroutine and is what /proc/PID shows as the process: leave it alone. It stays
		// locked while another goroutine starts, which must therefore get another thread.
		next := make(chan error, 1)
		go t.main(enter, next)
		entered <- <-next
		runtime.UnlockOSThread()
		return
	}
	err := enter()
	entered <- err
	if err != nil {
		return
	}
	for {
		select {
		case call := <-t.calls:
			call()
		case <-t.quit:
			return
		}
	}
}

// call runs fn on the thread and waits for it.
func (t *thread) call(fn func() error) error {
	done := make(chan error, 1)
	select {
	case t.calls <- func() { done <- fn() }:
		return <-done
	case <-t.quit:
		return errEnded
	}
}

// end ends the thread after the call that runs now. It may be called once.
func (t *thread) end() {
	close(t.quit)
}
