// Package metrics offers what a node knows of itself as Prometheus metrics over HTTP.
//
// Words. A family is one metric with all its label values, as in Prometheus' text format. The source is the node's state at one
// moment, the same that 'weft status --json' shows: each scrape asks for it once, so that all figures of a scrape fit together.
//
// Bounds. There are PerPeer series for each peer at most, a few for each lane, and a fixed number more. Labels take values from
// closed lists, or from this node's configuration; the only texts from the network are the names and endpoints of members,
// and there are no more of those than the mesh keeps claims.
//
// Cost. A scrape reads counters that lanes and control publish anyway. It takes no lock that a packet waits for: the state of the
// peers is copied by the router's control goroutine, between two of its turns.
package metrics
