package mesh

import (
	"net/netip"

	"github.com/gaissmai/bart"
)

// occupied is what auto may not choose: what others claim, and what is forbidden.
type occupied struct {
	claimed bart.Lite
	rules   Rules
}

func newOccupied(claims []*Claim, rules Rules) *occupied {
	o := &occupied{rules: rules}
	for _, c := range claims {
		allowed, _ := rules.permitted(c)
		for _, p := range allowed {
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
	if o.rules.refuseSubnet(p) != "" {
		return p
	}
	return netip.Prefix{}
}
