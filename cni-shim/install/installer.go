package install

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// Options say what is installed where. All paths are absolute.
type Options struct {
	Directories
	Source   string // the directory with the plugins
	StateDir string // the node's, for the record
	RunDir   string // the node's, with the lease
}

// Installer puts plugins and list where they belong. It belongs to one goroutine.
type Installer struct {
	o    Options
	sums sums
}

// NewInstaller makes an installer. It looks at nothing yet.
func NewInstaller(o Options) *Installer { return &Installer{o, sums{}} }

// Done is what Install did. Of an installation that is as it should be, it is empty.
type Done struct {
	Placed  []Placement
	Removed []string // what weft had installed elsewhere
}

// Any reports whether something was done.
func (d Done) Any() bool { return len(d.Placed)+len(d.Removed) > 0 }

// Placement is one file that was put somewhere.
type Placement struct {
	Path  string
	Cause Cause
	Aside string // what was there before is here now; "": nothing foreign was there
}

// Cause is why a file was placed.
type Cause string

// The causes.
const (
	Missing  Cause = "it was not there"
	Outdated Cause = "an earlier one of weft's was there"
	Foreign  Cause = "something else was there"
)

// wanted is a file as it should be.
type wanted struct {
	path string
	sum  string
	perm os.FileMode
	own  bool // nobody else has a file of this name
	open func() (io.ReadCloser, error)
}

// Install makes plugins and list what they should be, and removes what an earlier installation put into other directories. It is
// idempotent. After an error, which is one line, everything is as it was.
func (i *Installer) Install() (Done, error) {
	files, err := i.wanted()
	if err != nil {
		return Done{}, err
	}
	release, err := lockRecord(i.o.StateDir)
	if err != nil {
		return Done{}, err
	}
	defer release()
	old, err := readRecord(i.o.StateDir)
	if err != nil {
		return Done{}, err
	}
	c := &change{sums: i.sums, old: old, next: record{Version: recordVersion, dir: i.o.StateDir}}
	if err := c.plan(files); err != nil || !c.any() {
		return Done{}, err
	}
	if err := c.carryOut(); err != nil {
		return Done{}, errors.Join(err, c.undo())
	}
	return c.done, nil
}

// wanted are all files, the list last.
func (i *Installer) wanted() (files []wanted, err error) {
	for _, name := range Plugins {
		source := filepath.Join(i.o.Source, name)
		sum, mode, err := i.sums.of(source)
		if errors.Is(err, fs.ErrNotExist) || err == nil && sum == "" {
			return nil, fmt.Errorf("install: there is no plugin %s: 'make build' makes them, the packages have them; --source names another directory", source)
		}
		if err != nil {
			return nil, fmt.Errorf("install: %w", err)
		}
		if mode&0o111 == 0 {
			return nil, fmt.Errorf("install: %s is no program: chmod 755 %s", source, source)
		}
		open := func() (io.ReadCloser, error) { return os.Open(source) }
		files = append(files, wanted{filepath.Join(i.o.Bin, name), sum, 0o755, name == Plugin, open})
	}
	text := list(i.o.RunDir)
	open := func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(text)), nil }
	return append(files, wanted{filepath.Join(i.o.Conf, ListFile), sumOfBytes(text), 0o644, true, open}), nil
}
