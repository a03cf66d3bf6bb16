package doctor

import (
	"encoding/binary"
	"slices"
	"strings"

	"github.com/google/nftables"
	"github.com/google/nftables/expr"
	"github.com/google/nftables/xt"
	"golang.org/x/sys/unix"
)

// Rule is what of a rule the doctor understands.
type Rule struct {
	Protocol byte    // IPPROTO_UDP, IPPROTO_TCP; 0: any
	Ports    []Ports // of the destination; none: any
	In, Out  string  // interfaces; a * at the end stands for any characters; empty: any
	Verdict  Verdict
	More     bool // it depends on more than that
}

// Ports are a range, both ends included.
type Ports struct{ First, Last uint16 }

// Verdict is what a rule does with a packet.
type Verdict string

// The verdicts; others, such as jumps, are none.
const (
	Accept Verdict = "accept"
	Refuse Verdict = "refuse" // drop or reject
)

// dropsAll reports whether nothing gets past the rule.
func (r Rule) dropsAll() bool {
	return r.Verdict == Refuse && r.Protocol == 0 && len(r.Ports) == 0 && r.In == "" && r.Out == "" && !r.More
}

// names reports whether the rule is about a port, and not about all.
func (r Rule) names(protocol byte, port uint16) bool {
	return (r.Protocol == 0 || r.Protocol == protocol) &&
		slices.ContainsFunc(r.Ports, func(p Ports) bool { return p.First <= port && port <= p.Last })
}

// reader puts a rule together from its expressions: one loads a value, the next compares it.
type reader struct {
	sets   func(name string, id uint32) ([]nftables.SetElement, error)
	loaded field
	rule   Rule
}

// field is what the last expression loaded.
type field int

const (
	fieldOther field = iota
	fieldProtocol
	fieldPort
	fieldIn
	fieldOut
)

func readRule(c *nftables.Conn, r *nftables.Rule) Rule {
	reader := reader{sets: func(name string, id uint32) ([]nftables.SetElement, error) {
		return c.GetSetElements(&nftables.Set{Table: r.Table, Name: name, ID: id})
	}}
	for _, e := range r.Exprs {
		reader.take(e)
	}
	return reader.rule
}

func (r *reader) take(e expr.Any) {
	switch e := e.(type) {
	case *expr.Meta:
		r.loaded = metaField(e.Key)
	case *expr.Payload:
		r.loaded = payloadField(e)
	case *expr.Cmp:
		r.compare(e)
	case *expr.Range:
		r.span(e)
	case *expr.Lookup:
		r.look(e)
	case *expr.Verdict:
		r.rule.Verdict = verdictOf(e.Kind)
	case *expr.Reject:
		r.rule.Verdict = Refuse
	case *expr.Match:
		r.match(e)
	case *expr.Target:
		if e.Name == "REJECT" || e.Name == "DROP" {
			r.rule.Verdict = Refuse
		}
	case *expr.Counter, *expr.Log:
	default:
		r.loaded, r.rule.More = fieldOther, true
	}
}

func metaField(key expr.MetaKey) field {
	switch key {
	case expr.MetaKeyL4PROTO:
		return fieldProtocol
	case expr.MetaKeyIIFNAME:
		return fieldIn
	case expr.MetaKeyOIFNAME:
		return fieldOut
	}
	return fieldOther
}

// payloadField knows the protocol byte of IPv4 (iptables-nft compares it) and the destination port.
func payloadField(e *expr.Payload) field {
	switch {
	case e.Base == expr.PayloadBaseTransportHeader && e.Offset == 2 && e.Len == 2:
		return fieldPort
	case e.Base == expr.PayloadBaseNetworkHeader && e.Offset == 9 && e.Len == 1:
		return fieldProtocol
	}
	return fieldOther
}

