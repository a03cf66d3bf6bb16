package firewall

import (
	"encoding/binary"

	"golang.org/x/sys/unix"
)

// LegacyInput is what the filter table of an old iptables does with packets for this host.
type LegacyInput struct {
	IPv6   bool
	Drops  bool         // what no rule accepts: by the policy of chain INPUT, or by a rule of it for everything
	Rules  []LegacyRule // of chain INPUT, and then of the chains that users made
	Chains []string     // that users made
}

// LegacyInputs reads chain INPUT of an old iptables, for each family that has such a table. What cannot be read is left out.
func LegacyInputs() []LegacyInput {
	var list []LegacyInput
	for _, l := range []legacy{legacy4, legacy6} {
		if !l.loaded() {
			continue
		}
		if table, err := l.read(); err == nil {
			list = append(list, table.input(l))
		}
	}
	return list
}

// input reads the chain. Chains that users made follow those that the kernel calls, the last of which is OUTPUT.
func (t *legacyTable) input(l legacy) LegacyInput {
	in := LegacyInput{IPv6: !l.ipv4}
	first, policy := int(t.info.entry[unix.NF_INET_LOCAL_IN]), int(t.info.underflow[unix.NF_INET_LOCAL_IN])
	last := int(t.info.underflow[unix.NF_INET_LOCAL_OUT])
	t.each(l, func(at int, entry []byte) {
		r := l.rule(entry)
		switch {
		case at == policy:
			in.Drops = in.Drops || r.Verdict == LegacyRefuse
		case at >= first && at < policy:
			in.Rules = append(in.Rules, r)
			in.Drops = in.Drops || r.refusesAll()
		case at > last:
			switch name := l.chainName(entry); name {
			case "":
				in.Rules = append(in.Rules, r)
			case endOfTable:
			default:
				in.Chains = append(in.Chains, name)
			}
		}
	})
	return in
}

// endOfTable stands in the last entry of a table where others have the name of a chain (XT_ERROR_TARGET).
const endOfTable = "ERROR"

// each calls see with every entry, and where it begins.
func (t *legacyTable) each(l legacy, see func(at int, entry []byte)) {
	for at := 0; len(t.entries)-at >= l.matches(); {
		rest := t.entries[at:]
		next := int(binary.NativeEndian.Uint16(rest[l.target+2:]))
		if next < l.matches() || next > len(rest) {
			return
		}
		see(at, rest[:next])
		at += next
	}
}
