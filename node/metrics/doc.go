// Package metrics offers what a node knows of itself as Prometheus metrics over HTTP.
//
// Words. A family is one metric with all its label values, as in Prometheus' text format. The source is the node's state at one
// moment, the same that 'weft status --json' shows: each scrape asks for it once, so that all figures of a scrape fit together.
//
// Bounds. The labels of a family take values from closed lists, except for those of peers: name and fingerprint. There are
// never more series than PerPeer for each peer, and a fixed number more (Families lists them); no text that came from
// the network is a label but the names of members, and these are bounded by the claims that a node keeps.
//
// Cost. A scrape reads counters that lanes and control publish anyway. It takes no lock that a packet waits for: the state of the
// peers is copied by the router's control goroutine, between two of its turns.
package metrics
