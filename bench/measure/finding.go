package measure

import (
	"fmt"
	"strings"
)

// Names of the checks.
const (
	CheckPayload   = "payload"
	CheckIdentity  = "identity" // made by who knows the subject
	CheckChecksums = "checksums"
	CheckFragments = "fragments"
)

// Finding is the outcome of one check.
type Finding struct {
	Check  string // one of the Check constants
	OK     bool
	Detail string // what was seen when it does not hold, in one line
}

// Findings are the checks that an observation allows: that no packet arrived with a wrong checksum, and that no packet was cut
// into fragments or joined from them, in any namespace of the subject. Packets that were refused because they may not be
// cut (IpFragFails) are no fragments: that is how a path tells its MTU.
func Findings(o Observation) []Finding {
	return []Finding{
		zero(o, CheckChecksums, []string{CounterUDPChecksum, CounterTCPChecksum}, CounterUDP6Checksum, CounterIPChecksum),
		zero(o, CheckFragments, []string{CounterFragments, CounterReassembly}, CounterFragments6, CounterReassembly6),
	}
}

// zero checks that counters stood still. Those that the kernel must have and has not make the check fail: it was not made.
func zero(o Observation, check string, must []string, also ...string) Finding {
	var seen []string
	for _, name := range must {
		if _, counted := o.Counters[name]; !counted {
			seen = append(seen, name+" was not counted")
		}
	}
	for _, name := range append(must, also...) {
		if n := o.Counters[name]; n > 0 {
			seen = append(seen, fmt.Sprintf("%s rose by %d", name, n))
		}
	}
	return Finding{Check: check, OK: len(seen) == 0, Detail: strings.Join(seen, ", ")}
}
