package api

import (
	"context"
	"net/http"
	"net/netip"
	"net/url"
	"time"
)

// PathTrace is POST, with ?dst=ADDRESS and perhaps &src=ADDRESS: a Trace.
const PathTrace = "/v1/trace"

// Where the destination of a Trace is.
const (
	TraceSelf    = "self"    // at this node
	TracePeer    = "peer"    // at a peer that owns it
	TraceNobody  = "nobody"  // in the overlay, and nobody owns it
	TraceOutside = "outside" // not in the overlay
)

// Trace is what becomes of a packet: by the tables of this node, and by what the nodes on its way answer.
type Trace struct {
	Source      netip.Addr  `json:"source"`
	Destination netip.Addr  `json:"destination"`
	Where       string      `json:"where"`              // TraceSelf, TracePeer, TraceNobody or TraceOutside
	Routes      []Route     `json:"routes"`             // prefixes that hold the destination, as Routes has them; the one that counts first
	Kernel      TraceKernel `json:"kernel"`             // what the kernel of this host does with it
	Drop        string      `json:"drop,omitempty"`     // reason for which this node drops such a packet of its own; none: it is sent
	Why         string      `json:"why,omitempty"`      // what that reason means here
	From        *TraceFrom  `json:"from,omitempty"`     // of a source that is a peer's
	Masqueraded bool        `json:"masqueraded"`        // a packet of this host gets another source before weft has it: this one is not of the overlay
	Peer        *Peer       `json:"peer,omitempty"`     // the owner of the destination, as Peers has it
	Hops        []TraceHop  `json:"hops"`               // the nodes on the way, the last one being the owner
	Unprobed    string      `json:"unprobed,omitempty"` // why nobody was asked
	Reached     bool        `json:"reached"`            // the owner answered, and nobody on the way says that he would drop the packet
	End         string      `json:"end"`                // what becomes of it, in words
}

// TraceKernel is the kernel's route to a destination.
type TraceKernel struct {
	Interface string       `json:"interface,omitempty"` // that packets leave by; empty: there is no route, or the destination is the host's own
	Source    netip.Addr   `json:"source,omitzero"`     // that they get if they have none
	MTU       int          `json:"mtu,omitempty"`
	Prefix    netip.Prefix `json:"prefix,omitzero"` // of the route that weft has made
	Overlay   bool         `json:"overlay"`         // the interface is weft's
	Error     string       `json:"error,omitempty"` // why there is no route
}

// TraceFrom is what this node does with a packet that the peer sends here which owns its source.
type TraceFrom struct {
	Peer string `json:"peer"`
	Drop string `json:"drop,omitempty"` // reason for which it is dropped; none: it goes to the kernel
	Why  string `json:"why,omitempty"`  // what that means here
}

// TraceHop is one node on the way.
type TraceHop struct {
	Name     string    `json:"name"`
	ID       string    `json:"id,omitempty"` // none: no member, or several, have its number
	Number   string    `json:"number"`
	Asked    int       `json:"asked"`             // questions that were sent
	Times    []int64   `json:"rtt_us"`            // of the answers, in the order in which they came
	Received time.Time `json:"received,omitzero"` // the last question that was answered, by the node's clock
	Via      string    `json:"via,omitempty"`     // relay that it came by; none: straight
	Seen     string    `json:"seen,omitempty"`    // endpoint that it came from, if it came straight
	Back     []string  `json:"back"`              // relays by which packets come back from there; none: straight
	Drop     string    `json:"drop,omitempty"`    // reason for which the node would drop the packet, as it says
	Why      string    `json:"why,omitempty"`     // what that means, or why it was not asked
}

// traceTimeout is longer than the daemon takes for a trace.
const traceTimeout = 8 * time.Second

// Trace asks what becomes of a packet. src may be invalid: then it is the node's own address in the overlay. The error wraps ErrRejected
// where there is no such packet.
func (c *Client) Trace(ctx context.Context, src, dst netip.Addr) (*Trace, error) {
	q := url.Values{"dst": {dst.String()}}
	if src.IsValid() {
		q.Set("src", src.String())
	}
	patient := &Client{socket: c.socket, http: http.Client{Transport: c.http.Transport, Timeout: traceTimeout}}
	return ask[*Trace](ctx, patient, http.MethodPost, PathTrace+"?"+q.Encode())
}
