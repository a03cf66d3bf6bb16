package node

import (
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/weftnet/weft/encap"
	"github.com/weftnet/weft/mesh"
	"github.com/weftnet/weft/node/api"
	"github.com/weftnet/weft/tun"
)

// state is what the keeper found last, for the control API and for its own next round.
type state struct {
	mu       sync.Mutex // guards all
	view     mesh.View
	plan     *plan
	tun      tun.Device // the present one
	choice   *tun.Choice
	past     tun.Counters // of the devices before tun
	refused  []api.Note   // peers to which the kernel refuses trains
	called   []api.Advertised
	seen     []api.Seen          // by peers, where it is not
	problems map[string]api.Note // by their subject
	config   api.ConfigState
}

func (s *state) publish(view mesh.View, p *plan) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.view, s.plan = view, p
}

// assignment is the one in force, unless it was made before anybody was heard: then it gives nobody a claim to stay.
func (s *state) assignment() mesh.Assignment {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.plan == nil || !s.plan.informed {
		return nil
	}
	return s.plan.assignment
}

func (s *state) device(d tun.Device, c *tun.Choice) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.past = s.total()
	s.tun, s.choice = d, c
}

// counted is the present device, and what it and those before it have counted.
func (s *state) counted() (tun.Device, tun.Counters) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.tun, s.total()
}

// total needs the lock.
func (s *state) total() tun.Counters {
	c, ok := s.tun.(tun.Counted)
	if !ok {
		return s.past
	}
	return total(s.past, c.Counters())
}

// refuseTrains takes the peers to which the kernel refuses trains.
func (s *state) refuseTrains(list []api.Note) {
	s.problem("gso", trainless(list))
	s.mu.Lock()
	defer s.mu.Unlock()
	s.refused = list
}

func (s *state) refusedTrains() []api.Note {
	s.mu.Lock()
	defer s.mu.Unlock()
	return some(s.refused)
}

// advertised takes the node's endpoints and returns whether they differ from those before.
func (s *state) advertised(list []api.Advertised) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	changed := !slices.Equal(s.called, list)
	s.called = list
	return changed
}

// advertises is where the node tells its peers to call it.
func (s *state) advertises() []api.Advertised {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.called
}

// translated takes where peers see the node.
func (s *state) translated(list []api.Seen) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.seen = list
}

// problem notes what is wrong with a subject, or with an empty reason that it is well again. It returns whether that is
// news, so that a log line is written once.
func (s *state) problem(what, reason string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.problems[what].Reason == reason {
		return false
	}
	if s.problems == nil {
		s.problems = map[string]api.Note{}
	}
	if reason == "" {
		delete(s.problems, what)
		return true
	}
	s.problems[what] = api.Note{What: what, Reason: reason, Since: time.Now()}
	return true
}

// reason is what is wrong with a subject, or "".
func (s *state) reason(what string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.problems[what].Reason
}

// degraded lists what is not as good as it could be, by subject.
func (s *state) degraded() []api.Note {
	list := slices.AppendSeq([]api.Note{}, maps.Values(s.problems))
	slices.SortFunc(list, func(a, b api.Note) int { return strings.Compare(a.What, b.What) })
	return sinceShown(list)
}

// refusals remembers who was refused, and why; the latest of each, a bounded number.
type refusals struct {
	mu     sync.Mutex // guards the rest
	list   []api.Note
	told   int       // in the minute since began
	minute time.Time // that began with the first of told
}

const (
	maxRefusals = 32
	maxTold     = 10 // log lines in a minute: whoever reaches the port can cause them
)

func newRefusals() *refusals { return new(refusals) }

// add notes a refusal and returns whether to log it: the same one is told again after a minute only, and not more than
// maxTold in a minute.
func (r *refusals) add(who, reason string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := time.Now()
	i := slices.IndexFunc(r.list, func(n api.Note) bool { return n.What == who && n.Reason == reason })
	if i >= 0 {
		last := r.list[i].Since
		r.list[i].Since = now
		return now.Sub(last) > time.Minute && r.mayTell(now)
	}
	r.list = slices.DeleteFunc(r.list, func(n api.Note) bool { return n.What == who }) // the latest reason of each
	if len(r.list) == maxRefusals {
		r.list = r.list[1:]
	}
	r.list = append(r.list, api.Note{What: who, Reason: reason, Since: now})
	return r.mayTell(now)
}

func (r *refusals) mayTell(now time.Time) bool {
	if now.Sub(r.minute) > time.Minute {
		r.minute, r.told = now, 0
	}
	r.told++
	return r.told <= maxTold
}

// refusalLife is how long a refusal is shown: whoever still calls is refused again long before.
const refusalLife = 10 * time.Minute

// notes lists the refusals, the latest last.
func (r *refusals) notes() []api.Note {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.list = slices.DeleteFunc(r.list, func(n api.Note) bool { return time.Since(n.Since) > refusalLife })
	return sinceShown(slices.Clone(r.list))
}

// sinceShown makes the times of a list, which the caller owns, such as are shown.
func sinceShown(list []api.Note) []api.Note {
	for i := range list {
		list[i].Since = shown(list[i].Since)
	}
	return list
}

// forget drops what was noted of a node that is no longer refused.
func (r *refusals) forget(name string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.list = slices.DeleteFunc(r.list, func(n api.Note) bool { return n.What == name || strings.HasPrefix(n.What, name+" ") })
}

// onRefused hears of streams that were refused by either side. A caller's port changes with every call, so it is left
// out.
func (n *Node) onRefused(e *encap.RefusedError) {
	if e.Reason == encap.RefusedBusy { // it tries again
		return
	}
	who := strings.TrimSpace(e.Name + " " + e.Addr.Addr().String())
	reason := e.Why()
	if e.Reason == encap.RefusedSecret {
		reason += n.otherSecret(e.Theirs)
	}
	if n.refused.add(who, reason) {
		n.log.Warn("node.peer.refused", "address", e.Addr, "name", e.Name, "reason", e.Reason, "ours", e.Ours, "theirs", e.Theirs)
	}
}
