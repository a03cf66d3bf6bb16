package install

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"syscall"
)

// Fate is what became of a file that weft had installed.
type Fate string

// The fates.
const (
	Removed  Fate = "removed"
	Restored Fate = "what was there before is there again"
	Left     Fate = "left as it is: somebody has replaced what weft had put there"
	Gone     Fate = "somebody had removed it"
)

// Undone is one file that Uninstall dealt with.
type Undone struct {
	Path  string
	Fate  Fate
	Aside string // with Left: what was there before weft is here; "": nothing was
}

// Uninstall takes back what Install of a node with this state directory did, the list first. Of a node where nothing is installed it is
// empty. While a keeper runs it is refused. After an error, which is one line, what is done is done, and another call does the rest.
func Uninstall(stateDir string) ([]Undone, error) {
	if _, err := os.Lstat(recordPath(stateDir)); errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	admit, err := excludeKeepers(stateDir)
	if err != nil {
		return nil, err
	}
	defer admit()
	release, err := lockRecord(stateDir)
	if err != nil {
		return nil, err
	}
	defer release()
	r, err := readRecord(stateDir)
	if err != nil {
		return nil, err
	}
	var list []Undone
	for len(r.Files) > 0 {
		last := r.Files[len(r.Files)-1]
		undone, err := withdraw(sums{}, last)
		if err != nil {
			return list, errors.Join(err, r.write())
		}
		list, r.Files = append(list, undone), r.Files[:len(r.Files)-1]
	}
	return list, r.removeMade()
}

// removeMade removes the directories that weft made, as far as nothing is in them, and the record with them.
func (r *record) removeMade() error {
	for _, dir := range slices.Backward(r.Made) {
		if err := removeEmpty(dir); err != nil {
			return err
		}
	}
	r.Made = nil
	return r.write()
}

// withdraw takes one file back if it is what weft put there.
func withdraw(s sums, f placed) (Undone, error) {
	u := Undone{Path: f.Path, Fate: Removed}
	_, err := os.Lstat(f.aside())
	kept := err == nil
	sum, _, err := s.of(f.Path)
	switch {
	case errors.Is(err, fs.ErrNotExist) && !kept:
		u.Fate = Gone
		return u, nil
	case err != nil && !errors.Is(err, fs.ErrNotExist):
		return u, fmt.Errorf("install: %w", err)
	case err == nil && sum != f.Sum && sameFile(f.Path, f.aside()): // a process was killed before it replaced it
		u.Fate = Restored
		return u, removeFile(f.aside())
	case err == nil && sum != f.Sum:
		u.Fate = Left
		if kept {
			u.Aside = f.aside()
		}
		return u, nil
	case kept:
		u.Fate = Restored
	}
	return u, takeBack(f.Path, f.aside())
}

func sameFile(a, b string) bool {
	first, err := os.Lstat(a)
	if err != nil {
		return false
	}
	second, err := os.Lstat(b)
	return err == nil && os.SameFile(first, second)
}

// removeEmpty removes a directory, unless something is in it or it is not there.
func removeEmpty(dir string) error {
	err := os.Remove(dir)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTEMPTY) || errors.Is(err, syscall.EBUSY) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("install: %w", err)
	}
	return nil
}

func removeFile(path string) error {
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("install: %w", err)
	}
	return nil
}
