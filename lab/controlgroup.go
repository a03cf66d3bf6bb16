package lab

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"

	"golang.org/x/sys/unix"
)

// RemoveControlGroup removes a control group and those in it, by its directory. One that is not there is no error; one that has processes
// is.
func RemoveControlGroup(path string) error {
	var dirs []string
	_ = filepath.WalkDir(path, func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.IsDir() {
			dirs = append(dirs, path)
		}
		return nil // what is gone need not be removed
	})
	for _, dir := range slices.Backward(dirs) { // the inner ones first
		if err := unix.Rmdir(dir); err != nil && !errors.Is(err, unix.ENOENT) {
			return fmt.Errorf("lab: remove control group %s: %w", dir, err)
		}
	}
	return nil
}
