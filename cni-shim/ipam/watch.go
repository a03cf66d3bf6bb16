package ipam

import (
	"context"
	"errors"
	"time"
)

// VanishedAfter is for how long the host end of a held record has to be missing until the pod counts as vanished: an ADD that is under
// way has a record before it has a host end.
const VanishedAfter = 60 * time.Second

// Watch finds vanished pods, for the daemon: it remembers since when it has missed the host ends of held records. That lies in memory
// alone: after a restart of the daemon the time begins again, and nothing is freed early. One goroutine uses it.
type Watch struct {
	book *Book
}

// Watch returns a watch that has missed nothing yet.
func (b *Book) Watch() *Watch { return &Watch{book: b} }

// Free frees the addresses of records whose host end exists does not know for VanishedAfter, and those of earlier boots. It returns
// them. Their addresses can be given at once: nobody has used them for longer than Quarantine. exists is called once and is not asked
// where nothing is held; it gives the names of all interfaces of the host's namespace. To be called every few seconds: where nothing is
// due, nothing is locked or written. The error is a *DamagedError, a *BusyError, that of exists or of the file system; nothing is freed
// then.
func (w *Watch) Free(ctx context.Context, exists func() (map[string]bool, error)) ([]Record, error) {
	return nil, errors.ErrUnsupported
}
