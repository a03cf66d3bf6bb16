package doctor

import (
	"fmt"
	"net"
	"strconv"
	"strings"

	"github.com/weftnet/weft/node/api"
	"github.com/weftnet/weft/node/config"
)

// checkReach tells what came of the calls of the peer that was asked.
func checkReach(f *Facts) []Check {
	switch {
	case !f.Asked:
		return nil
	case f.DialErr != nil:
		return one("reach", Fail, f.DialErr.Error(), "name a peer of 'weft peers'; a daemon must run here")
	case f.DialBack.By == api.DialedByNobody:
		return one("reach", Warn, f.DialBack.Why, "ask another peer, or look from its side: weft doctor --peer THIS-NODE")
	case f.DialBack.By == api.DialedBySelf:
		return fromHere(f.DialBack)
	}
	d := f.DialBack
	if len(d.Endpoints) == 0 {
		return one("reach", Warn, d.Peer+" called no endpoint of this node", "name the addresses of this host in advertise")
	}
	return append(f.called("reach.udp", "UDP", func(e api.DialedEndpoint) string { return e.UDP }),
		f.called("reach.tcp", "TCP", func(e api.DialedEndpoint) string { return e.TCP })...)
}

// outcomes are what the outcome of a call means.
var outcomes = map[string]string{
	"ok":          "arrived",
	api.DialLost:  "is lost on the way",
	"timeout":     "is lost on the way",
	"refused":     "is refused",
	"unreachable": "finds no way there",
	"stranger":    "is answered by something else than this node",
	"failed":      "fails",
}

// called judges the calls by one protocol.
func (f *Facts) called(name, protocol string, outcome func(api.DialedEndpoint) string) []Check {
	d := f.DialBack
	var parts []string
	bad := 0
	for _, e := range d.Endpoints {
		parts = append(parts, fmt.Sprintf("a call of %s to %v %s", d.Peer, e.Endpoint, outcomes[outcome(e)]))
		if outcome(e) != "ok" {
			bad++
		}
	}
	detail := protocol + ": " + strings.Join(parts, ", ")
	switch {
	case bad == 0:
		return one(name, OK, detail, "")
	case bad < len(d.Endpoints):
		return one(name, Warn, detail, "peers use the endpoint that works; leave the other out with advertise")
	}
	return one(name, Warn, detail, fmt.Sprintf("let %s port %d in: at this host's firewall (see firewall.%s), at the provider's, and at a router with NAT, which has to pass it on; "+
		"peers that this node calls first are reached all the same", protocol, f.port(), strings.ToLower(protocol)))
}

// fromHere tells what this node sees of a peer that cannot be asked.
func fromHere(d *api.DialBack) []Check {
	parts := make([]string, 0, len(d.Endpoints))
	for _, e := range d.Endpoints {
		parts = append(parts, fmt.Sprintf("at %v UDP is not answered, and TCP %s", e.Endpoint, outcomes[e.TCP]))
	}
	if len(parts) == 0 {
		parts = []string{"no endpoint of it is known"}
	}
	return one("reach", Warn, fmt.Sprintf("%s; tried from this side only: %s", d.Why, strings.Join(parts, ", ")),
		"TCP arrives and UDP does not: a firewall stops UDP; neither does: the host is off, or a firewall stops both; run 'weft doctor' there, too")
}

// listenPort is the port of a configuration.
func listenPort(cfg *config.Config) uint16 {
	_, text, err := net.SplitHostPort(cfg.Listen)
	if err != nil {
		return config.DefaultPort
	}
	n, err := strconv.ParseUint(text, 10, 16)
	if err != nil {
		return config.DefaultPort
	}
	return uint16(n)
}
