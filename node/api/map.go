package api

import "context"

// PathMap is GET: a Map.
const PathMap = "/v1/map"

// Map is the graph of the cluster as one node knows it: what all nodes say of their direct links.
type Map struct {
	Self  string    `json:"self"`  // id of the node that knows it
	Nodes []MapNode `json:"nodes"` // by name, then id
	Links []MapLink `json:"links"` // of pairs of which one at least says that its link to the other is up
}

// Relay policies of a MapNode.
const (
	RelayAllowed = "allow"  // it passes packets of others on
	RelayRefused = "refuse" // it does not
)

// States of a MapNode, as gossip knows it.
const (
	MapSelf  = "self" // the node that knows the map
	MapAlive = "alive"
	MapLeft  = "left" // it said goodbye
	MapDead  = "dead" // gossip does not reach it
)

// MapNode is one member.
type MapNode struct {
	Name   string `json:"name"`
	ID     string `json:"id"`
	Number string `json:"number"`           // hexadecimal; what relayed packets call it
	State  string `json:"state"`            // MapSelf, MapAlive, MapLeft or MapDead
	Relay  string `json:"relay"`            // RelayAllowed or RelayRefused; empty: it has not said
	Silent bool   `json:"silent"`           // it says nothing of its links, or has not for 30 min: an older build, or not there
	Shared bool   `json:"shared,omitempty"` // another member has its number: nothing is relayed to or from either
	Age    int64  `json:"age_ms"`           // of the oldest of what counts of it; 0 if it is silent
}

// MapLink is the link of a pair. Classes are those of the end that says worse. An end that does not say that the link is up says that
// it is down, or nothing of its links at all.
type MapLink struct {
	A       string  `json:"a"` // name
	B       string  `json:"b"`
	AID     string  `json:"a_id"`
	BID     string  `json:"b_id"`
	UpA     bool    `json:"up_a"`        // A says that it is up
	UpB     bool    `json:"up_b"`        // B says so
	InUse   bool    `json:"in_use"`      // both do: packets of others go over it
	RTT     string  `json:"rtt"`         // class, such as "4-8 ms"
	RTTFrom float64 `json:"rtt_from_ms"` // its lower end
	RTTTo   float64 `json:"rtt_to_ms"`   // its upper end; 0: it has none
	Loss    string  `json:"loss"`        // class, such as "1-3 %"
	Lossy   int     `json:"loss_class"`  // its number; 0: none are lost
	Cost    float64 `json:"cost_ms"`     // in a path; 0 if it is not in use
	Age     int64   `json:"age_ms"`      // since the older of what the ends say was signed
}

// Map asks for the graph of the cluster.
func (c *Client) Map(ctx context.Context) (*Map, error) { return get[*Map](ctx, c, PathMap) }
