package between

import (
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"testing"
)

func TestAReportIsReadAsItWasWritten(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "new", "folder")
	r := sample()
	r.Ended = r.Started
	if err := Write(dir, r); err != nil {
		t.Fatal(err)
	}
	raw, err := os.ReadFile(filepath.Join(dir, FileName))
	if err != nil {
		t.Fatal(err)
	}
	read := new(Report)
	if err := json.Unmarshal(raw, read); err != nil || !reflect.DeepEqual(read, r) {
		t.Errorf("read is %+v, %v", read, err)
	}
}

func TestADirectoryThatCannotBeMadeIsAnError(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := Write(filepath.Join(file, "below"), sample()); err == nil {
		t.Error("a report is written below a file")
	}
}
