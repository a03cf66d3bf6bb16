package firewall

import (
	"errors"
	"fmt"

	"github.com/google/nftables"
	"github.com/google/nftables/expr"
	"golang.org/x/sys/unix"
)

// Clamp says whether connections that are forwarded into the overlay are told the segment size that fits it.
type Clamp uint8

// The ways to ask for it.
const (
	ClampOff  Clamp = iota
	ClampAuto       // where the kernel can
	ClampOn         // and it is an error where it cannot
)

// ErrNoClamp says that the kernel cannot change the segment size of connections.
var ErrNoClamp = errors.New("firewall: this kernel cannot change the segment size of TCP connections (nft_exthdr and nft_rt, Linux 4.14): " +
	"load the modules, or set 'mss_clamp: auto'; hosts behind this one depend on ICMP")

// chainForward is the chain of our table that clamps; clampPriority is where nft(8) and iptables(8) mangle.
const (
	chainForward                         = "forward"
	clampPriority nftables.ChainPriority = -150
)

// forwardChain is that chain.
func forwardChain(t *nftables.Table) *nftables.Chain {
	hook, at, accept := *nftables.ChainHookForward, clampPriority, nftables.ChainPolicyAccept
	return &nftables.Chain{Name: chainForward, Table: t, Type: nftables.ChainTypeFilter, Hooknum: &hook, Priority: &at, Policy: &accept}
}

// clamping writes into the beginnings of connections that are forwarded into the device the segment size that the route's MTU
// leaves, if they name a larger one. Those of this host itself have it from the route.
func clamping(device string) rule {
	return rule{chainForward, "segments fit the path", all(out(device), opens(), routeSegment())}
}

// The TCP header (RFC 9293, section 3.1).
const (
	tcpFlags   = 13 // offset
	tcpSYN     = 0x02
	tcpRST     = 0x04
	optionMSS  = 2 // kind
	optionSize = 2 // offset and length of the value
)

// opens matches TCP packets with SYN and without RST: tcp flags & (syn | rst) == syn.
func opens() []expr.Any {
	return []expr.Any{
		&expr.Meta{Key: expr.MetaKeyL4PROTO, Register: register}, equals([]byte{unix.IPPROTO_TCP}),
		&expr.Payload{DestRegister: register, Base: expr.PayloadBaseTransportHeader, Offset: tcpFlags, Len: 1},
		&expr.Bitwise{SourceRegister: register, DestRegister: register, Len: 1, Mask: []byte{tcpSYN | tcpRST}, Xor: []byte{0}},
		equals([]byte{tcpSYN}),
	}
}

// routeSegment sets the MSS option to what the smaller of the routes of both directions leaves: tcp option maxseg size set rt
// mtu. The kernel never raises the option (nft_exthdr_tcp_set_eval in net/netfilter/nft_exthdr.c).
func routeSegment() []expr.Any {
	return []expr.Any{
		&expr.Rt{Register: register, Key: expr.RtTCPMSS},
		&expr.Byteorder{SourceRegister: register, DestRegister: register, Op: expr.ByteorderHton, Len: 2, Size: 2},
		&expr.Exthdr{SourceRegister: register, Type: optionMSS, Offset: optionSize, Len: optionSize, Op: expr.ExthdrOpTcpopt},
	}
}

// clamps probes whether the kernel takes the rule: it is made and taken away again in one transaction, so nobody ever sees it.
// nil: it does. ErrNoClamp: it does not. Any other error: the probe itself failed.
func (s *session) clamps(device string) error {
	table := ownTable(device)
	table.Name += ".probe"
	s.nft.AddTable(table)
	chain := s.nft.AddChain(forwardChain(table))
	s.nft.AddRule(&nftables.Rule{Table: table, Chain: chain, Exprs: clamping(device).exprs})
	s.nft.DelTable(table)
	err := s.nft.Flush()
	switch {
	case err == nil:
		return nil
	case unknown(err) || errors.Is(err, unix.EINVAL):
		return ErrNoClamp
	}
	return fmt.Errorf("firewall: probe whether segment sizes can be changed: %w", err)
}

// settleClamp decides whether the rules of want clamp, and returns what is to be said of it. The kernel is probed once.
func (r *Rules) settleClamp(s *session, want *State) error {
	if want.Off || want.Clamp == ClampOff {
		want.Clamp = ClampOff
		return nil
	}
	if !r.clamp.probed {
		r.clamp.err = s.clamps(want.Device)
		r.clamp.probed = r.clamp.err == nil || errors.Is(r.clamp.err, ErrNoClamp)
	}
	if r.clamp.err == nil {
		return nil
	}
	must := want.Clamp == ClampOn
	want.Clamp = ClampOff
	if must {
		return r.clamp.err
	}
	return nil
}

// clampProbe is what the kernel said to the rule.
type clampProbe struct {
	probed bool
	err    error
}
