package firewall

import (
	"errors"
	"fmt"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/weftnet/weft/kernel"
)

// ErrNotSupported says that the kernel has no packet filter that weft can use.
var ErrNotSupported = errors.New("firewall: this kernel has no nf_tables with NAT for table family inet (Linux 5.2; modules nf_tables, nft_chain_nat, nft_masq): " +
	"what leaves the overlay keeps its source address; load them, or masquerade by other means and set 'firewall: off'")

// explain wraps an error of the kernel with the operation, and with our sentinel where the errno has one.
func explain(operation string, err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, unix.EPERM):
		return fmt.Errorf("firewall: %s: %w", operation, kernel.ErrPermission)
	case errors.Is(err, unix.EPROTONOSUPPORT):
		return ErrNotSupported
	}
	return fmt.Errorf("firewall: %s: %w", operation, err)
}

// unknown reports whether the kernel does not know an expression, a chain type or a family: ENOENT is what it answers when
// there is no module for a name.
func unknown(err error) bool {
	return errors.Is(err, unix.ENOENT) || errors.Is(err, unix.EOPNOTSUPP) || errors.Is(err, unix.EAFNOSUPPORT)
}

// faults gathers what went wrong in a run that goes on after an error. The zero value is ready.
type faults []error

func (f *faults) add(err error) {
	if err != nil {
		*f = append(*f, err)
	}
}

// err is all of it in one line; nil if there is none.
func (f faults) err() error {
	if len(f) == 0 {
		return nil
	}
	return f
}

// Error implements error.
func (f faults) Error() string {
	lines := make([]string, len(f))
	for i, err := range f {
		lines[i] = err.Error()
	}
	return strings.Join(lines, "; ")
}

// Unwrap returns the single errors.
func (f faults) Unwrap() []error { return f }
