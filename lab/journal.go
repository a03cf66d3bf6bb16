package lab

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// journalFile is the list of processes that a run has started, one JSON object of a proc in each line. It finds those that
// have left their namespace; the others are found by the namespace that they are in.
const journalFile = "processes"

// journal is the path of a run's list of processes.
type journal string

func journalOf(dir string) journal { return journal(filepath.Join(dir, journalFile)) }

// add appends a process that has just been started and is not reaped yet. One that has ended already is not listed.
func (j journal) add(pid int) error {
	p, ok, err := findProc(pid)
	if err != nil || !ok {
		return err
	}
	line, err := json.Marshal(p)
	if err != nil {
		return fmt.Errorf("lab: note process: %w", err)
	}
	file, err := os.OpenFile(string(j), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		return fmt.Errorf("lab: note process: %w", err)
	}
	_, err = file.Write(append(line, '\n')) // one write: lines of several goroutines do not mix
	if err := errors.Join(err, file.Close()); err != nil {
		return fmt.Errorf("lab: note process: %w", err)
	}
	return nil
}

// list reads the processes. A line that is not whole was being written when the owner was killed, and is passed over.
func (j journal) list() ([]proc, error) {
	raw, err := os.ReadFile(string(j))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("lab: list processes: %w", err)
	}
	var procs []proc
	for line := range bytes.Lines(raw) {
		var p proc
		if json.Unmarshal(line, &p) == nil && p.PID > 1 {
			procs = append(procs, p)
		}
	}
	return procs, nil
}
