package doctor

import (
	"bufio"
	"fmt"
	"net/netip"
	"os"
	"strconv"
	"strings"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/weftnet/weft/node/api"
)

// Neighbours is the kernel's table of one family's link-layer addresses. All network namespaces of a machine share its places, and only the
// first one, that of the host, shows how many there are (net/core/neighbour.c): there is nothing to judge in a container.
type Neighbours struct {
	Limit     int                 // net.FAMILY.neigh.default.gc_thresh3; 0: not known
	Entries   int                 // that take a place, of all namespaces; permanent ones of this one take none
	Overflows int                 // how often a new one found no place, since the boot
	Known     map[netip.Addr]bool // of this namespace
}

// neighbourFamily is where the kernel says what there is of one family.
type neighbourFamily struct {
	check  string
	family int
	sysctl string // without its number
	stat   string // lines of counters, one for each CPU, below their names
}

var neighbourFamilies = [2]neighbourFamily{
	{"neighbours.ipv4", unix.AF_INET, "net.ipv4.neigh.default.gc_thresh", "/proc/net/stat/arp_cache"},
	{"neighbours.ipv6", unix.AF_INET6, "net.ipv6.neigh.default.gc_thresh", "/proc/net/stat/ndisc_cache"},
}

// read is without a limit where this is not the host's namespace.
func (k neighbourFamily) read() Neighbours {
	text, err := os.ReadFile("/proc/sys/" + strings.ReplaceAll(k.sysctl, ".", "/") + "3")
	if err != nil {
		return Neighbours{}
	}
	stat, err := os.ReadFile(k.stat)
	if err != nil {
		return Neighbours{}
	}
	n := Neighbours{Known: map[netip.Addr]bool{}}
	n.Limit, _ = strconv.Atoi(strings.TrimSpace(string(text)))
	n.Entries, n.Overflows = parseNeighbourStat(string(stat))
	list, _ := netlink.NeighList(0, k.family) // without it all peers count as new
	for _, entry := range list {
		if addr, ok := netip.AddrFromSlice(entry.IP); ok {
			n.Known[addr.Unmap()] = true
		}
		if entry.State&netlink.NUD_PERMANENT != 0 {
			n.Entries--
		}
	}
	return n
}

// parseNeighbourStat reads the columns entries, which is the same in all lines, and table_fulls, of which each CPU has its own; all numbers
// are hexadecimal (neigh_stat_seq_show).
func parseNeighbourStat(text string) (entries, fulls int) {
	lines := bufio.NewScanner(strings.NewReader(text))
	lines.Scan()
	names := strings.Fields(lines.Text())
	for lines.Scan() {
		for i, value := range strings.Fields(lines.Text()) {
			n, err := strconv.ParseUint(value, 16, 32)
			switch {
			case err != nil || i >= len(names):
			case names[i] == "entries":
				entries = int(n)
			case names[i] == "table_fulls":
				fulls += int(n)
			}
		}
	}
	return entries, fulls
}

// readOnLink are the prefixes whose addresses this host looks up on its links.
func readOnLink() (list []netip.Prefix) {
	addrs, _ := netlink.AddrList(nil, netlink.FAMILY_ALL) // without it no peer counts as new
	for _, a := range addrs {
		if ip, ok := netip.AddrFromSlice(a.IP); ok && !ip.IsLoopback() {
			ones, _ := a.Mask.Size()
			list = append(list, netip.PrefixFrom(ip.Unmap(), ones).Masked())
		}
	}
	return list
}

// checkNeighbours looks whether the table has a place for each peer on this host's own links. Where it has none, the kernel refuses to send
// (ENOBUFS), which the daemon counts as send-failed.
func checkNeighbours(f *Facts) []Check {
	var checks []Check
	for i, k := range neighbourFamilies {
		if n := f.Neighbours[i]; n.Limit > 0 {
			checks = append(checks, k.judge(n, f.newNeighbours(n, k.family)))
		}
	}
	return checks
}

// judge compares what there is, and what peers will add to it, with the limit.
func (k neighbourFamily) judge(n Neighbours, peers int) Check {
	have := fmt.Sprintf("%d of %d places are taken", n.Entries, n.Limit)
	if n.Entries+peers < n.Limit {
		return Check{Name: k.check, Finding: OK, Detail: have}
	}
	have += fmt.Sprintf(", and endpoints of peers on this host's links want %d more: what finds no place cannot be sent to", peers)
	if n.Overflows > 0 {
		have += fmt.Sprintf("; since the boot that happened %d times", n.Overflows)
	}
	room := n.Limit
	for room < 2*(n.Entries+peers) {
		room *= 2
	}
	command := fmt.Sprintf("sysctl -w %s3=%d %s2=%d %s1=%d", k.sysctl, room, k.sysctl, room/2, k.sysctl, room/8)
	return Check{Name: k.check, Finding: Warn, Detail: have, Remedy: command + lasting, Command: command}
}

// newNeighbours counts the addresses of peers on this host's links that have no entry.
func (f *Facts) newNeighbours(n Neighbours, family int) int {
	missing := map[netip.Addr]bool{}
	for i := range f.Peers {
		for _, addr := range underlayOf(&f.Peers[i]) {
			if addr.Is4() == (family == unix.AF_INET) && !n.Known[addr] && f.isOnLink(addr) {
				missing[addr] = true
			}
		}
	}
	return len(missing)
}

// underlayOf are the addresses at which this host calls a peer.
func underlayOf(p *api.Peer) (list []netip.Addr) {
	if at, err := netip.ParseAddrPort(p.Endpoint); err == nil { // else it is not known
		list = append(list, at.Addr().Unmap())
	}
	for _, c := range p.Candidates {
		list = append(list, c.Endpoint.Addr().Unmap())
	}
	return list
}

func (f *Facts) isOnLink(addr netip.Addr) bool {
	for _, p := range f.OnLink {
		if p.Contains(addr) {
			return true
		}
	}
	return false
}
