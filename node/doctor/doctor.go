// Package doctor looks at this machine and says what keeps weft from running, or from being fast, and what mends it.
//
// Words. A check looks at one thing; its finding is ok, warn (weft runs, but not as well as it could) or fail (it does not
// run). A remedy is the command that mends it, or what to do where no command does.
//
// Look gathers facts; Examine judges them and touches nothing. Where a daemon runs, its word counts for device and port: it has
// them open, as it is configured. Else the kernel is asked by a device and a port that are gone at once.
package doctor

// Finding is the outcome of a check.
type Finding string

// The findings.
const (
	OK   Finding = "ok"
	Warn Finding = "warn"
	Fail Finding = "fail"
)

// Check is one thing that was looked at. The names are stable; new ones may be added.
type Check struct {
	Name    string  `json:"name"`
	Finding Finding `json:"finding"`
	Detail  string  `json:"detail"`
	Remedy  string  `json:"remedy,omitempty"`
}

// Report is what was found.
type Report struct {
	Daemon string  `json:"daemon"` // whose view it is: of the daemon that runs, or of this machine without one
	Checks []Check `json:"checks"`
}

// Count is how many checks ended so.
func (r *Report) Count(f Finding) (n int) {
	for _, c := range r.Checks {
		if c.Finding == f {
			n++
		}
	}
	return n
}

// Examine judges the facts.
func Examine(f *Facts) *Report {
	r := &Report{Daemon: f.view(), Checks: []Check{}}
	for _, look := range []func(*Facts) []Check{checkKernel, checkTUN, checkPrivileges, checkDaemon, checkDriver, checkDevice, checkPort,
		checkBuffers, checkQueue, checkLanes, checkSpin, checkTrains, checkLosses, checkEgress, checkNIC} {
		r.Checks = append(r.Checks, look(f)...)
	}
	return r
}

// one is the list of a check that ends with one finding.
func one(name string, finding Finding, detail, remedy string) []Check {
	return []Check{{Name: name, Finding: finding, Detail: detail, Remedy: remedy}}
}
