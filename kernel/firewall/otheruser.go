package firewall

import (
	"slices"

	"golang.org/x/sys/unix"
)

// users names what shows that somebody else on this host has packets forwarded: chains with rules at the forward hook that
// are not for device, the chains that these always lead to, and chain FORWARD of an old iptables. Container engines, libvirt,
// Kubernetes and most VPNs have one. What cannot be looked at shows nothing.
func users(device string) []string {
	list := chainsOfOthers(device)
	for _, l := range []legacy{legacy4, legacy6} {
		if l.loaded() && l.forwards() {
			list = append(list, "chain FORWARD of "+l.program())
		}
	}
	return list
}

func chainsOfOthers(device string) (list []string) {
	s, err := openSession()
	if err != nil {
		return nil
	}
	defer s.close()
	chains, err := s.chains()
	if err != nil {
		return nil
	}
	for _, c := range chains {
		if !routed(c.Table.Family) || !forwards(c) {
			continue
		}
		rules, err := s.rules(c, device)
		if err != nil || len(rules) == len(chain{c, rules}.ours(device)) {
			continue
		}
		list = append(list, chainText(c))
		for _, f := range rules {
			if f.leadsTo != "" {
				list = append(list, tableText(c.Table)+" "+f.leadsTo)
			}
		}
	}
	return list
}

// newUser is one of the users that was not there when the record was begun; "" if there is none. A program that starts after
// weft and finds the switches on writes nothing; a firewall that was there while nothing was forwarded needs none of them.
func (r *record) newUser(device string) string {
	for _, u := range users(device) {
		if !slices.Contains(r.beside, u) {
			return u
		}
	}
	return ""
}

// forwards reports whether chain FORWARD has rules: it begins before its policy.
func (l legacy) forwards() bool {
	info, err := l.info()
	return err == nil && info.entry[unix.NF_INET_FORWARD] != info.underflow[unix.NF_INET_FORWARD]
}
