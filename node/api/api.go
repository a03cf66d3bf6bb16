// Package api is what the daemon and the commands say to each other over the unix socket: HTTP, with the JSON of the
// types here. Field names are stable; new ones may be added.
package api

import (
	"net/netip"
	"time"
)

// Paths of the control API. All are GET but PathStop and PathDialBack, which are POST.
const (
	PathStatus = "/v1/status"
	PathPeers  = "/v1/peers"
	PathRoutes = "/v1/routes"
	PathStop   = "/v1/stop"

	PathDialBack   = "/v1/dialback"         // with ?peer=NAME
	PathConfig     = "/v1/config"           // []Setting
	PathLog        = "/v1/log"              // text: the latest lines
	PathGoroutines = "/v1/debug/goroutines" // text: all stacks, equal ones together
	PathHeap       = "/v1/debug/heap"       // a heap profile, as go tool pprof reads it
)

// Status is the whole state of a node at one moment.
type Status struct {
	Node  Node   `json:"node"`
	Peers []Peer `json:"peers"`
}

// Node is the state of the node itself.
type Node struct {
	Name       string            `json:"name"`
	ID         string            `json:"id"` // fingerprint of its keys, hexadecimal
	Version    string            `json:"version"`
	PID        int               `json:"pid"`
	Started    time.Time         `json:"started"`
	Network    []netip.Prefix    `json:"network"`
	SubnetMode string            `json:"subnet_mode"` // static, auto or k8s
	Subnets    []netip.Prefix    `json:"subnets"`
	SubnetNote string            `json:"subnet_note,omitempty"` // why there is none yet
	Addresses  []netip.Addr      `json:"addresses"`
	Encryption string            `json:"encryption"` // on or off
	Device     Device            `json:"device"`
	Listen     string            `json:"listen"`
	Routes     []Behind          `json:"routes"` // the networks behind the node
	Advertised []Advertised      `json:"advertised"`
	Translated []Seen            `json:"translated"` // where peers see the node, if not at an address of its own; most peers first
	Socket     Socket            `json:"socket"`
	Degraded   []Note            `json:"degraded"` // what is not as good as it could be
	Conflicts  []Note            `json:"conflicts"`
	Refused    []Note            `json:"refused"` // who was refused, and why
	Seeds      []Seed            `json:"seeds"`
	Sent       Traffic           `json:"sent"`
	Received   Traffic           `json:"received"`
	Relayed    Traffic           `json:"relayed"` // frames of others that were sent on
	Drops      map[string]uint64 `json:"drops"`   // packets by reason
	Split      Split             `json:"split"`   // packets whose frames went or came in parts
	Streams    Streams           `json:"streams"`
	Handshakes Handshakes        `json:"handshakes"`
	Paths      Paths             `json:"paths"`
	Members    Members           `json:"members"`
	Claims     int               `json:"claims"` // known, the node's own among them
	Gossip     Gossip            `json:"gossip"`
	Config     ConfigState       `json:"config"`
	Secrets    []Secret          `json:"secrets"`   // that it holds, the one that it speaks under first
	KeySince   time.Time         `json:"key_since"` // when its own keys were made
	FastPath   FastPath          `json:"fastpath"`
	Trust      Trust             `json:"trust"`
	Pods       Pods              `json:"pods"`
	Kubernetes *Kubernetes       `json:"kubernetes,omitempty"` // with subnet k8s
}

// Device is the TUN device.
type Device struct {
	Name     string    `json:"name"`
	Driver   string    `json:"driver"`
	Why      string    `json:"why"`
	MTU      int       `json:"mtu"`
	Features []Feature `json:"features"`
}

// Socket is the UDP port.
type Socket struct {
	Port          int       `json:"port"`
	ReceiveBuffer int       `json:"receive_buffer"` // bytes, as granted
	SendBuffer    int       `json:"send_buffer"`
	Overflow      uint64    `json:"overflow"` // datagrams that the kernel dropped because the receive buffer was full
	Features      []Feature `json:"features"`
}

