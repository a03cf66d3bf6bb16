package mesh

import (
	"log/slog"
	"os"
	"path/filepath"
	"testing"
)

func TestAStateFileThatCannotBeWrittenIsSaidAndWrittenLater(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "state") // not there yet
	f := newStateFiles(dir, slog.New(slog.DiscardHandler))
	f.save("claim", []byte("old"))
	f.flush()
	if f.problem.Load() == nil {
		t.Fatal("no problem is said")
	}
	f.save("claim", []byte("new"))
	f.flush()
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	f.flush()
	if got, err := os.ReadFile(filepath.Join(dir, "claim")); err != nil || string(got) != "new" {
		t.Errorf("the file holds %q, %v", got, err)
	}
	if why := f.problem.Load(); why != nil {
		t.Errorf("the problem stays: %s", *why)
	}
}
