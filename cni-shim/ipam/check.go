package ipam

import (
	"cmp"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"
)

// Finding is one contradiction between the book, the kernel and the node's subnets.
type Finding struct {
	Subject string // the address or the host end
	Text    string // what is wrong, and what to do
}

// String is one line.
func (f Finding) String() string { return f.Subject + ": " + f.Text }

// isHostEnd reports whether the plugin names host ends like that: wv and 11 hexadecimal digits.
func isHostEnd(name string) bool {
	digits, ok := strings.CutPrefix(name, "wv")
	return ok && len(digits) == 11 && strings.Trim(digits, "0123456789abcdef") == ""
}

// Check compares records with the names of the host's interfaces and with the node's subnets; without subnets it says nothing of them.
// An ADD or DEL that is under way shows up like one that was interrupted: look again before anything is done about it.
func Check(records []Record, interfaces map[string]bool, subnets []netip.Prefix) []Finding {
	var findings []Finding
	holders, ends := map[netip.Addr][]*Record{}, map[string]bool{}
	for i := range records {
		r := &records[i]
		if r.State != Held {
			continue
		}
		ends[r.HostEnd] = true
		findings = append(findings, r.findings(interfaces, subnets)...)
		for _, a := range r.Addresses {
			holders[a] = append(holders[a], r)
		}
	}
	return slices.Concat(findings, twice(holders), unknownEnds(interfaces, ends))
}

// findings are those of one held record.
func (r *Record) findings(interfaces map[string]bool, subnets []netip.Prefix) (list []Finding) {
	if !interfaces[r.HostEnd] {
		list = append(list, Finding{joined(r.Addresses), fmt.Sprintf("held by %s (%s), whose host end %s does not exist: the daemon frees it after %v, or 'weft ipam release %s'",
			r.Holder(), r.Key, cmp.Or(r.HostEnd, "-"), VanishedAfter, r.Addresses[0])})
	}
	for _, a := range r.Addresses {
		if len(subnets) > 0 && !slices.ContainsFunc(subnets, func(p netip.Prefix) bool { return p.Contains(a) }) {
			list = append(list, Finding{a.String(), fmt.Sprintf("held by %s (%s), outside of this node's subnets %s: nothing leads there; make the pod anew", r.Holder(), r.Key, joined(subnets))})
		}
	}
	return list
}

// twice are the addresses that several records hold.
func twice(holders map[netip.Addr][]*Record) (list []Finding) {
	for _, a := range slices.SortedFunc(maps.Keys(holders), netip.Addr.Compare) {
		if who := holders[a]; len(who) > 1 {
			list = append(list, Finding{a.String(), fmt.Sprintf("held by %s (%s) and by %s (%s): make one of these pods anew",
				who[0].Holder(), who[0].Key, who[1].Holder(), who[1].Key)})
		}
	}
	return list
}

// unknownEnds are the host ends that belong to no held record.
func unknownEnds(interfaces, held map[string]bool) (list []Finding) {
	for _, name := range slices.Sorted(maps.Keys(interfaces)) {
		if isHostEnd(name) && !held[name] {
			list = append(list, Finding{name, "a host end without an address in the book: its pod was not deleted as a whole, or the book was replaced; make the pod anew, or 'ip link delete " + name + "'"})
		}
	}
	return list
}
