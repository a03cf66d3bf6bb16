// Package lab makes virtual hosts out of network namespaces, for the demo, the tests and the bench.
//
// Words. A Lab is one underlay with its hosts. The switch is a namespace of its own with one bridge, to which every host's
// eth0 is plugged. A Host is a namespace with an underlay address of each family. A Pod is a namespace behind the bridge
// weftbr0 of one host. A run is what a lab leaves on the machine: its directory /run/weft-lab/ID, the namespaces
// weft-ID-NAME (visible to `ip netns`), and the processes started in them. The owner is the process that made the lab.
//
// Ownership. Everything that the lab makes lives inside its namespaces: nothing is added to the machine's own, there is no
// way from the lab to the outside, and no default route unless SetDefaultRoute is called. Each namespace has one thread of
// its own that starts processes there. All methods may be called from any goroutine.
//
// Always. A run ends completely: by Close, or when its owner died without Close, by the next Sweep of any process (New does
// it too). An owner is known by pid and start time, so that a reused pid protects nothing and endangers nobody.
// The processes of a dead owner die with it, except in a lab that was made to be kept (Options.Keep).
// /run/netns is set up the way `ip netns add` does it, and removed after the last run if it was a lab that made it.
package lab
