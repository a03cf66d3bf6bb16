package mesh

import (
	"net/netip"
	"slices"

	"github.com/gaissmai/bart"

	"github.com/weftnet/weft/trust"
)

// occupied is what auto may not choose: what others claim, what is forbidden, and what our certificate does not allow.
type occupied struct {
	self    trust.Fingerprint
	own     *trust.Certificate // what it allows may be chosen; nil: all
	claimed bart.Lite
	rules   Rules
}

func newOccupied(self trust.Fingerprint, own *trust.Certificate, claims []*Claim, rules Rules) *occupied {
	o := &occupied{self: self, own: own, rules: rules}
	for _, c := range claims {
		subnets, routes, _ := rules.permitted(c)
		for _, p := range slices.Concat(subnets, routes) {
			o.claimed.Insert(p)
		}
	}
	return o
}

// by returns a prefix that overlaps with p and may not be used, or the zero prefix.
func (o *occupied) by(p netip.Prefix) netip.Prefix {
	for wider := range o.claimed.Supernets(p) {
		return wider
	}
	for narrower := range o.claimed.Subnets(p) {
		return narrower
	}
	if o.rules.refuseSubnet(p, o.self) != "" || o.own != nil && !o.own.AllowsSubnet(p) {
		return p
	}
	return netip.Prefix{}
}
