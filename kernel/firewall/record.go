package firewall

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"

	"github.com/weftnet/weft/atomicfile"
)

// record is the file in which Forwarding remembers what it has changed, so that another process can put it back. It belongs
// into a directory that a reboot empties, as it does the switches.
type record struct {
	path    string   // "" before it is read
	entries []entry  // in the order in which they were changed
	beside  []string // what users gave before the first change
}

// entry is a sysctl that was changed.
type entry struct {
	Name  string `json:"name"` // path below /proc/sys
	Was   string `json:"was"`
	Set   string `json:"set"`
	Reset bool   `json:"reset,omitempty"` // Set is what the kernel gives it when the switch of its family is turned off
}

func (e entry) ipv4() bool { return strings.HasPrefix(e.Name, "net/ipv4/") }

// recordVersion is that of the file's format.
const recordVersion = 1

type recordFile struct {
	Version int      `json:"version"`
	Changed []entry  `json:"changed"`
	Beside  []string `json:"beside,omitempty"` // who appeared to forward before; an older weft did not look
}

// load reads the file at path, once. A damaged one, or one of a newer version, is an error that names it: what it remembers must not be
// forgotten.
func (r *record) load(path string) error {
	if r.path == path {
		return nil
	}
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		r.path, r.entries, r.beside = path, nil, nil
		return nil
	}
	if err != nil {
		return fmt.Errorf("firewall: read what sysctls were: %w", err)
	}
	var file recordFile
	if err := json.Unmarshal(data, &file); err != nil {
		return fmt.Errorf("firewall: %s is damaged (%w): delete it, and weft takes the sysctls as they are now for your own", path, err)
	}
	if file.Version > recordVersion {
		return fmt.Errorf("firewall: %s is of version %d, this weft knows %d: run the newer weft", path, file.Version, recordVersion)
	}
	r.path, r.entries, r.beside = path, file.Changed, file.Beside
	return nil
}

// restore writes the file again when somebody has deleted it: another process is to find what it remembers.
func (r *record) restore() error {
	if len(r.entries) == 0 {
		return nil
	}
	if _, err := os.Stat(r.path); !errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return r.store(r.entries)
}

// unwanted lists, for each family that is not wanted, what to put back: the switch first, then what was written down before it.
func (r *record) unwanted(want Switches) (ipv4, ipv6 []entry) {
	for _, e := range slices.Backward(r.entries) {
		switch {
		case e.ipv4() && !want.IPv4:
			ipv4 = append(ipv4, e)
		case !e.ipv4() && !want.IPv6:
			ipv6 = append(ipv6, e)
		}
	}
	return ipv4, ipv6
}

func (r *record) has(name string) bool {
	return slices.ContainsFunc(r.entries, func(e entry) bool { return e.Name == name })
}

// add remembers a change before it is made. Of two changes of one sysctl the first counts.
func (r *record) add(e entry) error {
	if r.has(e.Name) {
		return nil
	}
	return r.store(append(slices.Clone(r.entries), e))
}

// remove forgets a sysctl.
func (r *record) remove(name string) error {
	return r.store(slices.DeleteFunc(slices.Clone(r.entries), func(e entry) bool { return e.Name == name }))
}

// store writes the file, or removes it when there is nothing to remember. After an error all is as before.
func (r *record) store(entries []entry) error {
	if len(entries) == 0 {
		if err := os.Remove(r.path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("firewall: forget what sysctls were: %w", err)
		}
		r.entries = nil
		return nil
	}
	data, err := json.Marshal(recordFile{recordVersion, entries, r.beside})
	if err == nil {
		err = atomicfile.Write(r.path, append(data, '\n'), 0o600)
	}
	if err != nil {
		return fmt.Errorf("firewall: remember what sysctls were, before changing them: %w", err)
	}
	r.entries = entries
	return nil
}
