package install

import (
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/weftnet/weft/atomicfile"
)

// recordFile is the record's name in the state directory.
const recordFile = "cni/installed.json"

// recordVersion is that of the record's schema. A reader refuses any other.
const recordVersion = 1

// maxRecord is far more than a record has, in bytes.
const maxRecord = 64 << 10

// asideSuffix ends the names of what is kept aside. Runtimes read files that end in .conf, .conflist and .json (libcni.ConfFiles).
const asideSuffix = ".before-weft"

// record is what weft put where. It is written before anything is placed, so that it also knows what a killed process left.
type record struct {
	Version int      `json:"version"`
	Files   []placed `json:"files"`       // in the order of their placing
	Made    []string `json:"directories"` // that were not there before and go with the plugins, outer ones first
	dir     string   // where the record is
}

// placed is one file that weft put somewhere, or was about to.
type placed struct {
	Path string `json:"path"`
	Sum  string `json:"sha256"`
}

func (p placed) aside() string { return p.Path + asideSuffix }

// recordPath is where the record of a node with this state directory is.
func recordPath(stateDir string) string { return filepath.Join(stateDir, recordFile) }

// readRecord reads the record; where there is none, it is empty.
func readRecord(stateDir string) (*record, error) {
	path := recordPath(stateDir)
	data, _, err := atomicfile.Read(path, maxRecord)
	if errors.Is(err, fs.ErrNotExist) {
		return &record{Version: recordVersion, dir: stateDir}, nil
	}
	if err != nil {
		return nil, fmt.Errorf("install: read %w", err)
	}
	r, err := decodeRecord(data)
	if err != nil {
		return nil, fmt.Errorf("install: %s is damaged: %w (remove it: then what weft has installed counts as foreign, and is kept aside)", path, err)
	}
	r.dir = stateDir
	return r, nil
}

func decodeRecord(data []byte) (*record, error) {
	r := new(record)
	if err := json.Unmarshal(data, r); err != nil {
		return nil, err
	}
	if r.Version != recordVersion {
		return nil, fmt.Errorf("version %d, and this build knows %d", r.Version, recordVersion)
	}
	for _, f := range r.Files {
		if sum, err := hex.DecodeString(f.Sum); err != nil || len(sum) != 32 {
			return nil, fmt.Errorf("%q is no SHA-256", f.Sum)
		}
		if !clean(f.Path) {
			return nil, fmt.Errorf("%q is no absolute path", f.Path)
		}
	}
	for _, d := range r.Made {
		if !clean(d) {
			return nil, fmt.Errorf("%q is no absolute path", d)
		}
	}
	return r, nil
}

func clean(path string) bool {
	return filepath.IsAbs(path) && filepath.Clean(path) == path && !strings.ContainsRune(path, 0)
}

func (r *record) encode() []byte {
	text, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		panic(err) // of strings
	}
	return append(text, '\n')
}

// write replaces the record's file, or removes it where nothing is in it.
func (r *record) write() error {
	path := recordPath(r.dir)
	if len(r.Files) == 0 && len(r.Made) == 0 {
		if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("install: %w", err)
		}
		return nil
	}
	if err := atomicfile.Write(path, r.encode(), 0o600); err != nil {
		return fmt.Errorf("install: %w", err)
	}
	return syncDirectory(filepath.Dir(path))
}

// Installed says where weft is installed on a node with this state directory. ok is false where it is not, or where the record cannot be
// read.
func Installed(stateDir string) (d Directories, ok bool) {
	r, err := readRecord(stateDir)
	if err != nil || len(r.Files) == 0 {
		return d, false
	}
	first, last := r.Files[0], r.Files[len(r.Files)-1]
	return Directories{Bin: filepath.Dir(first.Path), Conf: filepath.Dir(last.Path), Why: "so says " + recordPath(stateDir)}, true
}

// sum is what weft put at a path; "": nothing.
func (r *record) sum(path string) string {
	for _, f := range r.Files {
		if f.Path == path {
			return f.Sum
		}
	}
	return ""
}
