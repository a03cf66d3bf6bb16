package tun

import "errors"

// States that callers branch on.
var (
	// ErrNoDevice: the machine does not let us have a TUN device. The error says what to do.
	ErrNoDevice = errors.New("no TUN device")
	// ErrBusy: another process has the interface open.
	ErrBusy = errors.New("in use by another process; is weft already running?")
	// ErrForeign: the interface of that name is not a TUN device that weft made.
	ErrForeign = errors.New("not an interface of weft")
	// ErrGone: the interface was deleted while it was open.
	ErrGone = errors.New("the interface was deleted")
	// ErrNotSupported: the kernel cannot do this. The error names the version that can, where there is one.
	ErrNotSupported = errors.New("not supported by this kernel")
)
