package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"golang.org/x/sys/unix"
)

// A hangup (SIGHUP) means two things. From a service manager or an operator it asks a daemon to read its configuration again.
// From the kernel or a shell it says that the terminal is gone; whatever ran in its foreground ends then. They are told apart
// by the terminal: the kernel takes it from the processes of its session before it sends the signal (__tty_hangup), and
// /dev/tty cannot be opened any more.

// hangupsIgnored is what whoever started this process chose: later, Notify has changed it.
var hangupsIgnored = signal.Ignored(syscall.SIGHUP)

// holdHangups keeps hangups from killing the process, and returns the first. A process that was started with hangups ignored
// goes on to ignore them, as do the programs that it starts.
func holdHangups() <-chan os.Signal {
	held := make(chan os.Signal, 1)
	if !hangupsIgnored {
		signal.Notify(held, syscall.SIGHUP)
	}
	return held
}

// endAtHangup is ctx, ended early by a hangup.
func endAtHangup(ctx context.Context, held <-chan os.Signal) context.Context {
	running, stop := context.WithCancel(ctx)
	go func() {
		defer stop()
		select {
		case <-held:
		case <-ctx.Done():
		}
	}()
	return running
}

// hangups turns hangups into requests for a reload, until the context that it returns ends. That one ends early, with ctx or
// when the terminal that the process was started from is gone; a process that was started with hangups ignored, as nohup
// does, outlives its terminal.
func hangups(ctx context.Context) (context.Context, <-chan struct{}) {
	attached := !hangupsIgnored && hasTerminal()
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGHUP)
	running, stop := context.WithCancel(ctx)
	asked := make(chan struct{}, 1)
	go func() {
		defer signal.Stop(signals)
		for {
			select {
			case <-running.Done():
				return
			case <-signals:
			}
			if attached && !hasTerminal() {
				stop()
				return
			}
			select {
			case asked <- struct{}{}:
			default: // one that has not begun yet will see the same file
			}
		}
	}()
	return running, asked
}

// hasTerminal reports whether the process has a controlling terminal.
func hasTerminal() bool {
	fd, err := unix.Open("/dev/tty", unix.O_RDWR|unix.O_NOCTTY|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		return false
	}
	_ = unix.Close(fd)
	return true
}
