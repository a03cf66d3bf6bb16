package doctor

import (
	"fmt"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/weftnet/weft/kernel/firewall"
	"github.com/weftnet/weft/node/api"
)

// Checks of the packet filter: of its rules as they are written. Whether packets pass, only 'weft doctor --peer' tries.

// checkForwardFilter looks for chains that drop what is forwarded between the overlay and pods or LANs.
func checkForwardFilter(f *Facts) []Check {
	const name = "firewall.forward"
	if f.Legacy != nil {
		what, command, _ := strings.Cut(f.Legacy.Error(), ": "+legacyProgram(f.Legacy)+" ")
		return mended(name, Warn, strings.TrimPrefix(what, "firewall: "), legacyProgram(f.Legacy)+" "+command, "")
	}
	if f.FilterErr != nil {
		return one(name, OK, "not known: "+f.FilterErr.Error(), "")
	}
	for _, c := range f.Filter.Chains {
		if c.Hook != "forward" || !c.Drops || c.lets(f.Overlay) {
			continue
		}
		if f.Daemon == nil && (f.Config == nil || f.Config.Firewall) && c.Owner != OwnerFirewalld { // whose tables only firewalld changes
			return one(name, OK, fmt.Sprintf("the chain %s (%s) drops what is forwarded; weft opens it when it starts (firewall: auto)", c, c.Owner), "")
		}
		return mended(name, Warn, fmt.Sprintf("the chain %s (%s) drops what is forwarded: pods and networks behind this host do not reach the overlay", c, c.Owner),
			c.opening(f.Overlay), "; weft does so by itself with firewall: auto")
	}
	return one(name, OK, "no chain drops what is forwarded from or to "+f.Overlay, "")
}

func legacyProgram(e *firewall.LegacyError) string {
	if e.IPv6 {
		return "ip6tables-legacy"
	}
	return "iptables-legacy"
}

// lets reports whether a rule accepts what comes in by the device, and one what goes out by it.
func (c Chain) lets(device string) bool {
	in := slices.ContainsFunc(c.Rules, func(r Rule) bool {
		return r.Verdict == Accept && r.In != "" && covers(r.In, device) && r.Out == "" && r.Protocol == 0
	})
	out := slices.ContainsFunc(c.Rules, func(r Rule) bool {
		return r.Verdict == Accept && r.Out != "" && covers(r.Out, device) && r.In == "" && r.Protocol == 0
	})
	return in && out
}

// opening is the command that lets the device's packets pass the chain.
func (c Chain) opening(device string) string {
	iptables := "iptables"
	if c.Family == "ip6" {
		iptables = "ip6tables"
	}
	d := quoted(device)
	switch c.Owner {
	case OwnerUFW:
		return fmt.Sprintf("ufw route allow in on %[1]s && ufw route allow out on %[1]s", d)
	case OwnerFirewalld:
		return fmt.Sprintf("firewall-cmd --permanent --zone=trusted --add-interface=%s && firewall-cmd --reload", d)
	case OwnerDocker:
		return fmt.Sprintf("%[1]s -I DOCKER-USER -i %[2]s -j ACCEPT && %[1]s -I DOCKER-USER -o %[2]s -j ACCEPT", iptables, d)
	case OwnerIPTables:
		return fmt.Sprintf("%[1]s -I FORWARD -i %[2]s -j ACCEPT && %[1]s -I FORWARD -o %[2]s -j ACCEPT", iptables, d)
	}
	return fmt.Sprintf("nft insert rule %[1]s iifname %[2]s accept && nft insert rule %[1]s oifname %[2]s accept", c, d)
}

// checkInputFilter looks for chains that keep peers from the port.
func checkInputFilter(f *Facts) []Check {
	if f.FilterErr != nil && len(f.Filter.Chains) == 0 {
		return one("firewall.udp", OK, "not known: "+f.FilterErr.Error(), "")
	}
	return append(f.checkInput("firewall.udp", "udp", unix.IPPROTO_UDP, func(e api.DialedEndpoint) string { return e.UDP }),
		f.checkInput("firewall.tcp", "tcp", unix.IPPROTO_TCP, func(e api.DialedEndpoint) string { return e.TCP })...)
}

// checkInput judges one protocol. What a peer's call has shown counts more than what the rules seem to say.
func (f *Facts) checkInput(name, protocol string, number byte, outcome func(api.DialedEndpoint) string) []Check {
	port := f.port()
	what := fmt.Sprintf("%s port %d", strings.ToUpper(protocol), port)
	if f.reached(outcome) {
		return one(name, OK, "a peer's call has passed to "+what, "")
	}
	for _, c := range f.Filter.Chains {
		if c.Hook != "input" {
			continue
		}
		switch c.says(number, port) {
		case Refuse:
			return mended(name, Warn, fmt.Sprintf("a rule in the table of %s (%s) refuses %s: peers cannot call this node", c, c.Owner, what), c.admitting(protocol, port), "")
		case "":
			if c.Drops {
				return mended(name, Warn, fmt.Sprintf("the chain %s (%s) drops what no rule accepts, and none is seen to accept %s", c, c.Owner, what), c.admitting(protocol, port), "")
			}
		}
	}
	return one(name, OK, "no chain keeps peers from "+what, "")
}

// reached reports whether a peer's call came through by that protocol.
func (f *Facts) reached(outcome func(api.DialedEndpoint) string) bool {
	return f.DialBack != nil && f.DialBack.By == api.DialedByPeer &&
		slices.ContainsFunc(f.DialBack.Endpoints, func(e api.DialedEndpoint) bool { return outcome(e) == "ok" })
}

// says is the verdict of the first rule that is about the port; empty: there is none.
func (c Chain) says(protocol byte, port uint16) Verdict {
	i := slices.IndexFunc(c.Rules, func(r Rule) bool { return r.Verdict != "" && r.names(protocol, port) })
	if i < 0 {
		return ""
	}
	return c.Rules[i].Verdict
}

// admitting is the command that lets peers in.
func (c Chain) admitting(protocol string, port uint16) string {
	switch c.Owner {
	case OwnerUFW:
		return fmt.Sprintf("ufw allow %d/%s", port, protocol)
	case OwnerFirewalld:
		return fmt.Sprintf("firewall-cmd --permanent --add-port=%d/%s && firewall-cmd --reload", port, protocol)
	case OwnerIPTables, OwnerDocker, OwnerLegacy:
		iptables := "iptables"
		if c.Family == "ip6" {
			iptables = "ip6tables"
		}
		if c.Owner == OwnerLegacy {
			iptables += "-legacy"
		}
		return fmt.Sprintf("%s -I INPUT -p %s --dport %d -j ACCEPT", iptables, protocol, port)
	}
	return fmt.Sprintf("nft insert rule %s %s dport %d accept", c, protocol, port)
}
