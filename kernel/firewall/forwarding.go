package firewall

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/weftnet/weft/kernel"
)

// Switches says which packets the kernel shall forward. A family that is not wanted is left as it was, and put back if
// Forwarding has changed it.
type Switches struct {
	IPv4, IPv6 bool
	Device     string // weft's device, which is no uplink
	Record     string // file in which Forwarding writes down what it changes; its directory must exist
}

// Switches that Forwarding turns on, as paths below /proc/sys.
const (
	forward4 = "net/ipv4/ip_forward"
	forward6 = "net/ipv6/conf/all/forwarding"
)

// Values of accept_ra (Documentation/networking/ip-sysctl.rst): 1 accepts router advertisements unless the interface
// forwards, 2 also if it does.
const (
	acceptUnlessForwarding = "1"
	acceptAlways           = "2"
)

// Forwarding keeps the kernel's switches for forwarding in the network namespace of the thread that calls it. Before it turns
// one on it writes down how it was, in a file that goes with the last switch that it puts back.
type Forwarding struct {
	log    *slog.Logger
	record record
	tended []string // the interfaces that were there when uplinks were last looked for
}

// NewForwarding makes a keeper of switches. A nil logger is silent.
func NewForwarding(logger *slog.Logger) *Forwarding {
	if logger == nil {
		logger = slog.New(slog.DiscardHandler)
	}
	return &Forwarding{log: logger}
}

// Set turns forwarding on for the families of want, and puts back what an earlier Set did for others. Where IPv6 forwarding
// was off, uplinks that take router advertisements go on doing so (accept_ra 2). It is idempotent; when all is as wanted it
// reads one small file for each family.
//
// Errors. A *SysctlError: the kernel does not let a switch be written; the other family is in place all the same.
func (f *Forwarding) Set(want Switches) (kernel.Changes, error) {
	if err := f.record.load(want.Record); err != nil {
		return nil, err
	}
	var run switching
	run.record, run.log = &f.record, f.log
	if want.IPv4 {
		run.turn(forward4, "1")
	}
	if want.IPv6 && exists(forward6) {
		f.tendUplinks(&run, want.Device)
		run.turn(forward6, "1")
	}
	for _, e := range slices.Backward(slices.Clone(f.record.entries)) {
		if ipv4 := e.Name == forward4; ipv4 && !want.IPv4 || !ipv4 && !want.IPv6 {
			run.putBack(e)
		}
	}
	return run.changes, run.faults.err()
}

// Undo puts back everything that a Set with this record has changed and nobody has changed since.
func (f *Forwarding) Undo(record string) error {
	_, err := f.Set(Switches{Record: record})
	return err
}

// tendUplinks lets the uplinks take router advertisements although the host is about to forward, or does so by our doing. It
// looks for uplinks whenever there are other interfaces than before.
func (f *Forwarding) tendUplinks(run *switching, device string) {
	now, err := read(forward6)
	if err != nil || now != "0" && !f.record.has(forward6) {
		return // somebody else has turned it on, and knows what becomes of the uplinks
	}
	names, err := interfaces()
	if err != nil || now != "0" && slices.Equal(names, f.tended) {
		return
	}
	list, err := uplinks(device)
	if err != nil {
		run.faults.add(err)
		return
	}
	f.tended = names
	for _, name := range list {
		path := "net/ipv6/conf/" + name + "/accept_ra"
		if value, err := read(path); err == nil && value == acceptUnlessForwarding {
			run.turn(path, acceptAlways)
		}
	}
}

// interfaces are the names of the interfaces with IPv6, in a fixed order.
func interfaces() ([]string, error) {
	list, err := os.ReadDir("/proc/sys/net/ipv6/conf")
	if err != nil {
		return nil, fmt.Errorf("firewall: list interfaces: %w", err)
	}
	names := make([]string, len(list))
	for i, e := range list {
		names[i] = e.Name()
	}
	return names, nil
}

// switching is one run of Forwarding.Set.
type switching struct {
	record  *record
	log     *slog.Logger
	changes kernel.Changes
	faults  faults
}

// turn gives a sysctl a value, and writes down the one that it had.
func (s *switching) turn(path, value string) {
	now, err := read(path)
	if err != nil {
		s.faults.add(err)
		return
	}
	if now == value {
		return
	}
	if err := s.record.add(entry{Name: path, Was: now, Set: value}); err != nil {
		s.faults.add(err)
		return
	}
	s.write(path, now, value)
}

// putBack gives a sysctl the value that it had, if it still has the one that we gave it, and forgets it.
func (s *switching) putBack(e entry) {
	now, err := read(e.Name)
	if err == nil && now == e.Set && now != e.Was && !s.write(e.Name, now, e.Was) {
		return
	}
	s.faults.add(s.record.remove(e.Name))
}

func (s *switching) write(path, now, value string) bool {
	if err := os.WriteFile(filepath.Join("/proc/sys", path), []byte(value), 0); err != nil {
		s.faults.add(&SysctlError{Name: dotted(path), Value: now, Wanted: value, Err: reason(err)})
		return false
	}
	what := fmt.Sprintf("%s = %s (was %s)", dotted(path), value, now)
	s.changes = append(s.changes, kernel.Change{Op: kernel.Changed, Kind: KindSysctl, What: what})
	s.log.Debug("kernel.firewall.changed", "op", kernel.Changed, "kind", KindSysctl, "what", what)
	return true
}

// reason is the errno behind an error of package os, for people.
func reason(err error) error {
	if path := new(fs.PathError); errors.As(err, &path) {
		return path.Err
	}
	return err
}

// read is the value of a sysctl, without blanks around it.
func read(path string) (string, error) {
	text, err := os.ReadFile(filepath.Join("/proc/sys", path))
	if err != nil {
		return "", fmt.Errorf("firewall: read %s: %w", dotted(path), reason(err))
	}
	return strings.TrimSpace(string(text)), nil
}

func exists(path string) bool {
	_, err := os.Stat(filepath.Join("/proc/sys", path))
	return err == nil
}

// dotted is a sysctl as people write it. A dot in the name of an interface becomes a slash, as sysctl(8) has it.
func dotted(path string) string {
	return strings.Map(func(r rune) rune {
		switch r {
		case '/':
			return '.'
		case '.':
			return '/'
		}
		return r
	}, path)
}

// SysctlError says that a switch cannot be changed.
type SysctlError struct {
	Name   string // net.ipv4.ip_forward
	Value  string // that it has
	Wanted string
	Err    error
}

// Error implements error. In a sandbox /proc/sys is read-only; whoever sets up the host can still set it.
func (e *SysctlError) Error() string {
	text := fmt.Sprintf("firewall: %s is %s and cannot be set: %v", e.Name, e.Value, e.Err)
	if errors.Is(e.Err, unix.EROFS) || errors.Is(e.Err, unix.EACCES) || errors.Is(e.Err, unix.EPERM) {
		text += fmt.Sprintf(": echo '%s = %s' >>/etc/sysctl.d/90-weft.conf && sysctl --system", e.Name, e.Wanted)
	}
	return text
}

// Unwrap returns the errno.
func (e *SysctlError) Unwrap() error { return e.Err }
