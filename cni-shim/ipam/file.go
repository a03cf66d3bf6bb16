package ipam

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/weftnet/weft/atomicfile"
)

// change lets f change what the book says, and writes that if f says that it did. f gets the contents less what counts no more, and
// those of the latter that earlier boots held. What fails, changes nothing.
func (b *Book) change(ctx context.Context, f func(c *contents, earlier []Record) (changed bool, err error)) error {
	release, err := b.lock.acquire(ctx)
	if err != nil {
		return err
	}
	defer release()
	c, err := b.read()
	if err != nil {
		return err
	}
	earlier := c.expire(b.opts.BootID, b.opts.Uptime())
	if changed, err := f(&c, earlier); err != nil || !changed {
		return err
	}
	if err := b.write(&c); err != nil {
		return &WriteError{err}
	}
	return nil
}

// text is the file; nil: there is none.
func (b *Book) text() ([]byte, error) {
	text, _, err := atomicfile.Read(b.path, maxBook)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, nil
	case err != nil:
		return nil, fmt.Errorf("ipam: read address book: %w", err)
	case text == nil:
		return []byte{}, nil
	}
	return text, nil
}

// read is what the file says; where there is none, nothing.
func (b *Book) read() (contents, error) {
	text, err := b.text()
	if err != nil || text == nil {
		return contents{}, err
	}
	c, err := decode(text)
	if err != nil {
		return contents{}, &DamagedError{b.path, err}
	}
	return c, nil
}

// write replaces the file, and removes what processes that were killed in here have left. The lock is held. The name is on the disk when
// it returns, as well as the contents.
func (b *Book) write(c *contents) error {
	text, err := c.encode()
	if err != nil {
		return err
	}
	folder := filepath.Dir(b.path)
	if err := atomicfile.RemoveLeftovers(folder, File); err != nil {
		return fmt.Errorf("ipam: write address book: %w", err)
	}
	if err := atomicfile.Write(b.path, text, 0o600); err != nil {
		return fmt.Errorf("ipam: %w", err)
	}
	return syncFolder(folder)
}

func syncFolder(path string) error {
	d, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("ipam: write address book: %w", err)
	}
	defer d.Close()
	if err := d.Sync(); err != nil {
		return fmt.Errorf("ipam: write address book: %w", err)
	}
	return nil
}
