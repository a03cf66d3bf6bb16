package firewall

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
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
	tended map[int]bool // uplinks that were seen to, by the index of the interface
	kept   string       // what was last said of switches that stay on
	find   func(device string) ([]uplink, error)
}

// NewForwarding makes a keeper of switches. A nil logger is silent.
func NewForwarding(logger *slog.Logger) *Forwarding {
	if logger == nil {
		logger = slog.New(slog.DiscardHandler)
	}
	return &Forwarding{log: logger, find: uplinks}
}

// Set turns forwarding on for the families of want, and puts back what an earlier Set did for others. Where IPv6 forwarding
// was off, uplinks that take router advertisements go on doing so (accept_ra 2); where that cannot be seen to, it stays off.
// What the kernel resets together with a switch is put back with it.
// A switch that somebody else on this host appears to need stays on, and is logged once (kernel.firewall.kept); the record
// keeps it for a later Set. Set is idempotent; when all is as wanted it reads a few small files, and lists the interfaces if
// it has turned IPv6 forwarding on.
//
// Errors. A *SysctlError: the kernel does not let a switch be written; the other family is in place all the same.
func (f *Forwarding) Set(want Switches) (kernel.Changes, error) {
	if err := f.record.load(want.Record); err != nil {
		return nil, err
	}
	var run switching
	run.record, run.log, run.device = &f.record, f.log, want.Device
	run.faults.add(f.record.restore())
	if want.IPv4 {
		run.turn(forward4, "1")
	}
	if want.IPv6 && exists(forward6) {
		f.forward6(&run, want.Device)
	}
	f.putBack(&run, want)
	return run.changes, run.faults.err()
}

// putBack puts back what is recorded of families that are not wanted.
func (f *Forwarding) putBack(run *switching, want Switches) {
	four, six := f.record.unwanted(want)
	if len(four)+len(six) == 0 {
		f.kept = ""
		return
	}
	if user := f.record.newUser(want.Device); user != "" {
		f.keep(append(six, four...), user)
		return
	}
	run.putBack(six)
	run.putBack(four)
}

// keep says, when that is news, that switches stay as they are, and who needs them.
func (f *Forwarding) keep(list []entry, user string) {
	var names []string
	for _, e := range list {
		if !e.Reset {
			names = append(names, dotted(e.Name))
		}
	}
	if said := strings.Join(names, ",") + user; said != f.kept {
		f.log.Warn("kernel.firewall.kept", "sysctls", strings.Join(names, ","), "needed_by", user)
		f.kept = said
	}
}

// Undo puts back everything that a Set for this device and with this record has changed, and that nobody has changed since
// or appears to need.
func (f *Forwarding) Undo(device, record string) error {
	_, err := f.Set(Switches{Device: device, Record: record})
	return err
}

// forward6 turns IPv6 forwarding on, if the uplinks can be seen to.
func (f *Forwarding) forward6(run *switching, device string) {
	now, err := read(forward6)
	if err != nil {
		run.faults.add(err)
		return
	}
	if now == "0" || f.record.has(forward6) { // else somebody else has turned it on, and knows what becomes of the uplinks
		if err := f.tendUplinks(run, device, now == "0"); err != nil {
			run.faults.add(err)
			return
		}
	}
	run.turn(forward6, "1")
}

// tendUplinks lets the uplinks take router advertisements although the host is about to forward, or does so by our doing.
// Each is seen to once; all again with anew. An interface that becomes an uplink later, or is made again under its old name,
// is a new one. After an error some may have been left out.
func (f *Forwarding) tendUplinks(run *switching, device string, anew bool) error {
	list, err := f.find(device)
	if err != nil {
		return err
	}
	tended := map[int]bool{}
	var refused faults
	for _, u := range list {
		if anew || !f.tended[u.index] {
			refused.add(run.acceptAlways(u.name))
		}
		tended[u.index] = true
	}
	if len(refused) == 0 {
		f.tended = tended
	}
	return refused.err()
}

// switching is one run of Forwarding.Set.
type switching struct {
	record  *record
	log     *slog.Logger
	device  string
	changes kernel.Changes
	faults  faults
}

// turn turns a switch on, and writes down the value that it had, and what goes with it.
func (s *switching) turn(path, value string) {
	now, err := read(path)
	if err == nil && now != value {
		err = s.rememberResets(path)
	}
	if err == nil && now != value {
		err = s.change(path, now, value)
	}
	s.faults.add(err)
}

// acceptAlways lets an interface that takes router advertisements go on doing so when it forwards. One that is gone
// meanwhile needs nothing.
func (s *switching) acceptAlways(name string) error {
	path := "net/ipv6/conf/" + name + "/accept_ra"
	now, err := read(path)
	if err != nil || now != acceptUnlessForwarding {
		return nil
	}
	return s.change(path, now, acceptAlways)
}

func (s *switching) change(path, now, value string) error {
	if err := s.remember(entry{Name: path, Was: now, Set: value}); err != nil {
		return err
	}
	return s.write(path, now, value)
}

// remember writes down a change before it is made.
func (s *switching) remember(e entry) error {
	if len(s.record.entries) == 0 {
		s.record.beside = users(s.device)
	}
	return s.record.add(e)
}

// putBack gives each sysctl of a family the value that it had, if it still has the one that it got by us, and forgets it. What
// comes after a switch in list goes with it, and stays if the switch does.
func (s *switching) putBack(list []entry) {
	for _, e := range list {
		now, err := read(e.Name)
		if err == nil && now == e.Set && now != e.Was {
			if err := s.write(e.Name, now, e.Was); err != nil {
				s.faults.add(err)
				return
			}
		}
		s.faults.add(s.record.remove(e.Name))
	}
}

func (s *switching) write(path, now, value string) error {
	if err := os.WriteFile(filepath.Join("/proc/sys", path), []byte(value), 0); err != nil {
		return &SysctlError{Name: dotted(path), Value: now, Wanted: value, Err: reason(err)}
	}
	what := fmt.Sprintf("%s = %s (was %s)", dotted(path), value, now)
	s.changes = append(s.changes, kernel.Change{Op: kernel.Changed, Kind: KindSysctl, What: what})
	s.log.Debug("kernel.firewall.changed", "op", kernel.Changed, "kind", KindSysctl, "what", what)
	return nil
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
