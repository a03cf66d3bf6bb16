package measure

import (
	"fmt"
	"slices"
	"strings"
)

// cpuAlias is another name of tcp4: the processor time per byte is taken during that transfer, so that none runs twice.
const cpuAlias = "cpu"

// All are the measures in the order in which a round runs them: those that may leave traces on the subject come last.
func All() []Measure {
	return []Measure{
		bulk{streams: 1}, bulk{streams: 4, cpu: true}, bulk{streams: 16}, bulk{streams: 1, both: true},
		bulk{streams: 1, hosts: true}, trains{},
		packets{payload: 64}, packets{payload: 512}, packets{payload: 1350},
		roundTrips{proto: "tcp"}, roundTrips{proto: "udp"},
		roundTrips{proto: "tcp", loaded: true}, roundTrips{proto: "udp", loaded: true},
		connections{}, pathMTU{}, idle{}, memory{}, restart{},
	}
}

// Names are the IDs of All, in its order. ByName takes one more: cpu, for tcp4.
func Names() []string {
	var names []string
	for _, m := range All() {
		names = append(names, m.ID())
	}
	return names
}

// ByName finds a measure by its ID, and tcp4 also by the name cpu. The error lists the known names.
func ByName(name string) (Measure, error) {
	all := All()
	i := slices.IndexFunc(all, func(m Measure) bool {
		return m.ID() == name || name == cpuAlias && slices.ContainsFunc(m.Metrics(), isCPU)
	})
	if i < 0 {
		return nil, fmt.Errorf("measure: unknown measure %q (known: %s %s)", name, strings.Join(Names(), " "), cpuAlias)
	}
	return all[i], nil
}
