package render

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"

	"github.com/google/renameio/v2"

	"github.com/weftnet/weft/bench/report"
)

// pageFile is the page that links to all other files.
const pageFile = "README.md"

// chartFiles are the names that charts may have.
var chartFiles = []string{"tcp.svg", "packets.svg", "latency.svg", "cpu.svg"}

// Files are the page and the charts for which the report has figures, by file name.
func Files(r *report.Report) map[string][]byte {
	files := map[string][]byte{pageFile: Markdown(r)}
	for _, c := range newView(r).charts() {
		files[c.file] = c.draw()
	}
	return files
}

// Write puts Files into dir, which it makes if need be. Each file is replaced as a whole, the page last, so that it never links
// to what is not there; charts of an earlier report that this one has not are removed after it.
func Write(dir string, r *report.Report) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("render: make the folder of the report: %w", err)
	}
	files := Files(r)
	for _, name := range append(slices.DeleteFunc(slices.Sorted(maps.Keys(files)), isPage), pageFile) {
		if err := renameio.WriteFile(filepath.Join(dir, name), files[name], 0o644); err != nil {
			return fmt.Errorf("render: write %s: %w", filepath.Join(dir, name), err)
		}
	}
	for _, name := range chartFiles {
		if files[name] != nil {
			continue
		}
		if err := os.Remove(filepath.Join(dir, name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("render: remove a chart of an earlier report: %w", err)
		}
	}
	return nil
}

func isPage(name string) bool { return name == pageFile }
