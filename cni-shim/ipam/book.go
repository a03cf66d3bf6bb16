package ipam

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"
)

const (
	// Quarantine is how long nobody gets an address after its release.
	Quarantine = 30 * time.Second

	// Patience is how long a change waits for the lock where its context allows more: some hundred processes, each of which holds it
	// for some milliseconds, are served meanwhile.
	Patience = 30 * time.Second

	// Folder is the book's folder in the state directory, File the book in it.
	Folder = "cni"
	File   = "addresses.json"
)

// Options are what a book takes from its surroundings.
type Options struct {
	BootID string               // of this boot, /proc/sys/kernel/random/boot_id; required
	Now    func() time.Time     // wall clock, for what people read; nil: time.Now
	Uptime func() time.Duration // since boot, the same for all processes; nil: CLOCK_BOOTTIME
}

// Book is the address book of a node.
type Book struct {
	path string // of the file
	opts Options
}

// Open names the book of a state directory. It reads and makes nothing: the book, its lock and their folder are made, for their owner
// alone, by the first Reserve.
func Open(stateDir string, o Options) (*Book, error) {
	if stateDir == "" || o.BootID == "" {
		return nil, errors.New("ipam: open address book: it takes a state directory and a boot id")
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Uptime == nil {
		o.Uptime = sinceBoot
	}
	return &Book{path: filepath.Join(stateDir, Folder, File), opts: o}, nil
}

// sinceBoot is CLOCK_BOOTTIME: it goes on while the machine is suspended, and nobody sets it (clock_gettime(2)).
func sinceBoot() time.Duration {
	var t unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_BOOTTIME, &t); err != nil {
		panic(fmt.Sprintf("ipam: CLOCK_BOOTTIME: %v", err)) // Linux has it since 2.6.39
	}
	return time.Duration(t.Nano())
}

// Path is the book's file.
func (b *Book) Path() string { return b.path }

// Reserve gives the attachment addresses, and returns its record once that is on the disk. An attachment that has what it asks for gets
// the same record again, and nothing is written. The error is an *ExhaustedError, *TakenError, *OutsideError, *HeldError, *DamagedError
// or *BusyError, or that of the file system; nothing is given then.
func (b *Book) Reserve(ctx context.Context, r Request) (Record, error) {
	return Record{}, errors.ErrUnsupported
}

// Release ends what the attachment holds: its addresses rest from now on. It returns the record that it ended, and whether there was
// one; where there is no book, there is none. The error is a *DamagedError, a *BusyError or that of the file system.
func (b *Book) Release(ctx context.Context, k Key) (Record, bool, error) {
	return Record{}, false, errors.ErrUnsupported
}

// Keep releases what the attachments of a CNI network hold that are not among valid (GC), and returns it.
// The error is a *DamagedError, a *BusyError or that of the file system; nothing is released then.
func (b *Book) Keep(ctx context.Context, network string, valid []Key) ([]Record, error) {
	return nil, errors.ErrUnsupported
}

// Lookup returns what the attachment holds, without waiting for anybody.
func (b *Book) Lookup(k Key) (Record, bool, error) {
	return Record{}, false, errors.ErrUnsupported
}

// Records returns the records that count, in the order in which they were made: those that are held, and those whose addresses rest.
// It takes no lock and makes nothing; where there is no book, there are none.
func (b *Book) Records() ([]Record, error) {
	return nil, errors.ErrUnsupported
}
