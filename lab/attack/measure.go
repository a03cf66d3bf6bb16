package attack

import (
	"fmt"
	"os"
	"strconv"
	"strings"
)

// Place is a host or a pod of a lab.
type Place interface {
	Do(fn func() error) error
}

// Delivered is how many packets have come out of a device of the host, which is the inner side of weft's: the kernel counts those
// as received that a daemon writes to it (proc_net_dev of proc(5)). A superpacket counts as one.
func Delivered(host Place, device string) (packets uint64, err error) {
	text, err := readNet(host, "dev")
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(text) {
		name, counts, ok := strings.Cut(line, ":")
		if fields := strings.Fields(counts); ok && strings.TrimSpace(name) == device && len(fields) > 1 {
			return strconv.ParseUint(fields[1], 10, 64)
		}
	}
	return 0, fmt.Errorf("attack: there is no device %s", device)
}

// Backlog is how much waits in the fullest of the UDP sockets that are bound to a port of the host, in bytes of the kernel's
// memory, and how many datagrams all of them have dropped because they were full.
func Backlog(host Place, port uint16) (waiting, dropped uint64, err error) {
	for _, file := range []string{"udp", "udp6"} {
		text, err := readNet(host, file)
		if err != nil {
			return 0, 0, err
		}
		for line := range strings.Lines(text) {
			s, err := parseSocket(line, port)
			if err != nil {
				return 0, 0, err
			}
			waiting, dropped = max(waiting, s.waiting), dropped+s.dropped
		}
	}
	return waiting, dropped, nil
}

type udpSocket struct{ waiting, dropped uint64 }

// parseSocket reads a line of /proc/net/udp (proc(5)): the fields are number, local address, remote address, state, queues and so
// on, and last the drops. Lines of other ports give nothing.
func parseSocket(line string, port uint16) (s udpSocket, err error) {
	fields := strings.Fields(line)
	if len(fields) < 13 || !strings.HasSuffix(fields[1], fmt.Sprintf(":%04X", port)) {
		return s, nil
	}
	_, queue, _ := strings.Cut(fields[4], ":")
	if s.waiting, err = strconv.ParseUint(queue, 16, 64); err != nil {
		return s, fmt.Errorf("attack: read the queue of a socket: %w", err)
	}
	if s.dropped, err = strconv.ParseUint(fields[12], 10, 64); err != nil {
		return s, fmt.Errorf("attack: read the drops of a socket: %w", err)
	}
	return s, nil
}

// IPCounter is a counter of the host's IP layer: one of /proc/net/snmp6, such as Ip6InHdrErrors.
func IPCounter(host Place, name string) (uint64, error) {
	text, err := readNet(host, "snmp6")
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(text) {
		if fields := strings.Fields(line); len(fields) == 2 && fields[0] == name {
			return strconv.ParseUint(fields[1], 10, 64)
		}
	}
	return 0, fmt.Errorf("attack: the kernel has no counter %s", name)
}

// readNet reads a file of /proc/net as the host sees it.
func readNet(host Place, name string) (text string, err error) {
	err = host.Do(func() error {
		raw, err := os.ReadFile("/proc/thread-self/net/" + name)
		text = string(raw)
		return err
	})
	if err != nil {
		return "", fmt.Errorf("attack: %w", err)
	}
	return text, nil
}
