package between

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"strconv"
	"time"
)

// DefaultListen is where a server listens unless told otherwise: on all addresses, since those of the overlay come and go with
// the daemon. Whoever may not measure is reset as soon as he is connected, before a byte is read.
const DefaultListen = ":9340"

// Limits of a server.
const (
	DefaultMaxTime = 10 * time.Minute // of a run
	minMaxTime     = time.Second
	maxMaxTime     = 24 * time.Hour
	maxWithin      = 2 * time.Minute // of one job
	maxJobs        = 8               // of a run, at once: a measure needs three at most
	minRate        = 1_000_000       // bit/s; with less, the handshakes of the traffic itself do not fit
)

// ErrUsage marks options that cannot be.
var ErrUsage = errors.New("between")

// ServeOptions say who may measure, and how much.
type ServeOptions struct {
	Listen  string         // HOST:PORT of the control connection, HOST an address or empty; default: DefaultListen
	Allow   []netip.Prefix // who may measure besides overlay peers: their own addresses, not the subnets behind them
	Socket  string         // control socket of the daemon that knows the peers; empty: only Allow
	MaxTime time.Duration  // of one client's run, 1 s to 24 h; default: DefaultMaxTime
	MaxRate uint64         // bit/s of a run in either direction, 1 000 000 or more; 0: unlimited
	Out     io.Writer      // a line for everything that happens; default: none
}

// withDefaults fills in what is not given and checks the rest.
func (o ServeOptions) withDefaults() (ServeOptions, error) {
	if o.Listen == "" {
		o.Listen = DefaultListen
	}
	if o.MaxTime == 0 {
		o.MaxTime = DefaultMaxTime
	}
	if o.Out == nil {
		o.Out = io.Discard
	}
	return o, o.check()
}

func (o ServeOptions) check() error {
	if err := checkListen(o.Listen); err != nil {
		return err
	}
	switch {
	case o.MaxTime < minMaxTime || o.MaxTime > maxMaxTime:
		return fmt.Errorf("%w: a run of at most %s: want %s to %s", ErrUsage, o.MaxTime, minMaxTime, maxMaxTime)
	case o.MaxRate != 0 && o.MaxRate < minRate:
		return fmt.Errorf("%w: a rate of at most %d bit/s: want %d or more", ErrUsage, o.MaxRate, minRate)
	case o.Socket == "" && len(o.Allow) == 0:
		return fmt.Errorf("%w: nobody may measure: name the daemon's socket, or allow a prefix", ErrUsage)
	}
	for _, p := range o.Allow {
		if !p.IsValid() {
			return fmt.Errorf("%w: allow: not a prefix", ErrUsage)
		}
	}
	return nil
}

// checkListen takes ":9340", "10.90.1.1:9340" and "[::1]:0".
func checkListen(listen string) error {
	host, port, err := net.SplitHostPort(listen)
	if err == nil && host != "" {
		_, err = netip.ParseAddr(host)
	}
	if err == nil {
		_, err = strconv.ParseUint(port, 10, 16)
	}
	if err != nil {
		return fmt.Errorf("%w: listen on %q: want ADDRESS:PORT or :PORT", ErrUsage, listen)
	}
	return nil
}