// Streams counts the TCP connections to the port by what became of them.
type Streams struct {
	Accepted uint64 `json:"accepted"`
	Garbage  uint64 `json:"garbage"` // did not begin as a stream of weft
	Refused  uint64 `json:"refused"` // of another secret or setting
	Busy     uint64 `json:"busy"`    // over a limit
	Failed   uint64 `json:"failed"`  // cut off, too slow, or not authentic

	Uncertified uint64 `json:"uncertified"` // one end does not admit the other

	Spliced      uint64 `json:"spliced"`       // joined to a stream of another node, for two that cannot call each other
	Unspliced    uint64 `json:"unspliced"`     // asked for that in vain
	SplicedBytes uint64 `json:"spliced_bytes"` // that such streams carried, both ways, once they have ended
}

// Split counts packets whose frames were too long for the path, as far as it was known, and travelled in parts.
type Split struct {
	Out uint64 `json:"out"`
	In  uint64 `json:"in"`
}

// Handshakes counts those that others began with the node. What was refused or limited is among Drops.
type Handshakes struct {
	Answered uint64 `json:"answered"`
	Cookies  uint64 `json:"cookies"` // asked for a proof of the sender's address, under load
}

// Paths counts how often packets to a peer that was reached went another way.
type Paths struct {
	ToRelay  uint64 `json:"to_relay"`  // moves to relays, or to others
	ToDirect uint64 `json:"to_direct"` // moves back
}

// Members counts the other nodes.
type Members struct {
	Known int `json:"known"`
	Alive int `json:"alive"` // gossip reaches them
	Left  int `json:"left"`  // they said goodbye
}

// Gossip counts what was dropped of it. It comes again, but for what was refused.
type Gossip struct {
	Transport uint64 `json:"transport"` // packets and streams that came faster than they were taken
	Messages  uint64 `json:"messages"`  // likewise
	Unsent    uint64 `json:"unsent"`    // packets that the port did not take
	Refused   uint64 `json:"refused"`   // messages that are not in order: their form, or a signature that does not match
}

// ConfigState says how it went with the configuration.
type ConfigState struct {
	Loaded   time.Time `json:"loaded"`   // when that in force was read
	Rejected bool      `json:"rejected"` // the latest reload was; 'config' among what is degraded says why
}

// Feature is something that the kernel can do for speed, and whether it does.
type Feature struct {
	Name   string `json:"name"`
	State  string `json:"state"`
	Reason string `json:"reason,omitempty"`
}

// Seen is an endpoint at which peers see the node.
type Seen struct {
	Endpoint netip.AddrPort `json:"endpoint"`
	Peers    int            `json:"peers"` // how many say so
}

// Advertised is an address that the node tells its peers to call it at.
type Advertised struct {
	Endpoint netip.AddrPort `json:"endpoint"`
	Why      string         `json:"why"`
}

// Note is one thing worth an operator's attention.
type Note struct {
	What   string    `json:"what"`
	Reason string    `json:"reason"`
	Since  time.Time `json:"since,omitzero"`
}

// States of a seed that has answered.
const (
	SeedJoined = "joined"    // it is a member now
	SeedSelf   = "this node" // it leads back here, as in a list of seeds that all nodes share
)

// Seed is one configured address of the cluster.
type Seed struct {
	Address string    `json:"address"`
	State   string    `json:"state"` // SeedJoined, SeedSelf, or the last error
	Name    string    `json:"name,omitempty"`
	Tries   int       `json:"tries"`
	Since   time.Time `json:"since,omitzero"`
	Next    time.Time `json:"next,omitzero"`
}

// Traffic counts delivered packets and their bytes, from the inner IP header on.
type Traffic struct {
	Packets uint64 `json:"packets"`
	Bytes   uint64 `json:"bytes"`
}

