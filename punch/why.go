package punch

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/weftnet/weft/encap"
)

// Candidates puts our own together, in the order of their worth: at most encap.MaxCandidates, each once. private are addresses of our
// interfaces, advertised what we claim, observed where peers see us, which are told last and of which there is always room for two.
func Candidates(private, advertised, observed []netip.AddrPort) []encap.Candidate {
	const kept = 2
	var list []encap.Candidate
	add := func(at []netip.AddrPort, kind encap.CandidateKind, room int) {
		for _, a := range at {
			known := slices.ContainsFunc(list, func(c encap.Candidate) bool { return c.At == a })
			if !known && len(list) < room {
				list = append(list, encap.Candidate{At: a, Kind: kind})
			}
		}
	}
	room := encap.MaxCandidates - min(kept, len(observed))
	add(private, encap.CandidatePrivate, room)
	add(advertised, encap.CandidateAdvertised, room)
	add(observed, encap.CandidateObserved, encap.MaxCandidates)
	return list
}

// Translated are the endpoints at which others see a node, where these are not its own: a NAT is in front of it.
func Translated(list []encap.Candidate) (observed []netip.AddrPort) {
	own := func(at netip.AddrPort) bool {
		return slices.ContainsFunc(list, func(c encap.Candidate) bool { return c.Kind != encap.CandidateObserved && c.At == at })
	}
	for _, c := range list {
		if c.Kind == encap.CandidateObserved && !own(c.At) {
			observed = append(observed, c.At)
		}
	}
	return observed
}

// Why says, in a line for people, why there is no direct path to a peer after a round without success.
func Why(ours, theirs []encap.Candidate) string {
	if len(theirs) == 0 {
		return "no direct path: the peer has named no endpoint that could be called"
	}
	text := fmt.Sprintf("no direct path: calls to %s are not answered", joined(endpoints(theirs)))
	we, they := Translated(ours), Translated(theirs)
	switch {
	case len(we) > 0 && len(they) > 0:
		text += "; both are behind NAT"
	case len(we) > 0:
		text += "; we are behind NAT"
	case len(they) > 0:
		text += "; it is behind NAT"
	}
	if len(we) > 0 {
		text += fmt.Sprintf(" (peers see us as %s, we advertise %s)", joined(we), joined(advertised(ours)))
	}
	if symmetric(we) {
		text += "; our NAT gives each destination a port of its own, so nobody knows where to call"
	}
	return text
}

// symmetric reports whether one address has several ports for one socket of ours: the mapping depends on the destination.
func symmetric(observed []netip.AddrPort) bool {
	ports := map[netip.Addr]uint16{}
	for _, at := range observed {
		if port, ok := ports[at.Addr()]; ok && port != at.Port() {
			return true
		}
		ports[at.Addr()] = at.Port()
	}
	return false
}

func advertised(list []encap.Candidate) (at []netip.AddrPort) {
	for _, c := range list {
		if c.Kind != encap.CandidateObserved {
			at = append(at, c.At)
		}
	}
	return at
}

func joined(at []netip.AddrPort) string {
	texts := make([]string, 0, len(at))
	for _, a := range at {
		texts = append(texts, a.String())
	}
	return strings.Join(texts, ", ")
}
