package mesh

import (
	"net/netip"
	"slices"
	"time"

	"github.com/weftnet/weft/trust"
)

// View is a snapshot of the cluster as this node sees it. It is immutable: what it refers to must not be changed.
type View struct {
	Version   uint64 // raised with every view
	Self      *Claim // nil until we own what we claim (auto)
	SelfState SelfState
	// Heard: a peer has exchanged full state with us since we started; it stays false while we are alone.
	Heard bool
	// Established: that was long enough ago that we know who is there. Before, our own claims and those of a few are all that
	// we know, and to have a prefix assigned means nothing: an Assignment that was made from a view that is not Established
	// is no previous one for Assign.
	Established bool
	// Kept says who owned each subnet before we restarted, until 10 s after the first exchange with a peer; else nil.
	Kept      Assignment
	Members   []Member   // all other nodes that are known, dead ones too; by name, then fingerprint
	Claims    []*Claim   // of all that take part, ours too; by fingerprint
	Refused   []Conflict // the prefixes of those that do not; Assign has them among its conflicts
	Rules     Rules
	Conflicts []Conflict // with every member that gossip reaches taken as reachable
	Seeds     []SeedStatus
}

// Assign is the function Assign for this view. previous is nil unless it was made from a view that is Established; what is Kept
// takes its place then. The owners of what is Kept are awaited while they are not reached.
func (v View) Assign(previous Assignment, reach func(trust.Fingerprint) Reach) (Assignment, []Conflict) {
	if previous == nil {
		previous = v.Kept
	}
	a, conflicts := Assign(previous, v.Claims, v.Rules, v.Kept.awaiting(reach))
	return a, sorted(slices.Concat(conflicts, v.Refused))
}

// Gateways is the function Gateways for this view.
func (v View) Gateways(a Assignment, conflicts []Conflict) map[netip.Prefix][]*Claim {
	return Gateways(v.Claims, a, conflicts)
}

// Member is another node.
type Member struct {
	ID       trust.Fingerprint
	Name     string // of its claim, else of its last stream, else the short fingerprint
	Claim    *Claim // nil: not heard yet, or it does not count
	Refused  string // why it does not count: a clause such as "it shows no certificate"; or ""
	Alive    bool   // gossip reaches it
	Left     bool   // not alive: it said goodbye
	Since    time.Time
	Observed []netip.AddrPort // where its streams came from or went to, newest first, with its listening port
	SeesUsAs netip.AddrPort   // zero: unknown
}

// SelfPhase is how far we are with our own claim.
type SelfPhase string

// The phases.
const (
	SelfWaiting  SelfPhase = "waiting"  // auto: no peer has answered yet
	SelfClaiming SelfPhase = "claiming" // auto: claimed, waiting whether somebody else did, too
	SelfOwner    SelfPhase = "owner"    // what we claim is ours
	SelfConflict SelfPhase = "conflict" // others have what we claim, or a part of it; or it is refused
	SelfFull     SelfPhase = "full"     // auto: no free subnet
)

// SelfState is how far we are with our own claim, and why.
type SelfState struct {
	Phase  SelfPhase
	Reason string // for people; may be empty
}

// SeedStatus says how it went with one seed.
type SeedStatus struct {
	Address   string // as configured
	OK        bool   // it answered, and who answered is a member now
	Since     time.Time
	LastError string
	Tries     int // since it last was OK
	NextTry   time.Time
	Peer      string // the name of who answered last
	Self      bool   // that is this node: OK, and leads nowhere
}
