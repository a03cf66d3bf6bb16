package between

import (
	"fmt"
	"io"
	"net"
	"net/netip"
	"strconv"
	"time"
)

// What a run does unless told otherwise.
const (
	DefaultPort     = 9340
	DefaultDuration = 2 * time.Second
	DefaultRounds   = 5
)

// Bounds of a run.
const (
	minDuration = 100 * time.Millisecond
	maxDuration = time.Minute // with the time around it, it stays below maxWithin
	maxRounds   = 100
	minMTU      = 68 // of IPv4, RFC 791
	maxMTU      = 65535
)

// Options say what to measure.
type Options struct {
	Address  string        // HOST:PORT or HOST: a peer's name, overlay or underlay address, or any other host
	Socket   string        // control socket of the local daemon; empty: none is asked, and there is one path
	Duration time.Duration // of one TCP transfer, 100 ms to 1 min; default: DefaultDuration
	Rounds   int           // 1 to 100; default: DefaultRounds
	MTU      int           // bytes, that the overlay is expected to carry; 0: whatever it does
	Out      io.Writer     // a line for every round; default: none
}

// withDefaults fills in what is not given and checks the rest.
func (o Options) withDefaults() (Options, error) {
	if o.Duration == 0 {
		o.Duration = DefaultDuration
	}
	if o.Rounds == 0 {
		o.Rounds = DefaultRounds
	}
	if o.Out == nil {
		o.Out = io.Discard
	}
	switch {
	case o.Duration < minDuration || o.Duration > maxDuration:
		return o, fmt.Errorf("%w: transfers of %s: want %s to %s", ErrUsage, o.Duration, minDuration, maxDuration)
	case o.Rounds < 1 || o.Rounds > maxRounds:
		return o, fmt.Errorf("%w: %d rounds: want 1 to %d", ErrUsage, o.Rounds, maxRounds)
	case o.MTU != 0 && (o.MTU < minMTU || o.MTU > maxMTU):
		return o, fmt.Errorf("%w: MTU %d: want %d to %d", ErrUsage, o.MTU, minMTU, maxMTU)
	}
	_, _, err := splitAddress(o.Address)
	return o, err
}

// splitAddress takes "vm-2:9340", "vm-2", "10.90.2.1:9340", "fd00::1" and "[fd00::1]:9340".
func splitAddress(address string) (host string, port uint16, err error) {
	if _, err := netip.ParseAddr(address); err == nil {
		return address, DefaultPort, nil
	}
	host, digits, err := net.SplitHostPort(address)
	if err != nil {
		host, digits, err = net.SplitHostPort(address + ":" + strconv.Itoa(DefaultPort))
	}
	number, notNumber := strconv.ParseUint(digits, 10, 16)
	if err != nil || notNumber != nil || host == "" || number == 0 {
		return "", 0, fmt.Errorf("%w: %q: want HOST:PORT, as in vm-2:%d", ErrUsage, address, DefaultPort)
	}
	return host, uint16(number), nil
}
