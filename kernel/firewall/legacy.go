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

// legacyTable is a filter table: its entries, and where in them its chains begin and have their policies.
type legacyTable struct {
	info    legacyInfo
	entries []byte
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
	return &legacyTable{info, buffer[40:]}, nil
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

// drops reports whether chain FORWARD drops what no rule accepts: by its policy, or by a rule that refuses everything.
func (t *legacyTable) drops(l legacy) (drops bool) {
	first, policy := int(t.info.entry[unix.NF_INET_FORWARD]), int(t.info.underflow[unix.NF_INET_FORWARD])
	t.each(l, func(at int, entry []byte) {
		if at >= first && at <= policy {
			drops = drops || l.rule(entry).refusesAll()
		}
	})
	return drops
}

// accepts reports whether some rule accepts what comes in by the device, and some what goes out by it.
func (t *legacyTable) accepts(l legacy, device string) bool {
	var in, out bool
	t.each(l, func(_ int, entry []byte) {
		if l.rule(entry).Verdict == LegacyAccept {
			in = in || bytes.Equal(entry[l.interfaces:][:interfaceName], padded(device))
			out = out || bytes.Equal(entry[l.interfaces+interfaceName:][:interfaceName], padded(device))
		}
	})
	return in && out
}
