package ipam

import (
	"fmt"
	"net/netip"
	"slices"
	"time"
)

// allocation chooses addresses for one request. It changes nothing but itself, and where the search goes on (last).
type allocation struct {
	request Request
	uptime  time.Duration
	taken   map[netip.Addr]*Record // by each address that is held or rests
	last    map[netip.Prefix]netip.Addr
	chosen  []netip.Addr
}

// allocate returns the addresses for a request whose addresses are unmapped, IPv4 first, and notes in c.Last those that it chose itself.
func (c *contents) allocate(r Request, uptime time.Duration) ([]netip.Addr, error) {
	if len(r.Subnets) == 0 {
		return nil, &OutsideError{What: r.Key.String(), Why: "gets no address: this node has no subnet"}
	}
	a := &allocation{request: r, uptime: uptime, taken: c.taken(), last: map[netip.Prefix]netip.Addr{}}
	for _, p := range r.Subnets {
		if last, ok := c.Last[p]; ok {
			a.last[p] = last
		}
	}
	for _, is4 := range []bool{true, false} {
		if err := a.family(is4); err != nil {
			return nil, err
		}
	}
	if len(a.chosen) == 0 {
		return nil, &OutsideError{What: r.Key.String(), Why: "gets no address from", Subnets: r.Subnets}
	}
	c.Last = a.last
	return a.chosen, nil
}

// taken is which record has an address, or had it a moment ago.
func (c *contents) taken() map[netip.Addr]*Record {
	m := make(map[netip.Addr]*Record, 2*len(c.Records))
	for i := range c.Records {
		for _, addr := range c.Records[i].Addresses {
			if had := m[addr]; had == nil || had.State == Released {
				m[addr] = &c.Records[i]
			}
		}
	}
	return m
}

// family chooses the addresses of one family: those that are wanted, else one of each set of ranges, else one of the subnets.
func (a *allocation) family(is4 bool) error {
	other := func(addr netip.Addr) bool { return addr.Is4() != is4 }
	subnets := slices.DeleteFunc(slices.Clone(a.request.Subnets), func(p netip.Prefix) bool { return other(p.Addr()) })
	wanted := slices.DeleteFunc(slices.Clone(a.request.Wanted), other)
	sets := slices.DeleteFunc(slices.Clone(a.request.Ranges), func(set []Range) bool { return len(set) == 0 || other(set[0].First) })
	spans, err := a.spans(sets, subnets)
	if err != nil {
		return err
	}
	if len(wanted) > 0 {
		return a.take(wanted, subnets, spans)
	}
	for _, set := range spans {
		if err := a.choose(set); err != nil {
			return err
		}
	}
	return nil
}

// span is a part of a subnet from which pods get addresses.
type span struct {
	subnet netip.Prefix
	Range
	empty bool // the subnet, or that part of it, has no address for pods
}

// spans are the alternatives for each address of a family: where there are sets of ranges, one list for each, else the subnets.
func (a *allocation) spans(sets [][]Range, subnets []netip.Prefix) ([][]span, error) {
	var lists [][]span
	for _, set := range sets {
		var list []span
		for _, r := range set {
			s, err := rangeSpan(r, subnets)
			if err != nil {
				return nil, err
			}
			list = append(list, s)
		}
		lists = append(lists, list)
	}
	if len(lists) > 0 || len(subnets) == 0 {
		return lists, nil
	}
	whole := make([]span, len(subnets))
	for i, p := range subnets {
		pods, ok := forPods(p)
		whole[i] = span{p, pods, !ok}
	}
	return [][]span{whole}, nil
}

// rangeSpan is the part of a range that is for pods. The range must lie in one of the subnets.
func rangeSpan(r Range, subnets []netip.Prefix) (span, error) {
	what := fmt.Sprintf("the range %s-%s", r.First, r.Last)
	if r.First.BitLen() != r.Last.BitLen() || r.Last.Less(r.First) {
		return span{}, &OutsideError{What: what, Why: "goes from no address to a later one of its family"}
	}
	for _, p := range subnets {
		if p.Contains(r.First) && p.Contains(r.Last) {
			pods, some := forPods(p)
			part, ok := r.within(pods)
			return span{p, part, !some || !ok}, nil
		}
	}
	return span{}, &OutsideError{What: what, Why: "is outside of this node's", Subnets: subnets}
}

// take takes addresses that are wanted by name. Where there are ranges, each lies in one.
func (a *allocation) take(wanted []netip.Addr, subnets []netip.Prefix, spans [][]span) error {
	for _, addr := range wanted {
		in := slices.IndexFunc(subnets, func(p netip.Prefix) bool { return p.Contains(addr) })
		if in < 0 {
			return &OutsideError{What: addr.String(), Why: "is outside of this node's", Subnets: a.request.Subnets}
		}
		if pods, ok := forPods(subnets[in]); !ok || !pods.Contains(addr) {
			return &OutsideError{What: addr.String(), Why: "is no address for pods, but the network's, gateway's or broadcast address of", Subnets: subnets[in : in+1]}
		}
		if !slices.ContainsFunc(slices.Concat(spans...), func(s span) bool { return !s.empty && s.Contains(addr) }) {
			return &OutsideError{What: addr.String(), Why: "is outside of the ranges that the request allows"}
		}
		if slices.Contains(a.chosen, addr) {
			return &OutsideError{What: addr.String(), Why: "is asked for twice"}
		}
		if r := a.taken[addr]; r != nil {
			return a.takenError(addr, r)
		}
		a.chosen = append(a.chosen, addr)
	}
	return nil
}

func (a *allocation) takenError(addr netip.Addr, r *Record) error {
	e := &TakenError{Addr: addr, Holder: r.Holder()}
	if r.State == Released {
		e.Rest = r.rest(a.uptime)
	}
	return e
}

// choose chooses a vacant address from the first of the spans that has one.
func (a *allocation) choose(spans []span) error {
	for _, s := range spans {
		if s.empty {
			continue
		}
		if addr, ok := a.vacant(s); ok {
			a.chosen = append(a.chosen, addr)
			a.last[s.subnet] = addr
			return nil
		}
	}
	return a.exhausted(spans)
}

// vacant is the address of the span at the offset that the attachment's IPv4 address has, else the first vacant one behind the last that
// was chosen; after the span's last comes its first. A step costs a look into a map, and there are no more steps than taken addresses.
func (a *allocation) vacant(s span) (netip.Addr, bool) {
	if addr := a.atSameOffset(s); s.Contains(addr) && a.isVacant(addr) {
		return addr, true
	}
	begin := s.First
	if last, ok := a.last[s.subnet]; ok && s.Contains(last.Next()) {
		begin = last.Next()
	}
	for addr := begin; ; {
		if a.isVacant(addr) {
			return addr, true
		}
		if addr = addr.Next(); !s.Contains(addr) {
			addr = s.First
		}
		if addr == begin {
			return netip.Addr{}, false
		}
	}
}

// atSameOffset is the address of an IPv6 span with the offset of the first IPv4 address that was chosen; invalid: there is none.
func (a *allocation) atSameOffset(s span) netip.Addr {
	if s.subnet.Addr().Is4() || len(a.chosen) == 0 || !a.chosen[0].Is4() {
		return netip.Addr{}
	}
	for _, p := range a.request.Subnets {
		if p.Contains(a.chosen[0]) {
			return sameOffset(a.chosen[0], p, s.subnet)
		}
	}
	return netip.Addr{}
}

func (a *allocation) isVacant(addr netip.Addr) bool {
	return a.taken[addr] == nil && !slices.Contains(a.chosen, addr)
}
