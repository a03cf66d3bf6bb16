package main

import (
	"fmt"
	"io"
	"time"

	"github.com/weftnet/weft/node/api"
)

// printCandidates says how the endpoints of a peer compare that has several, and why the one in use is.
func printCandidates(w io.Writer, p *api.Peer) {
	if len(p.Candidates) == 0 {
		return
	}
	fmt.Fprintf(w, "\nendpoints of %s:\n", p.Name)
	for _, c := range p.Candidates {
		fmt.Fprintf(w, "  %s: %s", c.Endpoint, candidateText(c))
		if c.InUse {
			fmt.Fprintf(w, "; in use: %s", p.EndpointWhy)
		}
		fmt.Fprintln(w)
	}
}

// candidateText is what came of the last probes to an endpoint.
func candidateText(c api.Candidate) string {
	switch {
	case !c.Silent.IsZero():
		return "no answer for " + span(time.Since(c.Silent))
	case c.RTT == 0:
		return "not asked yet"
	}
	return rtt(c.RTT)
}
