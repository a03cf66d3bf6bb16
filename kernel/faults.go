package kernel

import "fmt"

// faults gathers what went wrong in a run that goes on after an error. The zero value is ready.
type faults struct {
	first error
	more  int
}

// add notes err; nil is nothing.
func (f *faults) add(err error) {
	switch {
	case err == nil:
	case f.first == nil:
		f.first = err
	default:
		f.more++
	}
}

// err is the first error, in one line, with the number of others.
func (f *faults) err() error {
	if f.more == 0 {
		return f.first
	}
	return fmt.Errorf("%w (and %d more)", f.first, f.more)
}
