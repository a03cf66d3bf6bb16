package doctor

import (
	"errors"
	"reflect"
	"testing"

	"github.com/google/nftables"
	"github.com/google/nftables/expr"
	"github.com/google/nftables/xt"
	"golang.org/x/sys/unix"
)

func meta(key expr.MetaKey) expr.Any { return &expr.Meta{Key: key, Register: 1} }

func is(data ...byte) expr.Any { return &expr.Cmp{Op: expr.CmpOpEq, Register: 1, Data: data} }

func at(op expr.CmpOp, port uint16) expr.Any {
	return &expr.Cmp{Op: op, Register: 1, Data: []byte{byte(port >> 8), byte(port)}}
}

var (
	dport  = &expr.Payload{Base: expr.PayloadBaseTransportHeader, Offset: 2, Len: 2, DestRegister: 1}
	udp    = []expr.Any{meta(expr.MetaKeyL4PROTO), is(unix.IPPROTO_UDP)}
	accept = &expr.Verdict{Kind: expr.VerdictAccept}
)

// rules are expressions as nft(8) and iptables-nft write them, and what the doctor makes of them.
var rules = map[string]struct {
	exprs []expr.Any
	want  Rule
}{
	"udp dport 9338 accept": {append(udp, dport, at(expr.CmpOpEq, 9338), &expr.Counter{}, accept),
		Rule{Protocol: unix.IPPROTO_UDP, Ports: []Ports{{9338, 9338}}, Verdict: Accept}},
	"th dport 9000-9400 drop, as two comparisons": {[]expr.Any{dport, at(expr.CmpOpGte, 9000), at(expr.CmpOpLte, 9400), &expr.Verdict{Kind: expr.VerdictDrop}},
		Rule{Ports: []Ports{{9000, 9400}}, Verdict: Refuse}},
	"udp dport 9000-9400, as a range": {append(udp, dport, &expr.Range{Op: expr.CmpOpEq, Register: 1, FromData: []byte{0x23, 0x28}, ToData: []byte{0x24, 0xb8}}, accept),
		Rule{Protocol: unix.IPPROTO_UDP, Ports: []Ports{{9000, 9400}}, Verdict: Accept}},
	"udp dport {22, 9000-9400}": {append(udp, dport, &expr.Lookup{SourceRegister: 1, SetName: "ports"}, accept),
		Rule{Protocol: unix.IPPROTO_UDP, Ports: []Ports{{22, 22}, {9000, 9400}}, Verdict: Accept}},
	"of a set that cannot be read": {append(udp, dport, &expr.Lookup{SourceRegister: 1, SetName: "gone"}, accept),
		Rule{Protocol: unix.IPPROTO_UDP, Verdict: Accept, More: true}},
	"dport != 22": {[]expr.Any{dport, at(expr.CmpOpNeq, 22), accept}, Rule{Verdict: Accept, More: true}},
	"iifname weft0 accept": {[]expr.Any{meta(expr.MetaKeyIIFNAME), is(append([]byte("weft0"), make([]byte, 11)...)...), accept},
		Rule{In: "weft0", Verdict: Accept}},
	"oifname weft* accept": {[]expr.Any{meta(expr.MetaKeyOIFNAME), is([]byte("weft")...), accept}, Rule{Out: "weft*", Verdict: Accept}},
	"iif index":            {[]expr.Any{meta(expr.MetaKeyIIF), is(1, 0, 0, 0), accept}, Rule{Verdict: Accept, More: true}},
	"ct state new accept":  {[]expr.Any{&expr.Ct{Register: 1}, accept}, Rule{Verdict: Accept, More: true}},
	"reject":               {[]expr.Any{&expr.Log{}, &expr.Reject{}}, Rule{Verdict: Refuse}},
	"jump":                 {[]expr.Any{&expr.Verdict{Kind: expr.VerdictJump, Chain: "other"}}, Rule{}},
	"iptables -p udp --dport 9338": {[]expr.Any{&expr.Payload{Base: expr.PayloadBaseNetworkHeader, Offset: 9, Len: 1}, is(unix.IPPROTO_UDP),
		&expr.Match{Name: "udp", Info: &xt.Udp{SrcPorts: [2]uint16{0, 65535}, DstPorts: [2]uint16{9338, 9338}}}, accept},
		Rule{Protocol: unix.IPPROTO_UDP, Ports: []Ports{{9338, 9338}}, Verdict: Accept}},
	"iptables -p tcp --sport 22": {[]expr.Any{&expr.Match{Name: "tcp", Info: &xt.Tcp{SrcPorts: [2]uint16{22, 22}, DstPorts: [2]uint16{0, 65535}}}, accept},
		Rule{Protocol: unix.IPPROTO_TCP, Verdict: Accept, More: true}},
	"iptables -j REJECT with a comment": {[]expr.Any{&expr.Match{Name: "comment", Info: new(xt.Comment)}, &expr.Target{Name: "REJECT"}}, Rule{Verdict: Refuse}},
	"iptables -m conntrack":             {[]expr.Any{&expr.Match{Name: "conntrack", Info: new(xt.ConntrackMtinfo3)}, accept}, Rule{Verdict: Accept, More: true}},
}

func TestRulesAreReadAsFarAsTheyAreUnderstood(t *testing.T) {
	sets := func(name string, _ uint32) ([]nftables.SetElement, error) {
		if name != "ports" {
			return nil, errors.New("no such set")
		}
		return []nftables.SetElement{
			{Key: []byte{0, 22}}, {Key: []byte{0, 23}, IntervalEnd: true}, {Key: []byte{0x23, 0x28}}, {Key: []byte{0x24, 0xb9}, IntervalEnd: true},
		}, nil
	}
	for name, test := range rules {
		r := reader{sets: sets}
		for _, e := range test.exprs {
			r.take(e)
		}
		if !reflect.DeepEqual(r.rule, test.want) {
			t.Errorf("%s is read as %+v, want %+v", name, r.rule, test.want)
		}
	}
}

func TestOnlyARuleForEverythingDropsAll(t *testing.T) {
	for want, list := range map[bool][]Rule{
		true:  {{Verdict: Refuse}},
		false: {{Verdict: Accept}, {Verdict: Refuse, More: true}, {Verdict: Refuse, In: "eth0"}, {Verdict: Refuse, Protocol: 6}, {Verdict: Refuse, Ports: []Ports{{1, 2}}}, {}},
	} {
		for _, r := range list {
			if r.dropsAll() != want {
				t.Errorf("%+v drops all: %v", r, !want)
			}
		}
	}
}

func TestTheOwnerOfAChainIsKnownByItsNames(t *testing.T) {
	for _, test := range []struct {
		chain  Chain
		chains []string
		want   Owner
	}{
		{Chain{Family: "inet", Table: "firewalld", Name: "filter_FORWARD"}, nil, OwnerFirewalld},
		{Chain{Family: "ip", Table: "filter", Name: "FORWARD", Hook: "forward"}, []string{"ufw-before-input", "DOCKER-USER"}, OwnerUFW},
		{Chain{Family: "ip", Table: "filter", Name: "FORWARD", Hook: "forward"}, []string{"DOCKER-USER"}, OwnerDocker},
		{Chain{Family: "ip", Table: "filter", Name: "INPUT", Hook: "input"}, []string{"DOCKER-USER"}, OwnerIPTables},
		{Chain{Family: "inet", Table: "filter", Name: "input", Hook: "input"}, nil, OwnerNFT},
	} {
		if got := ownerOf(test.chain, test.chains); got != test.want {
			t.Errorf("%v is of %s, want %s", test.chain, got, test.want)
		}
	}
}
