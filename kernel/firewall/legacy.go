package firewall

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"os"
	"slices"
	"strings"
	"unsafe"

	"golang.org/x/sys/unix"
)

// LegacyError says that the filter table of an old iptables (xtables, not nf_tables) drops what the overlay forwards. Only
// iptables itself can change that table.
type LegacyError struct {
	Device string
	IPv6   bool
}

// Error implements error.
func (e *LegacyError) Error() string {
	return fmt.Sprintf("firewall: chain FORWARD of %[1]s drops what it does not know, and weft cannot change that table: "+
		"%[1]s -I FORWARD -i %[2]s -j ACCEPT && %[1]s -I FORWARD -o %[2]s -j ACCEPT", legacy{ipv4: !e.IPv6}.program(), e.Device)
}

// legacyObstacle looks whether an old iptables drops what is forwarded, unless it has rules for the device. The error is a
// *LegacyError, or nil; also when it cannot be looked at.
func legacyObstacle(want State) error {
	for _, l := range []legacy{legacy4, legacy6} {
		if !want.has(l.ipv4) || !l.loaded() {
			continue
		}
		table, err := l.read()
		if err == nil && table.drops(l) && !table.accepts(l, want.Device) {
			return &LegacyError{Device: want.Device, IPv6: !l.ipv4}
		}
	}
	return nil
}

// legacy says how the kernel keeps an old iptables of one family: struct ipt_entry of linux/netfilter_ipv4/ip_tables.h, and
// struct ip6t_entry. Offsets are in bytes from the start of an entry.
type legacy struct {
	ipv4       bool
	names      string // file with the names of the tables that exist
	domain     int
	level      int
	interfaces int // offset of the input interface; the output interface lies behind it
	target     int // offset of target_offset; next_offset lies behind it
}

var (
	legacy4 = legacy{true, "ip_tables_names", unix.AF_INET, unix.SOL_IP, 4 * 4, 84 + 4}
	legacy6 = legacy{false, "ip6_tables_names", unix.AF_INET6, unix.SOL_IPV6, 4 * 16, 136 + 4}
)

// program is the one that changes the table.
func (l legacy) program() string {
	if l.ipv4 {
		return "iptables-legacy"
	}
	return "ip6tables-legacy"
}

// Options of getsockopt, the same in both families.
const (
	soGetInfo    = 64
	soGetEntries = 65
)

// loaded reports whether there is a filter table. To ask for one that is not there would make it.
func (l legacy) loaded() bool {
	text, err := os.ReadFile("/proc/thread-self/net/" + l.names)
	return err == nil && slices.Contains(strings.Fields(string(text)), "filter")
}

// legacyTable is a filter table: its entries, and where in them the policy of chain FORWARD is.
type legacyTable struct {
	entries []byte
	policy  int
}

// legacyInfo is struct ipt_getinfo.
type legacyInfo struct {
	name       [32]byte
	validHooks uint32
	entry      [5]uint32
	underflow  [5]uint32
	number     uint32
	size       uint32
}

// maxLegacy is how large a table is read at most; that is some 100 000 rules.
const maxLegacy = 32 << 20

// read asks the kernel for the table.
func (l legacy) read() (*legacyTable, error) {
	fd, err := unix.Socket(l.domain, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	defer unix.Close(fd)
	info, err := l.infoOf(fd)
	if err != nil {
		return nil, err
	}
	if info.size > maxLegacy {
		return nil, fmt.Errorf("firewall: table of %d bytes", info.size)
	}
	// struct ipt_get_entries: the name, the size, and the entries at the next multiple of 8.
	buffer := make([]byte, 40+int(info.size))
	copy(buffer, "filter")
	binary.NativeEndian.PutUint32(buffer[32:], info.size)
	if err := getsockopt(fd, l.level, soGetEntries, unsafe.Pointer(&buffer[0]), len(buffer)); err != nil {
		return nil, err
	}
	return &legacyTable{buffer[40:], int(info.underflow[unix.NF_INET_FORWARD])}, nil
}

// info asks for the table's shape alone.
func (l legacy) info() (info legacyInfo, err error) {
	fd, err := unix.Socket(l.domain, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return info, err
	}
	defer unix.Close(fd)
	return l.infoOf(fd)
}

func (l legacy) infoOf(fd int) (info legacyInfo, err error) {
	copy(info.name[:], "filter")
	err = getsockopt(fd, l.level, soGetInfo, unsafe.Pointer(&info), int(unsafe.Sizeof(info)))
	return info, err
}

func getsockopt(fd, level, option int, value unsafe.Pointer, length int) error {
	size := uint32(length)
	_, _, errno := unix.Syscall6(unix.SYS_GETSOCKOPT, uintptr(fd), uintptr(level), uintptr(option), uintptr(value), uintptr(unsafe.Pointer(&size)), 0)
	if errno != 0 {
		return errno
	}
	return nil
}

// Verdicts of struct xt_standard_target: -NF_DROP-1, -NF_ACCEPT-1.
const (
	legacyDrop   = -1
	legacyAccept = -2
)

// drops reports whether the policy of chain FORWARD is DROP.
func (t *legacyTable) drops(l legacy) bool {
	if t.policy >= len(t.entries) {
		return false
	}
	v, ok := l.verdict(t.entries[t.policy:])
	return ok && v == legacyDrop
}

// accepts reports whether some rule accepts what comes in by the device, and some what goes out by it.
func (t *legacyTable) accepts(l legacy, device string) bool {
	var in, out bool
	for rest := t.entries; len(rest) >= l.target+4; {
		if v, ok := l.verdict(rest); ok && v == legacyAccept {
			in = in || bytes.Equal(rest[l.interfaces:][:interfaceName], padded(device))
			out = out || bytes.Equal(rest[l.interfaces+interfaceName:][:interfaceName], padded(device))
		}
		next := int(binary.NativeEndian.Uint16(rest[l.target+2:]))
		if next == 0 || next > len(rest) {
			break
		}
		rest = rest[next:]
	}
	return in && out
}

// verdict is that of an entry whose target is the standard one: struct xt_standard_target has its size, a name of 29 bytes
// that is empty then, a revision, and the verdict.
func (l legacy) verdict(entry []byte) (v int32, ok bool) {
	if len(entry) < l.target+4 {
		return 0, false
	}
	at := int(binary.NativeEndian.Uint16(entry[l.target:]))
	if len(entry) < at+36 || entry[at+2] != 0 {
		return 0, false
	}
	return int32(binary.NativeEndian.Uint32(entry[at+32:])), true
}
