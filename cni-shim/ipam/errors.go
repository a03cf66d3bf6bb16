package ipam

import (
	"fmt"
	"net/netip"
	"strings"
	"time"
)

// ExhaustedError says that no address is vacant where one was asked for. Pods that end free some: try again later.
type ExhaustedError struct {
	Subnets     []netip.Prefix // those of the family that is used up
	Capacity    uint64         // how many addresses they have for pods; with ranges, those of the ranges
	Held        int
	Quarantined int
	By          []Share // who holds the most, at most three, the greatest first
}

// Share is how many addresses of one family somebody holds.
type Share struct {
	Who   string // "namespace NAME", or "network NAME" where pods have no namespace
	Count int
}

// Error is one line: how many are used, and by whom.
func (e *ExhaustedError) Error() string {
	if e.Capacity == 0 {
		return fmt.Sprintf("ipam: %s has no address for pods: the node needs a larger subnet", joined(e.Subnets))
	}
	text := fmt.Sprintf("ipam: no address is left in %s: of %d for pods %d are held", joined(e.Subnets), e.Capacity, e.Held)
	if len(e.By) > 0 {
		by := make([]string, len(e.By))
		for i, s := range e.By {
			by[i] = fmt.Sprintf("%d by %s", s.Count, s.Who)
		}
		text += " (" + strings.Join(by, ", ") + ")"
	}
	return text + fmt.Sprintf(" and %d rest for %v after their release", e.Quarantined, Quarantine)
}

// TakenError says that an address which was asked for by name cannot be given now.
type TakenError struct {
	Addr   netip.Addr
	Holder string        // who has it, or had it
	Rest   time.Duration // how long it rests still; 0: it is held
}

// Error is one line.
func (e *TakenError) Error() string {
	if e.Rest > 0 {
		return fmt.Sprintf("ipam: %s was %s's until a moment ago: it can be given again in %v", e.Addr, e.Holder, e.Rest.Round(time.Second))
	}
	return fmt.Sprintf("ipam: %s belongs to %s", e.Addr, e.Holder)
}

// OutsideError says that what was asked for is not of this node: trying again does not help.
type OutsideError struct {
	What    string         // the address or the range
	Why     string         // "is outside", "is the gateway of" and the like
	Subnets []netip.Prefix // of this node; or the one that Why speaks of
}

// Error is one line.
func (e *OutsideError) Error() string {
	if len(e.Subnets) == 0 {
		return fmt.Sprintf("ipam: %s %s", e.What, e.Why)
	}
	return fmt.Sprintf("ipam: %s %s %s", e.What, e.Why, joined(e.Subnets))
}

// HeldError says that the attachment has addresses already, and not those that are asked for now. DEL of it comes first.
type HeldError struct {
	Record Record
}

// Error is one line.
func (e *HeldError) Error() string {
	return fmt.Sprintf("ipam: %s has %s already, which is not what is asked for now: delete it first", e.Record.Key, joined(e.Record.Addresses))
}

// DamagedError says that the book cannot be understood. Nothing is changed until somebody puts it right.
type DamagedError struct {
	File string
	Err  error
}

// Error is one line, with the remedy.
func (e *DamagedError) Error() string {
	return fmt.Sprintf("ipam: address book %s: %v (restore it, or, when no pod of weft runs on this node, remove it)", e.File, e.Err)
}

// Unwrap gives what is wrong with the book.
func (e *DamagedError) Unwrap() error { return e.Err }

// BusyError says that another process has the book locked for longer than the caller waits. Try again later.
type BusyError struct {
	File string // the lock
	Err  error  // why the wait ended: of the context, where it was not Patience
}

// Error is one line.
func (e *BusyError) Error() string {
	return fmt.Sprintf("ipam: waited in vain for the lock %s, which another process holds ('fuser -v %s' names it): %v", e.File, e.File, e.Err)
}

// Unwrap gives why the wait ended.
func (e *BusyError) Unwrap() error { return e.Err }

// WriteError says that the file system did not take a change of the book. The change may be on the disk all the same.
type WriteError struct {
	Err error
}

// Error is one line.
func (e *WriteError) Error() string { return e.Err.Error() }

// Unwrap gives the error of the file system.
func (e *WriteError) Unwrap() error { return e.Err }

func joined[T fmt.Stringer](items []T) string {
	texts := make([]string, len(items))
	for i, item := range items {
		texts[i] = item.String()
	}
	return strings.Join(texts, " and ")
}
