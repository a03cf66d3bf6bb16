package load

import "runtime"

// Here is the place of the network namespace that the process runs in.
type Here struct{}

// Do calls fn in the caller's goroutine, locked to its thread.
func (Here) Do(fn func() error) error {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	return fn()
}

// Name is how errors call the place.
func (Here) Name() string { return "this host" }
