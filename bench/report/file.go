package report

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"unicode/utf8"

	"github.com/google/renameio/v2"
)

// FileName is the report within its folder.
const FileName = "report.json"

// maxFile bounds what Read takes, in bytes: a full report of 100 rounds has about a fifth of it.
const maxFile = 64 << 20

// ErrDamaged marks a file that is no report, of another schema, or not whole.
var ErrDamaged = errors.New("not a report that can be read")

// Read reads a report from a file, or from FileName in a folder. A file that is not a report, or of another schema, or
// damaged, is refused in one line that says what is wrong with it (ErrDamaged).
func Read(path string) (*Report, error) {
	if info, err := os.Stat(path); err == nil && info.IsDir() {
		path = filepath.Join(path, FileName)
	}
	text, err := readFile(path)
	if err != nil {
		return nil, fmt.Errorf("report: read %s: %w", path, err)
	}
	r, err := Decode(text)
	if err != nil {
		return nil, fmt.Errorf("report: read %s: %w", path, err)
	}
	return r, nil
}

// readFile reads a regular file of bounded size.
func readFile(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, cause(err)
	}
	defer f.Close()
	if info, err := f.Stat(); err == nil && !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%w: not a regular file", ErrDamaged)
	}
	text, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err != nil {
		return nil, cause(err)
	}
	if len(text) > maxFile {
		return nil, fmt.Errorf("%w: more than %d MiB", ErrDamaged, maxFile>>20)
	}
	return text, nil
}

// cause is the error without the operation and the path, which the caller says.
func cause(err error) error {
	var p *os.PathError
	if errors.As(err, &p) {
		return p.Err
	}
	return err
}

// Decode reads the JSON of a report. Fields that it does not know are ignored. Errors are ErrDamaged, one line.
func Decode(text []byte) (*Report, error) {
	var head struct {
		Schema string `json:"schema"`
	}
	if err := json.Unmarshal(text, &head); err != nil {
		return nil, fmt.Errorf("%w: %s", ErrDamaged, oneLine(err))
	}
	if head.Schema != Schema {
		return nil, fmt.Errorf("%w: schema %.40q, this weft reads %q", ErrDamaged, head.Schema, Schema)
	}
	r := new(Report)
	if err := json.Unmarshal(text, r); err != nil {
		return nil, fmt.Errorf("%w: %s", ErrDamaged, oneLine(err))
	}
	if err := Validate(r); err != nil {
		return nil, fmt.Errorf("%w: %s", ErrDamaged, oneLine(err))
	}
	return r, nil
}

// oneLine is the error's first line, bounded, and how many there are besides.
func oneLine(err error) string {
	first, rest, more := strings.Cut(err.Error(), "\n")
	const most = 300
	if len(first) > most {
		cut := most
		for !utf8.RuneStart(first[cut]) {
			cut--
		}
		first = first[:cut] + "..."
	}
	if more {
		return fmt.Sprintf("%s (and %d more)", first, strings.Count(rest, "\n")+1)
	}
	return first
}

// Encode is the JSON of a report, indented, with a newline at the end. It fails when a figure is not finite.
func Encode(r *Report) ([]byte, error) {
	text, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("report: encode: %w", err)
	}
	return append(text, '\n'), nil
}

// Write makes FileName in the folder dir, which it creates when there is none. The file is complete or not there.
func Write(dir string, r *Report) error {
	text, err := Encode(r)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("report: write: %w", err)
	}
	if err := renameio.WriteFile(filepath.Join(dir, FileName), text, 0o644); err != nil {
		return fmt.Errorf("report: write: %w", err)
	}
	return nil
}
