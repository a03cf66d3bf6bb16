package mesh

import (
	"time"
)

// Claimant is the engine that decides what a node claims, for who drives it without a Mesh: simulations. It is deterministic: time and
// what others claim come in as arguments. It belongs to one goroutine.
type Claimant struct {
	cfg  Config
	self selfClaim
}

// NewClaimant makes the engine of a node that has claimed nothing yet. Of cfg it needs Identity, Name, Network and Subnet; Routes,
// Bootstrap, Movable, Admission and Timing count as in a Mesh, the rest does not.
func NewClaimant(cfg Config, local Local) *Claimant {
	c := &Claimant{cfg: cfg.withDefaults()}
	c.self = selfClaim{cfg: &c.cfg, local: local.valid()}
	return c
}

// Restore goes on from the claim that an earlier run of the node published.
func (c *Claimant) Restore(own *Claim) { c.self.restore(own, c.rules()) }

// SetLocal says what the claim shall tell of the node.
func (c *Claimant) SetLocal(l Local) { c.self.local = l.valid() }

// Exchanged notes that a peer has exchanged its whole state with this node: before, an automatic subnet is chosen only with Bootstrap.
func (c *Claimant) Exchanged() { c.self.heard = true }

// Hear takes a claim under the node's own key, which others have. One that is not the current one will be surpassed.
func (c *Claimant) Hear(own *Claim) {
	if c.self.current == nil || own.digest != c.self.current.digest {
		c.self.hear(own, c.rules())
	}
}

// Step returns the claim that is to be published now; nil: what is published already. others are the claims of all other nodes.
func (c *Claimant) Step(now time.Time, others []*Claim) (*Claim, error) {
	return c.self.step(now, others, c.rules())
}

// Next is when Step has something to do though nothing happens; zero: never.
func (c *Claimant) Next() time.Time { return c.self.next() }

// Owned is the node's claim once it owns what that says; nil: not yet.
func (c *Claimant) Owned() *Claim { return c.self.owned() }

func (c *Claimant) rules() Rules {
	return Rules{Network: c.cfg.Network, Forbidden: c.cfg.Forbidden, Strict: c.cfg.Admission.Strict()}
}
