// Package doctor looks at this machine and says what keeps weft from running, or from being fast, and what mends it.
//
// Words. A check looks at one thing; its finding is ok, warn (weft runs, but not as well as it could) or fail (it does not
// run). A remedy says what mends it; where a command does, the remedy begins with it.
//
// Look gathers facts; Examine judges them and touches nothing. Where a daemon runs, its word counts for device and port: it has
// them open, as it is configured. Else the kernel is asked by a device and a port that are gone at once.
package doctor

import "strings"

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
	Command string  `json:"command,omitempty"` // of the remedy, for a shell as it is; none: no one command mends it
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

// examinations are in the order in which a host is set up: what weft needs, its configuration, the network around it, its
// peers, and what makes it fast.
var examinations = []func(*Facts) []Check{
	checkKernel, checkTUN, checkPrivileges, checkSteering, checkNAT, checkPods, checkInstalled, checkConfig, checkFiles, checkEncryption,
	checkSecretAge, checkCertificate, checkStateDir, checkDaemon,
	checkNetwork, checkDocker, checkEgress, checkForwarding, checkReversePath, checkForwardFilter, checkInputFilter,
	checkMTU, checkNeighbours, checkClock, checkPeers, checkVersions, checkTranslation, checkReach,
	checkDriver, checkDevice, checkPort, checkBuffers, checkQueue, checkLanes, checkSpin, checkTrains, checkLosses, checkNIC,
}

// Examine judges the facts.
func Examine(f *Facts) *Report {
	r := &Report{Daemon: f.view(), Checks: []Check{}}
	for _, look := range examinations {
		r.Checks = append(r.Checks, look(f)...)
	}
	return r
}

// one is the list of a check that ends with one finding, whose remedy is in words.
func one(name string, finding Finding, detail, remedy string) []Check {
	return []Check{{Name: name, Finding: finding, Detail: detail, Remedy: remedy}}
}

// mended is a check whose finding a command mends; further is what else there is to say about that, or nothing.
func mended(name string, finding Finding, detail, command, further string) []Check {
	return []Check{{Name: name, Finding: finding, Detail: detail, Remedy: command + further, Command: command}}
}

// quoted is a word for a POSIX shell.
func quoted(word string) string {
	plain := func(r rune) bool {
		return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("-_./:,@+", r)
	}
	if word != "" && strings.IndexFunc(word, func(r rune) bool { return !plain(r) }) < 0 {
		return word
	}
	return "'" + strings.ReplaceAll(word, "'", `'\''`) + "'"
}
