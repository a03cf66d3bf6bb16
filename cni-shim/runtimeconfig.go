package cnishim

import (
	"net/netip"
	"strings"

	"github.com/weftnet/weft/cni-shim/ipam"
)

// runtimeConfig is what the runtime says by capabilities (CONVENTIONS.md of the specification). What other plugins of the list do
// (portMappings, bandwidth) is passed over.
type runtimeConfig struct {
	IPs      []string         `json:"ips"`      // capability "ips"
	IPRanges [][]addressRange `json:"ipRanges"` // capability "ipRanges"
	MAC      string           `json:"mac"`      // capability "mac", which weft does not have
}

// addressRange is one range of the capability "ipRanges".
type addressRange struct {
	Subnet     string `json:"subnet"`
	RangeStart string `json:"rangeStart"`
	RangeEnd   string `json:"rangeEnd"`
	Gateway    string `json:"gateway"` // weft's gateway is the first address of the node's subnet, whatever this says
}

func (r runtimeConfig) validate() error {
	if r.MAC != "" {
		return fail(codeConfig, "key \"runtimeConfig.mac\": a pod's MAC address follows from its IP address: remove the capability \"mac\"")
	}
	if _, err := r.wanted(); err != nil {
		return err
	}
	_, err := r.ranges()
	return err
}

// wanted are the very addresses that the runtime asks for. It writes them with or without the length of their subnet.
func (r runtimeConfig) wanted() ([]netip.Addr, error) {
	var list []netip.Addr
	for _, text := range r.IPs {
		plain, _, _ := strings.Cut(text, "/")
		addr, err := netip.ParseAddr(plain)
		if err != nil || addr.Zone() != "" {
			return nil, fail(codeConfig, "key \"runtimeConfig.ips\": %q is not an IP address", text)
		}
		list = append(list, addr.Unmap())
	}
	return list, nil
}

// ranges are the ranges that the runtime bounds the addresses by.
func (r runtimeConfig) ranges() ([][]ipam.Range, error) {
	var sets [][]ipam.Range
	for _, set := range r.IPRanges {
		var list []ipam.Range
		for _, one := range set {
			parsed, err := one.parse()
			if err != nil {
				return nil, err
			}
			list = append(list, parsed)
		}
		sets = append(sets, list)
	}
	return sets, nil
}

// parse gives the first and the last address of a range; a subnet without them is a range as a whole.
func (a addressRange) parse() (ipam.Range, error) {
	subnet, err := netip.ParsePrefix(a.Subnet)
	if err != nil {
		return ipam.Range{}, fail(codeConfig, "key \"runtimeConfig.ipRanges\": subnet %q is not a prefix, as 10.244.1.0/24", a.Subnet)
	}
	subnet = netip.PrefixFrom(subnet.Addr().Unmap(), subnet.Bits()).Masked()
	r := ipam.Range{First: subnet.Addr(), Last: last(subnet)}
	for _, end := range []struct {
		text string
		into *netip.Addr
	}{{a.RangeStart, &r.First}, {a.RangeEnd, &r.Last}} {
		if end.text == "" {
			continue
		}
		addr, err := netip.ParseAddr(end.text)
		if err != nil || !subnet.Contains(addr.Unmap()) {
			return ipam.Range{}, fail(codeConfig, "key \"runtimeConfig.ipRanges\": %q is not an address of %s", end.text, subnet)
		}
		*end.into = addr.Unmap()
	}
	if r.Last.Less(r.First) {
		return ipam.Range{}, fail(codeConfig, "key \"runtimeConfig.ipRanges\": the range from %s to %s is empty", r.First, r.Last)
	}
	return r, nil
}

// last is the last address of a prefix.
func last(p netip.Prefix) netip.Addr {
	bytes := p.Addr().AsSlice()
	for i := p.Bits(); i < len(bytes)*8; i++ {
		bytes[i/8] |= 0x80 >> (i % 8)
	}
	addr, _ := netip.AddrFromSlice(bytes)
	return addr
}
