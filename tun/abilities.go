package tun

import (
	"errors"

	"golang.org/x/sys/unix"
)

// Names of offloads.
const (
	offloadChecksum = "checksum"
	offloadTSO      = "tso"
	offloadUSO      = "uso"
	offloadJoinTCP  = "join-tcp"
	offloadJoinUDP  = "join-udp"
)

// abilities are the offloads of a device. nil: it is used. ErrNotSupported: the kernel cannot. Other errors: it is not used,
// for that reason; among these are probes that failed.
type abilities struct {
	tso     error // superpackets of TCP are read
	uso     error // superpackets of UDP are read
	joinTCP error // superpackets of TCP are written
	joinUDP error
}

// none are the abilities of a device that uses nothing.
func none(reason error) abilities {
	return abilities{tso: reason, uso: reason, joinTCP: reason, joinUDP: reason}
}

// flags are those for TUNSETOFFLOAD.
func (a abilities) flags() int {
	flags := unix.TUN_F_CSUM
	if a.tso == nil {
		flags |= tcpOffloads
	}
	if a.uso == nil {
		flags |= udpOffloads
	}
	return flags
}

// list says, for people, what became of each.
func (a abilities) list() []Offload {
	return []Offload{
		offload(offloadChecksum, nil),
		offload(offloadTSO, a.tso),
		offload(offloadUSO, a.uso),
		offload(offloadJoinTCP, a.joinTCP),
		offload(offloadJoinUDP, a.joinUDP),
	}
}

// offload turns the outcome of a probe into words. A probe that could not run says so.
func offload(name string, err error) Offload {
	switch {
	case err == nil:
		return Offload{Name: name, State: OffloadOn}
	case errors.Is(err, ErrNotSupported):
		return Offload{Name: name, State: OffloadUnavailable, Reason: err.Error()}
	}
	return Offload{Name: name, State: OffloadOff, Reason: err.Error()}
}
