package doctor

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
)

// checkTranslation tells where peers see this node, if that is not where it is. A cloud's 1:1 NAT and a router at home are no fault:
// peers that this node calls reach it, and so do the others at what several of them agree in. Only where each sees another port do
// nodes find no way that are behind NATs themselves.
func checkTranslation(f *Facts) []Check {
	if f.Daemon == nil || len(f.Daemon.Translated) == 0 {
		return nil
	}
	var seen, ours []string
	ports := map[netip.Addr][]uint16{}
	for _, s := range f.Daemon.Translated {
		seen = append(seen, s.Endpoint.String())
		at := s.Endpoint.Addr()
		if !slices.Contains(ports[at], s.Endpoint.Port()) {
			ports[at] = append(ports[at], s.Endpoint.Port())
		}
	}
	for _, a := range f.Daemon.Advertised {
		ours = append(ours, a.Endpoint.String())
	}
	detail := fmt.Sprintf("peers see us as %s, we advertise %s", strings.Join(seen, ", "), strings.Join(ours, ", "))
	for _, list := range ports {
		if len(list) > 1 {
			return one("nat.mapping", Warn, detail+": the NAT gives each destination a port of its own",
				fmt.Sprintf("packets of peers behind other NATs go through relays; a port that the router passes on to this host (UDP and TCP %d) is a direct way", f.port()))
		}
	}
	return one("nat.mapping", OK, detail+": translated on the way (NAT)", "")
}
