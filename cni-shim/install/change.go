package install

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"github.com/weftnet/weft/atomicfile"
)

// change is one installation on its way. The record's lock is held.
type change struct {
	sums sums
	old  *record
	next record

	todo  []step
	stale []placed // what is to be taken back, because it belongs elsewhere now
	dirs  []string // that are missing

	// networks is the directory of the list. It stays, once it is made: containerd makes it too, and watches it. When it goes, versions to
	// 1.7 never see a list there again, and some later ones end (containerd#6490, #10646).
	networks string

	undos []func() error
	done  Done
}

// step is a file that is to be placed.
type step struct {
	wanted
	cause Cause
}

// any reports whether there is something to do, be it the record alone: that is behind where the sources were replaced while they were placed.
func (c *change) any() bool {
	return len(c.todo)+len(c.stale) > 0 || !slices.Equal(c.next.Files, c.old.Files) || !slices.Equal(c.next.Made, c.old.Made)
}

// plan finds out what there is to do, and changes nothing.
func (c *change) plan(files []wanted) error {
	for _, f := range files {
		cause, err := c.look(f)
		if err != nil {
			return err
		}
		if cause != "" {
			c.todo = append(c.todo, step{f, cause})
		}
		if cause != "" || f.own || c.old.sum(f.path) != "" {
			c.next.Files = append(c.next.Files, placed{f.path, f.sum})
		}
		c.networks = filepath.Dir(f.path) // the list is the last
		c.needs(c.networks)
	}
	c.next.Made = slices.DeleteFunc(slices.Clone(c.old.Made), func(dir string) bool { return dir == c.networks }) // earlier builds had it there
	for _, p := range c.old.Files {
		if !slices.ContainsFunc(files, func(f wanted) bool { return f.path == p.Path }) {
			c.stale = append(c.stale, p)
		}
	}
	return nil
}

// look says why a file is to be placed; "": it is as it should be. One that was so before weft came is not weft's, and stays unrecorded,
// but where the name is weft's own: there it is of an installation whose record is lost.
func (c *change) look(f wanted) (Cause, error) {
	sum, mode, err := c.sums.of(f.path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return Missing, nil
	case err != nil:
		return "", fmt.Errorf("install: %w", err)
	case mode.IsDir():
		return "", fmt.Errorf("install: %s is a directory: remove it", f.path)
	case sum == f.sum && mode.Perm() == f.perm:
		return "", nil
	case sum != "" && sum == c.old.sum(f.path):
		return Outdated, nil
	}
	return Foreign, nil
}

func (c *change) needs(dir string) {
	for _, d := range missing(dir) {
		if !slices.Contains(c.dirs, d) {
			c.dirs = append(c.dirs, d)
		}
	}
}

// carryOut does what is planned. After an error undo is to be called.
func (c *change) carryOut() error {
	final := c.next
	c.next.Files = append(slices.Clone(c.stale), final.Files...)
	for _, dir := range c.dirs {
		if dir != c.networks && !slices.Contains(c.next.Made, dir) {
			c.next.Made = append(c.next.Made, dir)
		}
	}
	c.undos = append(c.undos, c.old.write)
	if err := c.next.write(); err != nil {
		return err
	}
	if err := c.makeDirectories(); err != nil {
		return err
	}
	for _, s := range c.todo {
		if err := c.place(s); err != nil {
			return err
		}
	}
	return c.removeStale(final.Files)
}

func (c *change) makeDirectories() error {
	for _, dir := range c.dirs {
		if err := makeDirectory(dir); err != nil {
			return err
		}
		c.undos = append(c.undos, func() error { return removeEmpty(dir) })
	}
	return nil
}

// place puts one file where it belongs, and notes how that is undone.
func (c *change) place(s step) error {
	if err := atomicfile.RemoveLeftovers(filepath.Dir(s.path), filepath.Base(s.path)); err != nil {
		return fmt.Errorf("install: %w", err)
	}
	p := Placement{Path: s.path, Cause: s.cause}
	back, err := c.wayBack(s, &p)
	if err != nil {
		return err
	}
	c.undos = append(c.undos, back)
	source, err := s.open()
	if err != nil {
		return fmt.Errorf("install: %w", err)
	}
	defer source.Close()
	if err := replace(s.path, source, s.perm); err != nil {
		return err
	}
	c.done.Placed = append(c.done.Placed, p)
	return nil
}

// wayBack prepares what undoes the placing of a file: what is there is kept aside if it is foreign, and in memory if it is weft's own. Where
// nothing was placed after all, that does nothing.
func (c *change) wayBack(s step, p *Placement) (back func() error, err error) {
	if s.cause == Foreign {
		p.Aside = c.asideFor(s.path)
		return func() error { return takeBack(s.path, p.Aside) }, keepAside(s.path, p.Aside)
	}
	restore := func() error { return removeFile(s.path) }
	var before os.FileInfo
	if s.cause == Outdated {
		if before, err = os.Lstat(s.path); err != nil {
			return nil, fmt.Errorf("install: %w", err)
		}
		contents, err := os.ReadFile(s.path)
		if err != nil {
			return nil, fmt.Errorf("install: %w", err)
		}
		restore = func() error { return replaceBytes(s.path, contents, before.Mode().Perm()) }
	}
	return func() error {
		if now, err := os.Lstat(s.path); err != nil || before != nil && os.SameFile(before, now) {
			return nil
		}
		return restore()
	}, nil
}

// asideFor is where a foreign file is kept. What is kept there already gives way if it is known to have been replaced since; where the record
// is lost it stays, for it is what was there before weft.
func (c *change) asideFor(path string) string {
	aside := path + asideSuffix
	if c.old.sum(path) != "" {
		return aside
	}
	free := aside
	for n := 2; ; n++ {
		if _, err := os.Lstat(free); err != nil {
			return free
		}
		free = fmt.Sprintf("%s.%d", aside, n)
	}
}

// removeStale takes back what belongs elsewhere now; what it cannot take back stays in the record, for the next time.
func (c *change) removeStale(final []placed) error {
	if len(c.stale) == 0 {
		return nil
	}
	var failed error
	for i := len(c.stale) - 1; i >= 0; i-- {
		p := c.stale[i]
		if _, err := withdraw(c.sums, p); err != nil {
			failed = errors.Join(failed, err)
			final = append([]placed{p}, final...)
			continue
		}
		c.done.Removed = append(c.done.Removed, p.Path)
	}
	c.next.Files = final
	c.undos = nil // the new places are complete: they stay
	return errors.Join(failed, c.next.write())
}

// undo makes everything what it was, as far as it can.
func (c *change) undo() (failed error) {
	for i := len(c.undos) - 1; i >= 0; i-- {
		failed = errors.Join(failed, c.undos[i]())
	}
	return failed
}
