package labtest

import (
	"os"
	"path/filepath"
	"testing"
)

func TestABuildDirectoryStaysWhileItsProcessLivesAndIsThenRemovedByTheNext(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	var dirs []*buildDir
	for range 2 {
		d, err := newBuildDir()
		if err != nil {
			t.Fatal(err)
		}
		defer d.remove()
		if err := os.WriteFile(filepath.Join(d.path, "weft"), nil, 0o700); err != nil {
			t.Fatal(err)
		}
		dirs = append(dirs, d)
	}
	dirs[0].lock.Close() // as the end of the process does
	third, err := newBuildDir()
	if err != nil {
		t.Fatal(err)
	}
	defer third.remove()
	if _, err := os.Stat(dirs[0].path); !os.IsNotExist(err) {
		t.Errorf("that of a process that ended is left: %v", err)
	}
	if _, err := os.Stat(filepath.Join(dirs[1].path, "weft")); err != nil {
		t.Errorf("that of a living process was taken: %v", err)
	}
	third.remove()
	if _, err := os.Stat(third.path); !os.IsNotExist(err) {
		t.Errorf("it is left: %v", err)
	}
}
