package measure

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strconv"
	"strings"

	"github.com/weftnet/weft/lab"
)

// Counters that an Observation has, under the names that nstat gives them. A kernel that does not have one leaves it out.
const (
	CounterUDPChecksum  = "UdpInCsumErrors"
	CounterUDP6Checksum = "Udp6InCsumErrors"
	CounterTCPChecksum  = "TcpInCsumErrors"
	CounterIPChecksum   = "IpExtInCsumErrors"
	CounterFragments    = "IpFragCreates"
	CounterFragments6   = "Ip6FragCreates"
	CounterReassembly   = "IpReasmReqds"
	CounterReassembly6  = "Ip6ReasmReqds"
	CounterRetransmits  = "TcpRetransSegs"
	// CounterRouter is the number of packets that the routers in user space dropped, by their own account.
	CounterRouter = "RouterDropped"
	// CounterDrops is the number of packets that were dropped, each once, where the kernel counts one at several places; it
	// is the sum of the drops of devices (see devices.go), their queues, the sockets' buffers, and the routers.
	CounterDrops = "Drops"
)

// watched are the counters of protocols that an Observation has.
var watched = map[string]bool{
	CounterUDPChecksum: true, CounterUDP6Checksum: true, CounterTCPChecksum: true, CounterIPChecksum: true,
	CounterFragments: true, "IpFragFails": true, CounterReassembly: true, "IpReasmOKs": true, "IpReasmFails": true,
	CounterFragments6: true, "Ip6FragFails": true, CounterReassembly6: true, "Ip6ReasmOKs": true, "Ip6ReasmFails": true,
	"UdpRcvbufErrors": true, "UdpSndbufErrors": true, "UdpMemErrors": true,
	"Udp6RcvbufErrors": true, "Udp6SndbufErrors": true, "Udp6MemErrors": true,
	CounterRetransmits: true, "TcpExtListenDrops": true, "TcpExtListenOverflows": true,
}

// bufferDrops are the counters of packets that sockets had no room for.
var bufferDrops = []string{
	"UdpRcvbufErrors", "UdpSndbufErrors", "UdpMemErrors", "Udp6RcvbufErrors", "Udp6SndbufErrors", "Udp6MemErrors",
	"TcpExtListenDrops",
}

// protocolFiles are the files of a namespace with counters of protocols; without IPv6 the last is missing.
var protocolFiles = []struct {
	path  string
	parse func(text string, add func(name string, value uint64)) error
}{
	{"/proc/thread-self/net/snmp", parsePairs},
	{"/proc/thread-self/net/netstat", parsePairs},
	{"/proc/thread-self/net/snmp6", parseLines},
}

// readProtocols adds the watched counters of a namespace to sum.
func readProtocols(n *lab.Namespace, sum map[string]uint64) error {
	return n.Do(func() error {
		for _, file := range protocolFiles {
			raw, err := os.ReadFile(file.path)
			if errors.Is(err, fs.ErrNotExist) {
				continue
			}
			if err == nil {
				err = file.parse(string(raw), func(name string, value uint64) {
					if watched[name] {
						sum[name] += value
					}
				})
			}
			if err != nil {
				return fmt.Errorf("measure: counters of %s: %s: %w", n.Name(), file.path, err)
			}
		}
		return nil
	})
}

// parsePairs reads pairs of lines: "Udp: InDatagrams NoPorts" and "Udp: 5 0" make UdpInDatagrams and UdpNoPorts.
func parsePairs(text string, add func(string, uint64)) error {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	for i := 0; i+1 < len(lines); i += 2 {
		names, values := strings.Fields(lines[i]), strings.Fields(lines[i+1])
		if len(names) == 0 || len(names) != len(values) || names[0] != values[0] {
			return fmt.Errorf("lines %d and %d do not belong together", i+1, i+2)
		}
		protocol := strings.TrimSuffix(names[0], ":")
		for j := 1; j < len(names); j++ {
			value, err := strconv.ParseInt(values[j], 10, 64) // Tcp MaxConn is -1
			if err != nil {
				return fmt.Errorf("%s%s: %w", protocol, names[j], err)
			}
			add(protocol+names[j], uint64(max(value, 0)))
		}
	}
	return nil
}

// parseLines reads lines with a name and a value.
func parseLines(text string, add func(string, uint64)) error {
	for line := range strings.Lines(text) {
		fields := strings.Fields(line)
		if len(fields) != 2 {
			return fmt.Errorf("line %q: want a name and a value", strings.TrimSpace(line))
		}
		value, err := strconv.ParseUint(fields[1], 10, 64)
		if err != nil {
			return fmt.Errorf("%s: %w", fields[0], err)
		}
		add(fields[0], value)
	}
	return nil
}
