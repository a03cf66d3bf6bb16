package bench

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/weftnet/weft/bench/measure"
)

// The presets.
const (
	Quick    = "quick"
	Standard = "standard"
	Full     = "full"
)

// Presets are the names of all presets, the shortest first.
func Presets() []string { return []string{Quick, Standard, Full} }

// preset is a run that one can ask for by one word.
type preset struct {
	subjects []string // empty: all
	measures []string // empty: all
	lengths  measure.Lengths
	rounds   int
}

// quickLengths keep three subjects with three measures in ten rounds under 90 s with set-up. On a shared machine many short
// rounds give ratios that vary less than few long ones do: what disturbs lasts for seconds. iperf3 takes whole seconds only.
var quickLengths = measure.Lengths{
	Bulk: time.Second, Trial: 300 * time.Millisecond, Trials: 6,
	Latency: 400 * time.Millisecond, Connect: 500 * time.Millisecond,
}

// sideBySide are the subjects of standard and full: the references, the driver super sealed and not, and each of the slower
// drivers once, as it is most likely to be met. What is left out differs from what is there in one thing that is shown already.
var sideBySide = []string{
	"underlay", "host-gw", "vxlan", "weft-plain-clear", "weft-batch-sealed", "weft-super-clear", "weft-super-sealed",
	"wireguard-go", "wireguard",
}

// longLengths are the same for standard and full, so that their reports can be compared. Five rounds of nine subjects have 45
// visits (kernels without WireGuard have eight subjects): 15 s each make about eleven minutes, 55 s each at most 41. A search
// for a rate that ends early, as most do, makes a visit of full ten seconds shorter.
var longLengths = measure.Lengths{
	Bulk: 2 * time.Second, Trial: 500 * time.Millisecond, Trials: 8,
	Latency: 2 * time.Second, Connect: 2 * time.Second,
}

var presets = map[string]preset{
	Quick: {
		subjects: []string{"vxlan", "weft-super-clear", "weft-super-sealed"},
		measures: []string{"tcp1", "tcp4", "rr-tcp"}, // tcp4 gives the CPU's figures as well
		lengths:  quickLengths,
		rounds:   10,
	},
	Standard: {
		subjects: sideBySide,
		measures: []string{"tcp1", "tcp4", "udp1350", "rr-tcp", "memory", "mtu"},
		lengths:  longLengths,
		rounds:   5,
	},
	Full: {subjects: sideBySide, lengths: longLengths, rounds: 5},
}

func presetByName(name string) (preset, error) {
	p, known := presets[name]
	if !known {
		return p, usage("unknown preset %q: there are %s", name, strings.Join(Presets(), ", "))
	}
	return p, nil
}

// choose keeps those of all whose name is among names, in the order of all.
func choose[T any](all []T, name func(T) string, names []string) []T {
	var chosen []T
	for _, one := range all {
		if slices.Contains(names, name(one)) {
			chosen = append(chosen, one)
		}
	}
	return chosen
}

// unknownName lists what there is.
func unknownName(name string, m machine) error {
	return usage("%s", fmt.Sprintf("unknown subject or measure %q: the subjects are %s; the measures are %s",
		name, strings.Join(subjectNames(m.subjects()), ", "), strings.Join(measureNames(m.measures()), ", ")))
}
