package bundle

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/weftnet/weft/node/doctor"
)

// Options say what to collect.
type Options struct {
	Look doctor.Options // where the daemon and the configuration are
	Name string         // of the archive's one directory
	Time time.Time      // of the archive's files
}

const (
	maxItem    = 2 << 20         // bytes of one item; of logs the end counts, of all else the beginning
	maxArchive = 32 << 20        // bytes of all items
	patience   = 8 * time.Second // of one source
	atOnce     = 4               // sources asked at a time
)

// ContentsFile lists the items of an archive, and what could not be had.
const ContentsFile = "contents.txt"

// Write collects everything and writes the archive to w: a gzip-compressed tar. Sources that fail are listed in it; the error is
// that of w, or of ctx.
func Write(ctx context.Context, w io.Writer, o Options) error {
	facts := doctor.Look(ctx, o.Look)
	items := collect(ctx, list(facts, o))
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("bundle: %w", err)
	}
	secrets := newRedactor(facts.Config, facts.ConfigFile)
	for i := range items {
		items[i].data = secrets.redact(items[i].data)
	}
	bound(items)
	if err := write(w, items, o); err != nil {
		return fmt.Errorf("bundle: write: %w", err)
	}
	return nil
}

// item is one file of the archive.
type item struct {
	name   string
	source func(context.Context) ([]byte, error)
	tail   bool // the end counts

	data []byte
	note string // what is missing, and why
}

// collect asks all sources.
func collect(ctx context.Context, items []item) []item {
	var group errgroup.Group
	group.SetLimit(atOnce)
	for i := range items {
		group.Go(func() error {
			items[i].get(ctx)
			return nil
		})
	}
	_ = group.Wait() // no source ends the others
	return items
}

// get asks the source. What it gave before an error is kept.
func (i *item) get(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	data, err := i.source(ctx)
	if err != nil {
		i.note = strings.Join(strings.Fields(err.Error()), " ")
	}
	i.data = data
}

// bound cuts items that are too long, and leaves out those that no longer fit.
func bound(items []item) {
	left := maxArchive
	for i := range items {
		x := &items[i]
		limit := min(maxItem, left)
		if n := len(x.data); n > limit {
			x.note = fmt.Sprintf("%d of %d bytes are here", limit, n)
			if x.tail {
				x.data = x.data[n-limit:]
			} else {
				x.data = x.data[:limit]
			}
		}
		left -= len(x.data)
	}
}

// write makes the archive.
func write(w io.Writer, items []item, o Options) error {
	zipped := gzip.NewWriter(w)
	archive := tar.NewWriter(zipped)
	err := add(archive, o, ContentsFile, contents(items))
	for _, i := range items {
		if err == nil && len(i.data) > 0 {
			err = add(archive, o, i.name, i.data)
		}
	}
	if err != nil {
		return err
	}
	return errors.Join(archive.Close(), zipped.Close())
}

func add(archive *tar.Writer, o Options, name string, data []byte) error {
	header := &tar.Header{Name: o.Name + "/" + name, Mode: 0o600, Size: int64(len(data)), ModTime: o.Time, Format: tar.FormatPAX}
	if err := archive.WriteHeader(header); err != nil {
		return err
	}
	_, err := archive.Write(data)
	return err
}

// contents is the list of the items.
func contents(items []item) []byte {
	var text bytes.Buffer
	t := tabwriter.NewWriter(&text, 0, 0, 2, ' ', 0)
	for _, i := range items {
		size := "missing"
		if len(i.data) > 0 {
			size = fmt.Sprintf("%d bytes", len(i.data))
		}
		fmt.Fprintf(t, "%s\t%s\t%s\n", i.name, size, i.note)
	}
	t.Flush()
	return text.Bytes()
}
