package cri

import (
	"errors"
	"fmt"
	"runtime"

	"github.com/vishvananda/netns"
)

// Inside calls fn on a thread inside the network namespace of a file, in the caller's goroutine, and returns its error. Sockets that
// fn makes stay in the namespace for their life; goroutines that fn starts run outside of it.
func Inside(file string, fn func() error) (err error) {
	runtime.LockOSThread()
	home, err := netns.Get()
	if err != nil {
		runtime.UnlockOSThread()
		return fmt.Errorf("cri: enter %s: %w", file, err)
	}
	defer home.Close()
	if err := enter(file); err != nil {
		runtime.UnlockOSThread()
		return fmt.Errorf("cri: enter %s: %w", file, err)
	}
	defer func() {
		if back := netns.Set(home); back != nil {
			// The thread stays locked, so that it ends with this goroutine and nothing else runs on it by mistake.
			err = errors.Join(err, fmt.Errorf("cri: leave %s: %w", file, back))
			return
		}
		runtime.UnlockOSThread()
	}()
	return fn()
}

// enter moves the calling thread into the namespace of a file.
func enter(file string) error {
	space, err := netns.GetFromPath(file)
	if err != nil {
		return err
	}
	defer space.Close()
	return netns.Set(space)
}
