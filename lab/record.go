package lab

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/google/renameio/v2"
)

const (
	recordFile    = "run.json"
	recordVersion = 1
)

// record is what a run's directory says about its owner. It is written before anything else is made.
type record struct {
	Version      int    `json:"version"`
	Owner        proc   `json:"owner"`
	Boot         string `json:"boot"`          // /proc/sys/kernel/random/boot_id: start times count from a boot
	PIDNamespace string `json:"pid_namespace"` // link target of /proc/self/ns/pid: pids mean nothing in another one
	Kept         bool   `json:"kept"`          // the owner left it standing on purpose: Sweep passes by, Remove takes it
}

// newRecord is the record of a run that this process owns.
func newRecord() (record, error) {
	owner, ok, err := findProc(os.Getpid())
	if err != nil {
		return record{}, err
	}
	if !ok {
		return record{}, errors.New("lab: /proc does not show this process: is /proc mounted?")
	}
	boot, space, err := readBoot()
	if err != nil {
		return record{}, err
	}
	return record{Version: recordVersion, Owner: owner, Boot: boot, PIDNamespace: space}, nil
}

// readBoot reads what tells start times and pids apart from those of another boot or container.
func readBoot() (boot, pidNamespace string, err error) {
	raw, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return "", "", fmt.Errorf("lab: read boot id: %w", err)
	}
	space, err := os.Readlink("/proc/self/ns/pid")
	if err != nil {
		return "", "", fmt.Errorf("lab: read pid namespace: %w", err)
	}
	return strings.TrimSpace(string(raw)), space, nil
}

// dead reports whether the owner has ended. An owner in another pid namespace cannot be judged from here and counts as alive.
func (r record) dead() (bool, error) {
	boot, space, err := readBoot()
	if err != nil {
		return false, err
	}
	if r.Boot != boot {
		return true, nil
	}
	return r.PIDNamespace == space && !r.Owner.alive(), nil
}

// write puts the record into a run's directory, whole or not at all.
func (r record) write(dir string) error {
	raw, err := json.Marshal(r)
	if err == nil {
		err = renameio.WriteFile(filepath.Join(dir, recordFile), append(raw, '\n'), 0o644)
	}
	if err != nil {
		return fmt.Errorf("lab: write record: %w", err)
	}
	return nil
}

// readRecord reads the record of a run's directory. found is false when there is none: its maker was killed first.
func readRecord(dir string) (r record, found bool, err error) {
	path := filepath.Join(dir, recordFile)
	raw, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return record{}, false, nil
	}
	if err == nil {
		err = json.Unmarshal(raw, &r)
	}
	if err != nil {
		return record{}, false, fmt.Errorf("lab: read %s: %w; remove the run by its id if nothing uses it", path, err)
	}
	if r.Version > recordVersion {
		return record{}, false, fmt.Errorf("lab: %s has version %d, this program knows %d: the run is left to a newer one",
			path, r.Version, recordVersion)
	}
	return r, true, nil
}
