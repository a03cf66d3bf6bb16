package report

// BusyShare is the share of the machine, 0 to 1, from which on other processes count as heavy use: a round with more is
// counted in Row.Busy. A twentieth of the machine is what a measurement of ±10 % just hides.
const BusyShare = 0.05

// References are the subjects to which ratios are taken, in the order in which they are shown.
var References = []string{"vxlan", "host-gw"}
