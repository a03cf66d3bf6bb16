package bundle

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/google/renameio/v2"
)

// ErrExists says that the file of the archive is there already.
var ErrExists = errors.New("is there already")

// Name is what an archive of a host and a moment is called, without the ending of its file.
func Name(host string, at time.Time) string {
	plain := func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '-' || r == '.' {
			return r
		}
		return '-'
	}
	return fmt.Sprintf("weft-report-%s-%s", strings.Map(plain, host), at.UTC().Format("20060102T150405Z"))
}

// WriteFile writes the archive to a new file, for its owner alone: all of it, or nothing.
func WriteFile(ctx context.Context, path string, o Options) error {
	if _, err := os.Lstat(path); err == nil {
		return fmt.Errorf("bundle: %s %w: name another file with --out", path, ErrExists)
	} else if !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("bundle: %w", err)
	}
	f, err := renameio.NewPendingFile(path, renameio.WithTempDir(filepath.Dir(path)), renameio.WithStaticPermissions(0o600))
	if err != nil {
		return fmt.Errorf("bundle: make %s: %w", path, err)
	}
	defer f.Cleanup() // does nothing after the file is in its place
	if err := Write(ctx, f, o); err != nil {
		return err
	}
	if err := f.CloseAtomicallyReplace(); err != nil {
		return fmt.Errorf("bundle: make %s: %w", path, err)
	}
	return nil
}
