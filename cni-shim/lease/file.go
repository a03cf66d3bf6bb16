package lease

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/weftnet/weft/atomicfile"
)

// ErrNone says that the node has no lease: the file is not there, or is of another boot.
var ErrNone = errors.New("no lease")

// fileName is the lease's in the run directory; maxSize is far more than one has.
const (
	fileName = "cni.json"
	maxSize  = 64 << 10
)

// Path is where the lease of a node with this run directory is.
func Path(runDir string) string { return filepath.Join(runDir, fileName) }

// Read reads the lease. The error wraps ErrNone where there is none of this boot; any other means that the file is damaged or
// cannot be read. It is one line that names the file.
func Read(runDir string) (Lease, error) {
	path := Path(runDir)
	data, _, err := atomicfile.Read(path, maxSize)
	if errors.Is(err, fs.ErrNotExist) {
		return Lease{}, fmt.Errorf("%w at %s", ErrNone, path)
	}
	if err != nil {
		return Lease{}, fmt.Errorf("lease: read %w", err)
	}
	l, err := Decode(data)
	if err != nil {
		return Lease{}, fmt.Errorf("lease: read %s: %w (weft writes it anew when it starts)", path, err)
	}
	boot, err := BootID()
	if err != nil {
		return Lease{}, err
	}
	if l.BootID != boot {
		return Lease{}, fmt.Errorf("%w of this boot: %s is of boot %s", ErrNone, path, l.BootID)
	}
	return l, nil
}

// Write replaces the lease, or makes it, with permissions 0644 less the umask. The run directory must be there. Version is set
// by Write, and BootID where it is empty. A lease that a plugin would refuse is not written.
func Write(runDir string, l Lease) (err error) {
	if l.BootID == "" {
		if l.BootID, err = BootID(); err != nil {
			return err
		}
	}
	data, err := l.encode()
	if err != nil {
		return fmt.Errorf("lease: write %s: %w", Path(runDir), err)
	}
	if err := atomicfile.Write(Path(runDir), data, 0o644); err != nil {
		return fmt.Errorf("lease: %w", err)
	}
	return nil
}

// Remove takes the lease away; that there is none is no error.
func Remove(runDir string) error {
	if err := os.Remove(Path(runDir)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("lease: %w", err)
	}
	return nil
}
