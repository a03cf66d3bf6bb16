package lab

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

const (
	// namesDir is where `ip netns` looks for namespaces: one file each, with the namespace mounted on it.
	namesDir = "/run/netns"
	// namesMarker is a file beside the runs that says: a lab made namesDir, so the last one removes it.
	namesMarker = "made-netns"
)

// prepareNames makes namesDir a shared mount point, exactly as `ip netns add` does it. Without that, the first `ip netns add`
// of anybody would mount the directory over itself and hide our mounts where nothing can remove them.
func prepareNames(registryDir string) error {
	if err := noteNames(registryDir); err != nil {
		return err
	}
	if err := os.MkdirAll(namesDir, 0o755); err != nil {
		return fmt.Errorf("lab: make %s: %w", namesDir, err)
	}
	err := unix.Mount("", namesDir, "none", unix.MS_SHARED|unix.MS_REC, "")
	if errors.Is(err, unix.EINVAL) { // not a mount point yet
		err = unix.Mount(namesDir, namesDir, "none", unix.MS_BIND|unix.MS_REC, "")
		if err == nil {
			err = unix.Mount("", namesDir, "none", unix.MS_SHARED|unix.MS_REC, "")
		}
	}
	if err != nil {
		return fmt.Errorf("lab: mount %s: %w", namesDir, err)
	}
	return nil
}

// noteNames leaves the marker before namesDir is made.
func noteNames(registryDir string) error {
	_, err := os.Stat(namesDir)
	if errors.Is(err, fs.ErrNotExist) {
		err = os.WriteFile(filepath.Join(registryDir, namesMarker), nil, 0o644)
	}
	if err != nil {
		return fmt.Errorf("lab: note %s: %w", namesDir, err)
	}
	return nil
}

// dropNames removes namesDir if a lab made it and nobody else uses it now: the kernel refuses both steps otherwise.
func dropNames(registryDir string) error {
	marker := filepath.Join(registryDir, namesMarker)
	if _, err := os.Stat(marker); err != nil {
		return nil
	}
	if entries, _ := os.ReadDir(namesDir); len(entries) > 0 {
		return nil
	}
	err := unix.Unmount(namesDir, 0)
	if errors.Is(err, unix.EBUSY) {
		return nil
	}
	if err == nil || errors.Is(err, unix.EINVAL) || errors.Is(err, unix.ENOENT) {
		err = os.Remove(namesDir)
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, unix.ENOTEMPTY) {
		return fmt.Errorf("lab: remove %s: %w", namesDir, err)
	}
	return os.Remove(marker)
}

// namesOf lists the namespaces of one run by full name.
func namesOf(id string) ([]string, error) {
	entries, err := os.ReadDir(namesDir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("lab: list namespaces: %w", err)
	}
	var names []string
	for _, entry := range entries {
		if strings.HasPrefix(entry.Name(), runPrefix(id)) {
			names = append(names, entry.Name())
		}
	}
	return names, nil
}

// removeName takes a namespace's name away; the namespace ends with the last process, socket and descriptor in it.
func removeName(name string) error {
	path := filepath.Join(namesDir, name)
	err := unix.Unmount(path, unix.MNT_DETACH)
	if err == nil || errors.Is(err, unix.EINVAL) || errors.Is(err, unix.ENOENT) { // EINVAL: the maker was killed before the mount
		err = os.Remove(path)
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("lab: remove namespace %s: %w", name, err)
	}
	return nil
}
