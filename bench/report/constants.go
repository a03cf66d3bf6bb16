package report

// BusyShare is the share of the machine, 0 to 1, from which on other processes count as heavy use: a round with at least as
// much is counted in Row.Busy. A twentieth of the machine moves a figure by about as much as rounds differ anyway.
const BusyShare = 0.05

// reference is the subject on which comparisons of two runs are based.
const reference = "vxlan"

// References are the subjects to which ratios are taken, in the order in which they are shown.
func References() []string { return []string{reference, "host-gw"} }
