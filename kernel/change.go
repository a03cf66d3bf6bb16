package kernel

import "strings"

// Op is what was done to a thing.
type Op string

// The three things that Set does.
const (
	Added   Op = "added"
	Changed Op = "changed"
	Removed Op = "removed"
)

// Kind is what sort of thing was changed.
type Kind string

// The kinds of things that Set keeps.
const (
	KindLink    Kind = "link"
	KindAddress Kind = "address"
	KindRoute   Kind = "route"
)

// Change is one thing that Set did, for the log.
type Change struct {
	Op   Op
	Kind Kind
	What string // as ip(8) would write it: "10.244.2.0/24 dev weft0 metric 1000 mtu 1440"
}

// String is one line.
func (c Change) String() string { return string(c.Op) + " " + string(c.Kind) + " " + c.What }

// Changes are what one Set did, in order. Empty: the host was as it should be.
type Changes []Change

// Any reports whether anything was done.
func (c Changes) Any() bool { return len(c) > 0 }

// String is all changes in one line.
func (c Changes) String() string {
	lines := make([]string, len(c))
	for i, change := range c {
		lines[i] = change.String()
	}
	return strings.Join(lines, "; ")
}