// How packets reach a peer.
const (
	PathUDP   = "udp"   // straight
	PathRelay = "relay" // through other nodes
	PathNone  = "none"  // not at all
)

// Peer states.
const (
	StateUp      = "up"      // packets flow
	StateDown    = "down"    // a member that is not reached
	StateAway    = "away"    // it said goodbye
	StateUnknown = "unknown" // a member whose claim is not here yet
	StateRefused = "refused" // a member that takes no part: its certificate is not in order, or it was revoked
)

// Peer is the state of one peer.
type Peer struct {
	Name     string         `json:"name"`
	ID       string         `json:"id"`
	State    string         `json:"state"`
	Reason   string         `json:"reason,omitempty"` // why it is not up
	Since    time.Time      `json:"since,omitzero"`
	Path     string         `json:"path"` // PathUDP, PathRelay or PathNone
	Via      string         `json:"via"`  // names of the relays
	Endpoint string         `json:"endpoint"`
	SeesUs   string         `json:"sees_us"` // our endpoint as the peer sees it
	RTT      int64          `json:"rtt_us"`
	Loss     *float64       `json:"loss,omitempty"`      // share of the probes of its path that were lost lately; none: there is no path, or it is not measured
	MTU      int            `json:"mtu"`                 // of the overlay towards it
	PathMTU  int            `json:"path_mtu,omitempty"`  // of the underlay towards it; 0: not known
	MTUKnown string         `json:"mtu_known,omitempty"` // how: link, verified or searching
	Sealed   bool           `json:"sealed"`
	Cipher   string         `json:"cipher,omitempty"`
	Member   bool           `json:"member"` // alive in gossip
	Subnets  []netip.Prefix `json:"subnets"`
	Addrs    []netip.Addr   `json:"addresses"` // the peer's own in the overlay
	Sent     Traffic        `json:"sent"`
	Received Traffic        `json:"received"`
	Session  bool           `json:"session"` // there are keys in force
	Secret   string         `json:"secret"`  // short id of the secret that they were made under; empty: there are none

	Handshakes    uint64    `json:"handshakes"`              // that brought keys into force
	Rekeys        uint64    `json:"rekeys"`                  // those that replaced keys in force
	LastHandshake time.Time `json:"last_handshake,omitzero"` // when the newest keys were made

	Version string   `json:"version,omitempty"`       // of its weft; none: an older build, or no session yet
	Skew    *int64   `json:"clock_skew_ms,omitempty"` // its clock less ours; none: not known
	Tried   []string `json:"tried,omitempty"`         // what was tried without success, to reach it straight

	Relays    []string  `json:"relays,omitempty"`  // names of the relays, in the order in which packets pass them
	Standby   []string  `json:"standby,omitempty"` // names of relays that stand ready, should this path fail
	Why       string    `json:"why,omitempty"`     // why packets take this path
	PathSince time.Time `json:"path_since,omitzero"`

	EndpointWhy string      `json:"endpoint_why,omitempty"` // why the direct path leads to the endpoint that it does
	Candidates  []Candidate `json:"candidates,omitempty"`   // endpoints that are compared; none: there is but one, or the direct path is down

	NoDirect string `json:"no_direct,omitempty"` // why calls at all candidate endpoints found no direct path to a peer that is relayed
}

// Route is one prefix of the overlay and who owns it.
type Route struct {
	Prefix netip.Prefix `json:"prefix"`
	Owner  string       `json:"owner"`
	ID     string       `json:"id"`
	Kind   string       `json:"kind"`           // own, peer, conflict or refused
	Type   string       `json:"type"`           // subnet, or route: a network behind the owner
	Role   string       `json:"role,omitempty"` // of a route: RoleActive or RoleStandby
	State  string       `json:"state"`          // in force, standby, waiting or refused
	Via    string       `json:"via"`
	MTU    int          `json:"mtu"`
	Reason string       `json:"reason,omitempty"`
}