func (r *reader) compare(e *expr.Cmp) {
	switch {
	case r.loaded == fieldPort && len(e.Data) == 2:
		r.comparePort(e.Op, binary.BigEndian.Uint16(e.Data))
	case e.Op != expr.CmpOpEq:
		r.rule.More = true
	case r.loaded == fieldProtocol && len(e.Data) == 1:
		r.rule.Protocol = e.Data[0]
	case r.loaded == fieldIn:
		r.rule.In = interfaceName(e.Data)
	case r.loaded == fieldOut:
		r.rule.Out = interfaceName(e.Data)
	default:
		r.rule.More = true
	}
}

// comparePort takes one comparison; nft(8) writes ranges as two.
func (r *reader) comparePort(op expr.CmpOp, port uint16) {
	n := len(r.rule.Ports)
	switch {
	case op == expr.CmpOpEq:
		r.rule.Ports = append(r.rule.Ports, Ports{port, port})
	case op == expr.CmpOpGte:
		r.rule.Ports = append(r.rule.Ports, Ports{port, 65535})
	case op == expr.CmpOpLte && n > 0:
		r.rule.Ports[n-1].Last = port
	case op == expr.CmpOpLte:
		r.rule.Ports = append(r.rule.Ports, Ports{0, port})
	default:
		r.rule.More = true
	}
}

func (r *reader) span(e *expr.Range) {
	if r.loaded != fieldPort || e.Op != expr.CmpOpEq || len(e.FromData) != 2 || len(e.ToData) != 2 {
		r.rule.More = true
		return
	}
	r.rule.Ports = append(r.rule.Ports, Ports{binary.BigEndian.Uint16(e.FromData), binary.BigEndian.Uint16(e.ToData)})
}

// look takes a set of ports. An interval is two elements: its start, and what comes behind its end.
func (r *reader) look(e *expr.Lookup) {
	elements, err := r.sets(e.SetName, e.SetID)
	if r.loaded != fieldPort || e.Invert || err != nil {
		r.rule.More = true
		return
	}
	for _, x := range elements {
		if len(x.Key) < 2 {
			continue
		}
		port := binary.BigEndian.Uint16(x.Key)
		if n := len(r.rule.Ports); x.IntervalEnd && n > 0 {
			r.rule.Ports[n-1].Last = port - 1
		} else if !x.IntervalEnd {
			r.rule.Ports = append(r.rule.Ports, Ports{port, port})
		}
	}
}

// match takes a match of iptables.
func (r *reader) match(e *expr.Match) {
	switch info := e.Info.(type) {
	case *xt.Udp:
		r.matchPorts(unix.IPPROTO_UDP, info.SrcPorts, info.DstPorts, info.InvFlags != 0)
	case *xt.Tcp:
		r.matchPorts(unix.IPPROTO_TCP, info.SrcPorts, info.DstPorts, info.InvFlags != 0)
	case *xt.Comment:
	default:
		r.rule.More = true
	}
}

// matchPorts takes the ports of a match of iptables, where none means all.
func (r *reader) matchPorts(protocol byte, from, to [2]uint16, inverted bool) {
	all := [2]uint16{0, 65535}
	r.rule.Protocol = protocol
	if to != all {
		r.rule.Ports = append(r.rule.Ports, Ports{to[0], to[1]})
	}
	r.rule.More = r.rule.More || inverted || from != all
}

func verdictOf(kind expr.VerdictKind) Verdict {
	switch kind {
	case expr.VerdictAccept:
		return Accept
	case expr.VerdictDrop:
		return Refuse
	}
	return ""
}

// interfaceName is a compared name: with the zeros that end it, or the beginning of one.
func interfaceName(data []byte) string {
	name := strings.TrimRight(string(data), "\x00")
	if len(name) == len(data) && len(data) < unix.IFNAMSIZ {
		return name + "*"
	}
	return name
}

// covers reports whether a name in a rule means a device.
func covers(pattern, device string) bool {
	if prefix, ok := strings.CutSuffix(pattern, "*"); ok {
		return strings.HasPrefix(device, prefix)
	}
	return pattern == device
}
