package linkstate

// Stats are counters of an Engine since New.
type Stats struct {
	Pages   int    // in force now, of all nodes
	Signed  uint64 // own pages: changes and refreshes
	Taken   uint64 // pages of others that were news
	Known   uint64 // pages that were here already, or newer ones
	Expired uint64 // pages whose node has not been heard for 30 min (maxAge, as scaled)

	Malformed uint64 // messages that cannot be read
	Foreign   uint64 // pages of nodes that are no members
	Forged    uint64 // pages whose signature does not match
	Flooded   uint64 // messages and pages over the rate

	Sent      uint64 // messages, of all kinds
	SentBytes uint64 // of their bodies
	Received  uint64
	Held      uint64 // links that went down so often that they are held down
}
