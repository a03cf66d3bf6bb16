package between

import (
	"net"
	"net/netip"
	"slices"

	"github.com/weftnet/weft/bench/load"
)

// station does the jobs of one run on one address.
type station interface {
	load.Far
	Close() error // ends all jobs
}

// openStation makes a station that listens on addr, or on all addresses when addr is the zero Addr. All stations of a run
// share its throttle.
func openStation(addr netip.Addr, rate *load.Throttle) station {
	return load.NewLimitedServer(load.Here{}, addr, load.ServerOptions{MaxWithin: maxWithin, MaxJobs: maxJobs, Throttle: rate})
}

// listenAddr is where a job listens that the client will reach at host: there if the address is local, so that answers to
// datagrams leave from it, or on all addresses (the zero Addr) when it is that of a NAT before this machine.
func listenAddr(host netip.Addr) netip.Addr {
	local, err := net.InterfaceAddrs()
	if err != nil {
		return netip.Addr{}
	}
	is := func(a net.Addr) bool {
		p, err := netip.ParsePrefix(a.String())
		return err == nil && (p.Addr().Unmap() == host || host.IsLoopback() && p.Contains(host))
	}
	if slices.ContainsFunc(local, is) {
		return host
	}
	return netip.Addr{}
}
