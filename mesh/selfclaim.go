package mesh

import (
	"fmt"
	"net/netip"
	"slices"
	"time"
)

// raiseSpacing is the shortest time between two versions that we raise because of what we hear: a clone that does the
// same must not make a storm of it.
const raiseSpacing = time.Second

// selfClaim decides what we claim. It is pure: the clock comes in, claims go out through publish.
type selfClaim struct {
	cfg   *Config
	local Local

	current *Claim         // published last; nil: none yet
	subnets []netip.Prefix // auto: what we took
	settle  time.Time      // auto: ours if nobody else claims it by then; zero: settled
	full    netip.Prefix   // auto: the network in which no subnet is free; zero: none
	before  []Predecessor  // identities whose place we have taken
	heard   bool           // a peer has exchanged state with us
	keeps   bool           // auto: we restarted a moment ago, and what lives in our subnets may not be back yet

	floor    uint64    // the version that others have of us
	raised   time.Time // when we last jumped past floor
	adopted  time.Time // first-claim time of the same holdings in a claim of ours that others kept; zero: none
	wantJump bool
	anew     bool // auto: others have forgotten our claim, so it is a first one again
}

// step makes the claim that should be published now, or nil if that is out already. claims are those of the others.
func (s *selfClaim) step(now time.Time, claims []*Claim, rules Rules) (*Claim, error) {
	s.stepAuto(now, claims, rules)
	want := s.content(now)
	if s.current != nil && s.current.sameContent(&want) && !s.jumpDue(now) {
		return nil, nil
	}
	want.Version = s.floor + 1
	claim, err := Sign(s.cfg.Identity, want)
	if err != nil {
		return nil, err
	}
	claim.certificate = s.cfg.Admission.Own()
	if s.wantJump {
		s.raised, s.wantJump = now, false
	}
	s.anew = false
	s.current, s.floor = claim, claim.Version
	return claim, nil
}

// content is what we would claim now; its version is not set.
func (s *selfClaim) content(now time.Time) Claim {
	c := Claim{
		Keys: s.cfg.Identity.Public(), Name: s.cfg.Name, Kind: s.cfg.Subnet.Kind,
		Network: s.cfg.Network, Subnets: s.cfg.Subnet.Prefixes, Routes: s.cfg.Routes, Cut: s.local.Cut,
		Endpoints: s.local.Endpoints, UnderlayMTU: s.local.UnderlayMTU,
		MinVersion: s.local.MinVersion, MaxVersion: s.local.MaxVersion, Capabilities: s.local.Capabilities,
		Since: now, Predecessors: s.before,
	}
	if c.Kind == KindAuto {
		c.Subnets = s.subnets
	}
	if own := s.cfg.Admission.Own(); own != nil {
		c.Certificate = own.Raw()
	}
	if s.current != nil && s.current.holdsAll(&c) && !s.anew {
		c.Since = s.current.Since
	}
	if !s.adopted.IsZero() && s.adopted.Before(c.Since) {
		c.Since = s.adopted
	}
	return c
}

// holdsAll reports whether c claims all that o does, in the same way: then o may keep the first-claim time of c.
func (c *Claim) holdsAll(o *Claim) bool {
	in := func(list []netip.Prefix) func(netip.Prefix) bool {
		return func(p netip.Prefix) bool { return !slices.Contains(list, p) }
	}
	return c.Kind == o.Kind && !slices.ContainsFunc(o.Subnets, in(c.Subnets)) && !slices.ContainsFunc(o.Routes, in(c.Routes))
}

// restore starts from the claim that an earlier run published.
func (s *selfClaim) restore(c *Claim, rules Rules) {
	s.current, s.floor, s.before = c, c.Version, c.Predecessors
	if s.cfg.Subnet.Kind == KindAuto && c.Kind == KindAuto && s.fits(c.Subnets, rules) {
		s.subnets = c.Subnets
	}
}

// hear takes a claim of our own, other than the current one, that came from others. If it is not older than ours, we jump
// past it; what it held is taken up again if we hold nothing (the state directory was lost).
func (s *selfClaim) hear(c *Claim, rules Rules) (news bool) {
	if c.Version < s.floor || c.Version == s.floor && s.wantJump {
		return false
	}
	s.floor, s.wantJump = c.Version, true
	if len(s.before) == 0 {
		s.before = c.Predecessors
	}
	if s.cfg.Subnet.Kind == KindAuto && len(s.subnets) == 0 && c.Kind == KindAuto && s.fits(c.Subnets, rules) {
		s.subnets, s.settle = c.Subnets, time.Time{}
	}
	if want := s.content(c.Since); c.holdsAll(&want) && len(want.Subnets)+len(want.Routes) > 0 {
		s.adopted = c.Since
	}
	return true
}

