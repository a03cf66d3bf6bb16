package atomicfile

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
)

func TestAFileIsCreatedWholeAndWithItsPermissions(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "key")
	must(t, Create(path, []byte("one"), 0o600))
	info, err := os.Lstat(path)
	must(t, err)
	if text, err := os.ReadFile(path); err != nil || string(text) != "one" || info.Mode() != 0o600 || names(t, dir) != "key" {
		t.Errorf("it holds %q (%v), mode %v; the directory holds %s", text, err, info.Mode(), names(t, dir))
	}
}

func TestWhatIsThereIsNeverReplacedByANewFile(t *testing.T) {
	for name, put := range map[string]func(path string) error{
		"file":                       func(path string) error { return os.WriteFile(path, []byte("old"), 0o644) },
		"link that leads to a file":  func(path string) error { return os.Symlink("/etc/hostname", path) },
		"link that leads nowhere":    func(path string) error { return os.Symlink("/nonexistent/key", path) },
		"directory":                  func(path string) error { return os.Mkdir(path, 0o700) },
		"link to another of its own": func(path string) error { return os.Symlink(path, path) },
	} {
		dir := t.TempDir()
		path := filepath.Join(dir, "key")
		must(t, put(path))
		before, err := os.Lstat(path)
		must(t, err)
		if err := Create(path, []byte("new"), 0o600); !errors.Is(err, fs.ErrExist) || !errors.As(err, new(*Error)) {
			t.Errorf("%s: %v", name, err)
		}
		if after, err := os.Lstat(path); err != nil || !os.SameFile(before, after) || names(t, dir) != "key" {
			t.Errorf("%s: replaced, or %v; the directory holds %s", name, err, names(t, dir))
		}
	}
}

func TestOfManyThatCreateAFileAtOnceOneDoes(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "key")
	var done atomic.Int32
	var all sync.WaitGroup
	for i := range 16 {
		all.Go(func() {
			switch err := Create(path, fmt.Appendf(nil, "%02d", i), 0o600); {
			case err == nil:
				done.Add(1)
			case !errors.Is(err, fs.ErrExist):
				t.Error(err)
			}
		})
	}
	all.Wait()
	if text, err := os.ReadFile(path); done.Load() != 1 || err != nil || len(text) != 2 || names(t, dir) != "key" {
		t.Errorf("%d created it, it holds %q (%v); the directory holds %s", done.Load(), text, err, names(t, dir))
	}
}
