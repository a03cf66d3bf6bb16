package firewall

import (
	"bytes"
	"encoding/binary"
	"math"
	"slices"
)

// LegacyRule is what can be told of a rule of an old iptables.
type LegacyRule struct {
	Protocol byte          // IPPROTO_UDP, IPPROTO_TCP; 0: any
	Ports    []LegacyPorts // of the destination; none: any
	In       string        // interface; a * at the end stands for any characters; empty: any
	Verdict  LegacyVerdict
	More     bool // it depends on more than that
}

// LegacyPorts are a range, both ends included.
type LegacyPorts struct{ First, Last uint16 }

// LegacyVerdict is what a rule does with a packet.
type LegacyVerdict int

// The verdicts. Jumps, logs and the like are none.
const (
	LegacyNone LegacyVerdict = iota
	LegacyAccept
	LegacyRefuse // DROP or REJECT
)

func (r LegacyRule) refusesAll() bool {
	return r.Verdict == LegacyRefuse && r.Protocol == 0 && len(r.Ports) == 0 && r.In == "" && !r.More
}

// Sizes of linux/netfilter/x_tables.h: struct xt_entry_match and struct xt_entry_target are a size, a name of 29 bytes and a
// revision, with what belongs to the extension behind; struct xt_counters is two counters.
const (
	xtHeader   = 32
	xtRevision = xtHeader - 1
	xtCounters = 16
)

// matches is the offset of the matches in an entry, and the length of one without any: behind target_offset, next_offset and
// comefrom (2, 2 and 4 bytes), the counters begin at the next multiple of 8.
func (l legacy) matches() int { return (l.target+8+7)/8*8 + xtCounters }

// rule reads an entry of the table, which each has found to be long enough.
func (l legacy) rule(entry []byte) LegacyRule {
	target := int(binary.NativeEndian.Uint16(entry[l.target:]))
	if target < l.matches() || target > len(entry)-xtHeader {
		return LegacyRule{More: true}
	}
	r := LegacyRule{Protocol: l.protocol(entry), Verdict: judgement(entry[target:])}
	r.In, r.More = interfaceIn(entry[l.interfaces:], entry[l.interfaces+2*interfaceName:])
	r.More = r.More || l.limited(entry)
	for rest := entry[l.matches():target]; len(rest) >= xtHeader; {
		size := int(binary.NativeEndian.Uint16(rest))
		if size < xtHeader || size > len(rest) {
			r.More = true
			break
		}
		r.match(rest[:size])
		rest = rest[size:]
	}
	return r
}

// protocol is that of an entry: a number of 16 bits behind two interfaces and their masks.
func (l legacy) protocol(entry []byte) byte {
	return byte(binary.NativeEndian.Uint16(entry[l.interfaces+4*interfaceName:]))
}

// protocolGiven is IP6T_F_PROTO, a flag that says nothing but that there is a protocol.
const protocolGiven = 0x01

// limited reports whether an entry is about some addresses, or some interfaces to go out by, or has flags: fragments, a goto, or
// the reverse of what is written. The masks of the addresses are behind the addresses; flags are behind the protocol, and in
// IPv6 behind the type of service.
func (l legacy) limited(entry []byte) bool {
	flags := slices.Clone(entry[l.interfaces+4*interfaceName+2 : l.target-4])
	if !l.ipv4 {
		flags[1] &^= protocolGiven
	}
	outMask := entry[l.interfaces+3*interfaceName:][:interfaceName]
	return !blank(entry[l.interfaces/2:l.interfaces]) || !blank(outMask) || !blank(flags)
}

// interfaceIn reads the name of an interface and its mask. The mask covers the zero behind the name, and leaves out the plus at
// the end of one that stands for many.
func interfaceIn(name, mask []byte) (text string, more bool) {
	n := bytes.IndexByte(name[:interfaceName], 0)
	switch {
	case n < 0:
		return "", true
	case n == 0:
		return "", !blank(mask[:interfaceName])
	case mask[n-1] == 0:
		return string(name[:n-1]) + "*", false
	}
	return string(name[:n]), false
}

// match reads a match of an entry. Those of UDP and TCP are struct xt_udp and struct xt_tcp (linux/netfilter/xt_tcpudp.h): a
// range of source ports, one of destination ports, and what is zero where nothing else is asked for: an option and flags of
// TCP, and what is meant the other way round.
func (r *LegacyRule) match(m []byte) {
	name, data := string(bytes.TrimRight(m[2:xtRevision], "\x00")), m[xtHeader:]
	switch {
	case (name == "udp" || name == "tcp") && m[xtRevision] == 0 && len(data) >= 12:
		ports := LegacyPorts{binary.NativeEndian.Uint16(data[4:]), binary.NativeEndian.Uint16(data[6:])}
		if ports != (LegacyPorts{0, math.MaxUint16}) {
			r.Ports = append(r.Ports, ports)
		}
		anySource := binary.NativeEndian.Uint16(data) == 0 && binary.NativeEndian.Uint16(data[2:]) == math.MaxUint16
		r.More = r.More || !anySource || !blank(data[8:12])
	case name == "multiport" && m[xtRevision] == 1:
		r.multiport(data)
	case name != "comment":
		r.More = true
	}
}

// multiport reads struct xt_multiport_v1 (linux/netfilter/xt_multiport.h): what it looks at (1: destination ports), how many
// ports, 15 ports, 15 flags that say that the next one is the end of a range, and whether all others are meant.
func (r *LegacyRule) multiport(data []byte) {
	const most, flagsAt, invertAt = 15, 2 + 2*15, 2 + 3*15
	if len(data) <= invertAt || data[0] != 1 || data[1] > most || data[invertAt] != 0 {
		r.More = true
		return
	}
	port := func(i int) uint16 { return binary.NativeEndian.Uint16(data[2+2*i:]) }
	for i := 0; i < int(data[1]); i++ {
		p := LegacyPorts{port(i), port(i)}
		if data[flagsAt+i] != 0 && i+1 < int(data[1]) {
			i++
			p.Last = port(i)
		}
		r.Ports = append(r.Ports, p)
	}
}

// judgement is the verdict of a target.
func judgement(target []byte) LegacyVerdict {
	name := string(bytes.TrimRight(target[2:xtRevision], "\x00"))
	if name == "REJECT" {
		return LegacyRefuse
	}
	if name != "" || len(target) < xtHeader+4 {
		return LegacyNone
	}
	switch int32(binary.NativeEndian.Uint32(target[xtHeader:])) {
	case legacyDrop:
		return LegacyRefuse
	case legacyAccept:
		return LegacyAccept
	}
	return LegacyNone
}

// chainName is the name of the chain that begins with an entry: struct xt_error_target holds it; "" if none does.
func (l legacy) chainName(entry []byte) string {
	target := int(binary.NativeEndian.Uint16(entry[l.target:]))
	if target+xtHeader > len(entry) || !bytes.Equal(bytes.TrimRight(entry[target+2:target+xtRevision], "\x00"), []byte(endOfTable)) {
		return ""
	}
	name, _, _ := bytes.Cut(entry[target+xtHeader:], []byte{0})
	return string(name)
}

func blank(b []byte) bool { return len(bytes.Trim(b, "\x00")) == 0 }
