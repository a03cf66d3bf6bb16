package atomicfile

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func names(t *testing.T, dir string) string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	must(t, err)
	var list []string
	for _, e := range entries {
		list = append(list, e.Name())
	}
	return strings.Join(list, " ")
}

func TestAFileIsReplacedAndNothingIsLeftBeside(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "claim")
	for _, text := range []string{"one", "another"} {
		must(t, Write(path, []byte(text), 0o600))
		if got, err := os.ReadFile(path); err != nil || string(got) != text {
			t.Errorf("the file holds %q, %v", got, err)
		}
	}
	if info, err := os.Stat(path); err != nil || info.Mode() != 0o600 || names(t, dir) != "claim" {
		t.Errorf("%v, %v; the directory holds %s", info.Mode(), err, names(t, dir))
	}
}

// The file system is a tmpfs of two pages: the old contents take one, ballast the other.
func TestAFullFileSystemKeepsTheOldContentsAndSaysWhatToDo(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("mounts need root")
	}
	dir := t.TempDir()
	must(t, syscall.Mount("none", dir, "tmpfs", 0, "size=8k"))
	defer func() { must(t, syscall.Unmount(dir, syscall.MNT_DETACH)) }()
	path := filepath.Join(dir, "claim")
	must(t, Write(path, []byte("old"), 0o600))
	must(t, os.WriteFile(filepath.Join(dir, "ballast"), make([]byte, 4096), 0o600))

	err := Write(path, make([]byte, 4096), 0o600)
	if want := "write " + path + ": no space left on device (make room on that file system)"; err == nil || err.Error() != want {
		t.Errorf("Write = %v, want %s", err, want)
	}
	if got, err := os.ReadFile(path); err != nil || string(got) != "old" || names(t, dir) != "ballast claim" {
		t.Errorf("the file holds %q, %v; the directory %s", got, err, names(t, dir))
	}
	must(t, os.Remove(filepath.Join(dir, "ballast")))
	must(t, Write(path, make([]byte, 4096), 0o600))
}

func TestAMissingDirectoryIsNamedAndNotMade(t *testing.T) {
	path := filepath.Join(t.TempDir(), "gone", "claim")
	err := Write(path, nil, 0o600)
	if !errors.Is(err, syscall.ENOENT) || err.Error() != "write "+path+": no such file or directory (make the directory again)" {
		t.Errorf("Write = %v", err)
	}
}

func TestOnlyLeftoversOfTheNamedFilesAreRemoved(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{".claim123456", ".claim", ".claim12x", "claim123", ".peers.json77", ".bashrc1", "claim"} {
		must(t, os.WriteFile(filepath.Join(dir, name), nil, 0o600))
	}
	must(t, os.Mkdir(filepath.Join(dir, ".claim99"), 0o700))
	must(t, RemoveLeftovers(dir, "claim", "peers.json"))
	if got, want := names(t, dir), ".bashrc1 .claim .claim12x .claim99 claim claim123"; got != want {
		t.Errorf("left: %s, want %s", got, want)
	}
	if err := RemoveLeftovers(filepath.Join(dir, "gone"), "claim"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("of a missing directory: %v", err)
	}
}
