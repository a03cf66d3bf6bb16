package main

import (
	"fmt"
	"strings"

	"github.com/weftnet/weft/node/api"
)

// podsText is what status says of pods, in lines: nothing where there are none and some could start.
func podsText(p *api.Pods) (lines []string) {
	if !p.Leased && p.Reason != "" {
		lines = append(lines, "none can start: "+p.Reason)
	}
	if p.Held+p.Quarantined > 0 || p.Bridge != "" {
		var of []string
		for _, s := range p.Subnets {
			of = append(of, fmt.Sprintf("%d of %s in %s", s.Held, capacityText(s.Capacity), s.Subnet))
		}
		text := fmt.Sprintf("%d, and %d ended a moment ago", p.Held, p.Quarantined)
		if len(of) > 0 {
			text += "; addresses: " + strings.Join(of, ", ")
		}
		lines = append(lines, text)
	}
	for _, f := range p.Former {
		lines = append(lines, fmt.Sprintf("%d in %s, which is not this node's own any more", f.Pods, f.Subnet))
	}
	if p.Bridge != "" {
		lines = append(lines, "bridge "+p.Bridge+", "+guardText(p))
	}
	return lines
}

func guardText(p *api.Pods) string {
	if p.Guard == "on" {
		return "guarded: none can use addresses that are not its own"
	}
	return "not guarded: " + p.GuardReason
}
