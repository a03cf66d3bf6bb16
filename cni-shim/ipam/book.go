package ipam

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
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

	// Folder is the book's folder in the state directory, File the book in it, LockFile what is locked while it changes.
	Folder   = "cni"
	File     = "addresses.json"
	LockFile = "addresses.lock"
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
	lock *lock
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
	folder := filepath.Join(stateDir, Folder)
	return &Book{path: filepath.Join(folder, File), opts: o, lock: newLock(filepath.Join(folder, LockFile))}, nil
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
// the same record again, and nothing is written: made is false. The error is an *ExhaustedError, *TakenError, *OutsideError, *HeldError,
// *DamagedError, *BusyError or that of the file system, and nothing is given then; or a *WriteError, of which Release is to follow, as DEL
// follows a failed ADD.
func (b *Book) Reserve(ctx context.Context, r Request) (record Record, made bool, err error) {
	if r, err = r.normal(); err != nil {
		return Record{}, false, err
	}
	if err := os.MkdirAll(filepath.Dir(b.path), 0o700); err != nil {
		return Record{}, false, fmt.Errorf("ipam: reserve: %w", err)
	}
	err = b.change(ctx, func(c *contents, _ []Record) (bool, error) {
		if had := c.held(r.Key); had != nil {
			record = *had
			return false, had.fits(&r)
		}
		record, err = b.add(c, r)
		made = err == nil
		return made, err
	})
	if err != nil {
		return Record{}, false, err
	}
	return record, made, nil
}

// add chooses addresses and appends the record that has them.
func (b *Book) add(c *contents, r Request) (Record, error) {
	addresses, err := c.allocate(r, b.opts.Uptime())
	if err != nil {
		return Record{}, err
	}
	now := b.now()
	record := Record{Key: r.Key, Network: r.Network, Pod: r.Pod, NetNS: r.NetNS, HostEnd: r.HostEnd, Addresses: addresses,
		BootID: b.opts.BootID, State: Held, Since: now.wall, Uptime: now.uptime}
	c.Records = append(c.Records, record)
	return record, nil
}

// Release ends what the attachment holds: its addresses rest from now on. It returns the record that it ended, and whether there was
// one; where there is no book, there is none. The error is a *DamagedError, a *BusyError or that of the file system.
func (b *Book) Release(ctx context.Context, k Key) (Record, bool, error) {
	released, err := b.release(ctx, func(r *Record) bool { return r.Key == k })
	if err != nil || len(released) == 0 {
		return Record{}, false, err
	}
	return released[0], true, nil
}

// ReleaseAll is Release of several attachments (GC). It returns the records that it ended, in the order in which they were made.
func (b *Book) ReleaseAll(ctx context.Context, keys []Key) ([]Record, error) {
	ended := map[Key]bool{}
	for _, k := range keys {
		ended[k] = true
	}
	return b.release(ctx, func(r *Record) bool { return ended[r.Key] })
}

// release releases the held records that ended says. Where there is no book, it makes none.
func (b *Book) release(ctx context.Context, ended func(*Record) bool) (released []Record, err error) {
	if _, err := os.Lstat(b.path); errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	err = b.change(ctx, func(c *contents, _ []Record) (bool, error) {
		released = c.release(b.now(), ended)
		return len(released) > 0, nil
	})
	if err != nil {
		return nil, err
	}
	return released, nil
}

// Records returns the records that count, in the order in which they were made: those that are held, and those whose addresses rest.
// It takes no lock and makes nothing; where there is no book, there are none. The error is a *DamagedError or that of the file system.
func (b *Book) Records() ([]Record, error) {
	c, err := b.current()
	return c.Records, err
}

// now is this moment; its uptime is rounded up, so that no rest is shortened.
func (b *Book) now() stamp {
	up := b.opts.Uptime() + time.Millisecond - 1
	return stamp{b.opts.Now().UTC(), up.Milliseconds()}
}

// current is what the book says now, less what counts no more.
func (b *Book) current() (contents, error) {
	c, err := b.read()
	c.expire(b.opts.BootID, b.opts.Uptime())
	return c, err
}
