package mesh

import (
	"context"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/memberlist"

	"github.com/weftnet/weft/trust"
)

// maxClaims bounds the set: members are trusted not to invent nodes, but not with all of our memory.
const maxClaims = 8192

// owner is the state of a Mesh. Only the goroutine inside Run touches it.
type owner struct {
	cfg  *Config
	me   memberName
	log  *slog.Logger
	mail *mailbox

	ctx       context.Context // of calls and fetches
	workers   sync.WaitGroup
	transport *transport
	delegate  *delegate
	list      *memberlist.Memberlist
	book      *book
	files     *stateFiles
	publish   func(View, bool) // bool: more than seeds changed

	set        *Set
	self       *selfClaim
	members    map[trust.Fingerprint]*member
	caller     *caller
	fetches    fetches
	assignment Assignment // by what gossip reaches
	incumbent  bool       // assignment counts: it was made when we knew the others
	kept       Assignment // of the run before; nil: there was none, or its time is over
	owners     Assignment // of subnets, as in force; for the peers file
	heardAt    time.Time  // of the first exchange with a peer
	conflicts  []Conflict // of it
	standing   []Conflict // as if nothing had been assigned before: what our own claim is worth
	version    uint64
	cloned     *CloneError
	admissions admissions
	dropped    dropped
	tombstones tombstones
	burials    burials
	succeeded  string    // what we say when another node has taken our place
	burialSaid time.Time // when it was last said that others were told to forget us
	together   time.Time // since when others are there; zero: we are alone

	refusedClaims atomic.Uint64 // that were heard; others than the owner read it
	badMessages   atomic.Uint64 // likewise
	cloneSeen     string        // what we say about a clone that has to stop

	changed      bool // anything but seeds
	seedsChanged bool
	peersChanged bool // what the peers file holds
	recheck      time.Time
	sync         time.Time // when to ask for what gossip has not brought; zero: nothing is missing
	syncWait     time.Duration
	saved        time.Time
}

// loop runs until ctx ends or we find that we are a clone.
func (o *owner) loop(ctx context.Context) error {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-o.mail.ready:
		case <-timer.C:
		}
		for _, l := range o.mail.take() {
			l.do(o)
		}
		if o.cloned != nil {
			return o.cloned
		}
		timer.Reset(time.Until(o.tick(time.Now())))
	}
}

// tick does what follows from the events so far, and says when to come again.
func (o *owner) tick(now time.Time) time.Time {
	check := !now.Before(o.recheck)
	if own := o.self.next(); check || o.changed || !own.IsZero() && !now.Before(own) {
		o.claimOurs(now)
		o.reclaim(now)
	}
	if check || o.changed {
		o.expire(now)
		o.judge(now)
		o.refresh(now)
		o.recheck = earlier(now.Add(o.cfg.Timing.Recheck), earlier(o.admissions.next, o.nextTerm()))
	}
	o.callWho(now)
	o.startCalls(now)
	o.fetchClaims(now)
	o.syncClaims(now)
	if o.changed || o.seedsChanged {
		o.version++
		o.publish(o.view(), o.changed)
	}
	o.changed, o.seedsChanged = false, false
	o.savePeers(now)
	next := earlier(o.recheck, earlier(o.self.next(), earlier(o.caller.next(), earlier(o.fetches.next(), o.sync))))
	if o.peersChanged {
		next = earlier(next, o.saved.Add(o.cfg.Timing.Save))
	}
	return next
}

// claimOurs publishes our claim if it should differ from what is out.
func (o *owner) claimOurs(now time.Time) {
	var others []*Claim
	for _, c := range o.admitted() {
		if c.id != o.me.id {
			others = append(others, c)
		}
	}
	before := o.self.owned()
	o.self.keeps = o.kept != nil
	claim, err := o.self.step(now, others, o.rules())
	if err != nil {
		o.log.Error("mesh.claim.failed", "error", err)
		return
	}
	o.changed = o.changed || o.self.owned() != before
	if claim == nil {
		return
	}
	o.set.Add(claim)
	o.announce(claim)
	o.files.save(claimFile, encodeClaimFile(claim))
	o.changed = true
}

// refresh recomputes what follows from claims and presence.
func (o *owner) refresh(now time.Time) {
	claims := o.admitted()
	o.tidyMembers(o.set.Claims())
	before := o.conflicts
	previous := o.previous()
	o.passTime(now)
	o.assignment, o.conflicts = Assign(previous, claims, o.rules(), o.kept.awaiting(o.reach))
	_, o.standing = Assign(nil, claims, o.rules(), o.reach)
	if !slices.Equal(before, o.conflicts) {
		o.logConflicts(before)
		o.changed = true
	}
	o.book.set(o.addressBook())
	o.delegate.state.Store(o.state())
}

// incumbency is how long after the first exchange with a peer an assignment begins to count as one that stands: by then the
// claims of nodes that started together are known to all, and all have ranked them alike.
const incumbency = 3 * time.Second

// previous is what an owner may keep against better claims. What was assigned before we had heard the others does not
// count: we would believe that we are there first whoever was. Until then what was in force before a restart does.
func (o *owner) previous() Assignment {
	if !o.incumbent {
		return o.kept
	}
	return o.assignment
}

func (o *owner) rules() Rules {
	return Rules{Network: o.cfg.Network, Forbidden: o.cfg.Forbidden, Strict: o.cfg.Admission.Strict()}
}

func (o *owner) state() *state {
	s := &state{claims: o.set.Claims(), revocations: o.cfg.Admission.Revocations(), sightings: o.sightings()}
	for _, t := range o.tombstones {
		s.tombstones = append(s.tombstones, t)
	}
	for _, m := range o.members {
		if m.departed.raw != nil {
			s.departures = append(s.departures, m.departed)
		}
	}
	return s
}

// logConflicts says what is new and what is over.
func (o *owner) logConflicts(before []Conflict) {
	old := map[Conflict]bool{}
	for _, c := range before {
		old[c] = true
	}
	for _, c := range o.conflicts {
		if !old[c] {
			o.log.Warn("mesh.conflict.new", "kind", c.Kind, "prefix", c.Prefix, "loser", c.LoserName, "owner", c.OwnerName, "text", c.String())
		}
		delete(old, c)
	}
	for c := range old {
		o.log.Info("mesh.conflict.over", "kind", c.Kind, "prefix", c.Prefix, "loser", c.LoserName, "owner", c.OwnerName)
	}
}

func (o *owner) view() View {
	return View{
		Version: o.version, Self: o.self.owned(), SelfState: o.selfState(), Heard: o.self.heard,
		Established: o.incumbent, Kept: o.kept, Members: o.memberViews(),
		Claims: o.admitted(), Refused: o.admissions.conflicts(), Rules: o.rules(), Conflicts: o.conflicts, Seeds: o.seedViews(),
	}
}

func (o *owner) selfState() SelfState {
	s := o.self.state(o.standing)
	if o.succeeded != "" {
		return SelfState{SelfConflict, o.succeeded}
	}
	if s.Reason == "" {
		s.Reason = o.cloneSeen
	}
	return s
}

// spawn runs work in a goroutine that Run waits for.
func (o *owner) spawn(work func()) {
	o.workers.Go(work)
}