// fits reports whether subnets are what auto would choose: one per network, of the right size.
func (s *selfClaim) fits(subnets []netip.Prefix, rules Rules) bool {
	own := s.cfg.Admission.Own()
	for _, p := range subnets {
		if own != nil && !own.AllowsSubnet(p) {
			return false
		}
		if p.Bits() != s.cfg.Subnet.bits(p.Addr()) || rules.refuseSubnet(p, s.cfg.Identity.Fingerprint()) != "" {
			return false
		}
	}
	return len(subnets) == len(rules.Network)
}

func (s *selfClaim) jumpDue(now time.Time) bool {
	return s.wantJump && now.Sub(s.raised) >= raiseSpacing
}

// stepAuto takes subnets, gives lost ones up for others, and settles.
func (s *selfClaim) stepAuto(now time.Time, claims []*Claim, rules Rules) {
	if s.cfg.Subnet.Kind != KindAuto || len(s.subnets) == 0 && !s.heard && !s.cfg.Bootstrap {
		return
	}
	lost := s.lost(claims, rules)
	if len(s.subnets) > 0 && len(lost) == 0 {
		if !s.settle.IsZero() && !now.Before(s.settle) {
			s.settle = time.Time{}
		}
		return
	}
	if s.settled() && (s.keeps || !s.movable()) {
		return
	}
	s.choose(now, claims, rules, lost)
}

// choose takes a free subnet in each network where we have none or have lost ours.
func (s *selfClaim) choose(now time.Time, claims []*Claim, rules Rules, lost []netip.Prefix) {
	occupied := newOccupied(s.cfg.Identity.Fingerprint(), s.cfg.Admission.Own(), claims, rules)
	for _, p := range s.cfg.Routes {
		occupied.claimed.Insert(p)
	}
	var subnets []netip.Prefix
	for _, network := range s.cfg.Network {
		kept := slices.IndexFunc(s.subnets, func(p netip.Prefix) bool { return covers(network, p) && !slices.Contains(lost, p) })
		if kept >= 0 {
			subnets = append(subnets, s.subnets[kept])
			continue
		}
		p, ok := pickSubnet(s.cfg.Identity.Fingerprint(), network, s.cfg.Subnet.bits(network.Addr()), occupied.by)
		if !ok {
			s.subnets, s.settle, s.full = nil, time.Time{}, network
			return
		}
		subnets = append(subnets, p)
	}
	s.subnets, s.settle, s.full = subnets, now.Add(s.cfg.Timing.Settle), netip.Prefix{}
	s.adopted = time.Time{}
}

// lost are those of our subnets that are another's, or refused.
func (s *selfClaim) lost(claims []*Claim, rules Rules) []netip.Prefix {
	if s.current == nil || len(s.subnets) == 0 || !slices.Equal(s.current.Subnets, s.subnets) {
		return nil // not claimed yet
	}
	_, conflicts := Ownership(append(slices.Clone(claims), s.current), rules)
	var lost []netip.Prefix
	for _, c := range conflicts {
		if c.Loser == s.current.id && slices.Contains(s.subnets, c.Prefix) {
			lost = append(lost, c.Prefix)
		}
	}
	return lost
}

func (s *selfClaim) movable() bool { return s.cfg.Movable == nil || s.cfg.Movable(s.subnets) }

// settled reports whether we hold what we chose.
func (s *selfClaim) settled() bool { return len(s.subnets) > 0 && s.settle.IsZero() }

// owned is what View.Self shows: our claim, once we own what it says.
func (s *selfClaim) owned() *Claim {
	if s.cfg.Subnet.Kind == KindAuto && !s.settled() {
		return nil
	}
	return s.current
}

// next is when step has something to do though nothing happens; zero: never.
func (s *selfClaim) next() time.Time {
	jump := time.Time{}
	if s.wantJump {
		jump = s.raised.Add(raiseSpacing)
	}
	return earlier(s.settle, jump)
}

// state says how far we are. conflicts are those in which nobody has a claim to what it had before: both sides of a
// conflict come to the same result.
func (s *selfClaim) state(conflicts []Conflict) SelfState {
	if s.cfg.Subnet.Kind == KindAuto {
		switch {
		case s.full.IsValid():
			return SelfState{SelfFull, fmt.Sprintf("no free subnet in %v", s.full)}
		case len(s.subnets) == 0:
			return SelfState{SelfWaiting, "no peer has answered yet; a subnet is claimed after one did, or with bootstrap"}
		case !s.settled():
			return SelfState{SelfClaiming, fmt.Sprintf("claimed %v", s.subnets)}
		}
	}
	for _, c := range conflicts {
		if c.Loser == s.cfg.Identity.Fingerprint() {
			return SelfState{SelfConflict, c.String()}
		}
	}
	return SelfState{Phase: SelfOwner}
}

// earlier is the earlier of two times, where zero means never.
func earlier(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}
