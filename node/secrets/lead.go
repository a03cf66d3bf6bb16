package secrets

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/weftnet/weft/encap"
	"github.com/weftnet/weft/node/api"
	"github.com/weftnet/weft/trust"
)

// ErrNoStep says that a rotation cannot go on now; the text says why, and what to do.
var ErrNoStep = errors.New("secrets: no next step")

// ErrUnsigned says that the authority must sign a rotation before any other node may be asked to follow it.
var ErrUnsigned = errors.New("the authority has not signed this rotation")

func noStep(format string, args ...any) error {
	return fmt.Errorf("%w: %w", ErrNoStep, fmt.Errorf(format, args...))
}

var phases = map[encap.SecretPhase]string{
	encap.SecretAsk: api.RotationNone, encap.SecretAdd: api.RotationAdd, encap.SecretFirst: api.RotationFirst, encap.SecretRetire: api.RotationRetire,
}

// State asks all members which secrets they hold, and changes nothing.
func (s *Secrets) State(ctx context.Context) *api.Rotation {
	s.mu.Lock()
	r := s.state()
	s.mu.Unlock()
	r.Nodes = append(r.Nodes, s.askAll(ctx, encap.SecretOffer{Phase: encap.SecretAsk}, nil)...)
	for i := range r.Nodes {
		if n := &r.Nodes[i]; n.State == api.RotationFollows && r.Phase != api.RotationNone && !inPhase(r, n.Holds) {
			n.State, n.Reason = api.RotationRefuses, "it is not in this phase"
		}
	}
	r.Done = done(r.Nodes)
	return r
}

// inPhase reports whether a node that says it holds those secrets is in the phase of r; one that names none is in no phase.
func inPhase(r *api.Rotation, holds []string) bool {
	if len(holds) == 0 {
		return false
	}
	first, second := holds[0] == r.New, len(holds) > 1 && holds[1] == r.New
	switch r.Phase {
	case api.RotationAdd:
		return first || second
	case api.RotationFirst:
		return first
	}
	return first && len(holds) == 1
}

// state is where this node is. It needs mu.
func (s *Secrets) state() *api.Rotation {
	phase, o := s.phase()
	r := &api.Rotation{Phase: phases[phase], Nodes: []api.RotationNode{{Name: "this node", State: api.RotationFollows, Holds: shortNames(s.held)}}}
	if phase != encap.SecretAsk {
		r.Old, r.New = o.Old.Short(), o.New.Short()
		if err := s.permit(o); err != nil {
			r.Barred = err.Error()
		}
	}
	return r
}

// phase is the phase of the rotation that this node follows, and the offer that brings others there; SecretAsk: it follows none. It
// needs mu.
func (s *Secrets) phase() (encap.SecretPhase, encap.SecretOffer) {
	r := s.record.Rotation
	if r == nil {
		return encap.SecretAsk, encap.SecretOffer{}
	}
	o := encap.SecretOffer{Old: trust.SecretID(r.Old), New: trust.SecretID(r.New), Phase: encap.SecretAdd, Signed: r.Signed}
	o.Secret, _ = s.holds(o.New)
	switch {
	case s.held[0].ID() == o.New && len(s.held) == 1:
		o.Phase, o.Secret = encap.SecretRetire, trust.Secret{}
	case s.held[0].ID() == o.New:
		o.Phase = encap.SecretFirst
	}
	return o.Phase, o
}

// Request begins a rotation on this node alone, unless there is one, and returns it: the authority signs the ids of its secrets. The
// error is an ErrNoStep, or says why this node cannot hold another secret.
func (s *Secrets) Request() (old, next trust.SecretID, err error) {
	if !s.leading.TryLock() {
		return old, next, errLeading
	}
	defer s.leading.Unlock()
	s.mu.Lock()
	defer s.mu.Unlock()
	o, _, err := s.begin()
	return o.Old, o.New, err
}

var errLeading = noStep("this node is about another step: wait for its end")

// Rotate leads the cluster one step on: it begins a rotation, or brings all members into the phase that this node is in and then, if
// all but those that are left out are there, into the next. signed is the authority's permit for it, and may be nil: the one that was
// given before counts until its end. The error is an ErrNoStep, or says why this node cannot follow itself.
func (s *Secrets) Rotate(ctx context.Context, without []string, signed []byte) (*api.Rotation, error) {
	if !s.leading.TryLock() {
		return nil, errLeading
	}
	defer s.leading.Unlock()
	left, err := s.named(without)
	if err != nil {
		return nil, err
	}
	o, begun, err := s.beginSigned(signed)
	if err != nil {
		return nil, err
	}
	nodes := s.askAll(ctx, o, left)
	if begun || !done(nodes) || o.Phase == encap.SecretRetire {
		return s.result(o, nodes), nil
	}
	if o, err = s.advance(o); err != nil {
		return nil, err
	}
	return s.result(o, s.askAll(ctx, o, left)), nil
}

// beginSigned is begin with a permit of the authority's: the one that is given, or that was before. begun is also true where this is the
// first, so that no other node was asked yet.
func (s *Secrets) beginSigned(signed []byte) (o encap.SecretOffer, begun bool, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.unrequested(signed); err != nil {
		return o, false, err
	}
	if o, begun, err = s.begin(); err != nil {
		return o, false, err
	}
	if signed != nil {
		begun = len(o.Signed) == 0
		o.Signed = signed
	}
	if err := s.permit(o); err != nil {
		return o, false, noStep("%w", err)
	}
	s.noteSigned(o)
	return o, begun, nil
}

// unrequested is the error of a step that a permit is given for, or is needed for, where no rotation has begun. It needs mu.
func (s *Secrets) unrequested(signed []byte) error {
	phase, _ := s.phase()
	switch {
	case phase != encap.SecretAsk:
		return nil
	case signed != nil:
		return noStep("no rotation has begun on this node that a permit could be for: run this where 'weft secret rotate --request' was run")
	case s.needsPermit():
		return noStep("%w", s.permit(encap.SecretOffer{}))
	}
	return nil
}

// begin is the offer of the phase that this node is in. Where there is no rotation, it begins one. It needs mu.
func (s *Secrets) begin() (o encap.SecretOffer, begun bool, err error) {
	phase, o := s.phase()
	if phase != encap.SecretAsk {
		return o, false, nil
	}
	if len(s.held) > 1 {
		return o, false, noStep("secret_file holds two secrets that no rotation through sessions brought: finish that change by file first")
	}
	next, err := trust.NewSecret(s.cfg.Random)
	if err != nil {
		return o, false, err
	}
	o = encap.SecretOffer{Phase: encap.SecretAdd, Old: s.held[0].ID(), New: next.ID(), Secret: next}
	return o, true, s.own(o)
}

// advance takes this node to the phase after that of o, and returns the offer of it.
func (s *Secrets) advance(o encap.SecretOffer) (encap.SecretOffer, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.record.Rotation.same(rotationOf(o)) {
		return o, noStep("another rotation goes before this one: look with 'weft secret rotate --status'")
	}
	if err := s.permit(o); err != nil {
		return o, noStep("%w", err)
	}
	o.Phase++
	if o.Phase == encap.SecretRetire {
		o.Secret = trust.Secret{}
		s.logStep(o)
		return o, s.store(s.held[:1:1], rotationOf(o)) // the record goes when all have followed
	}
	return o, s.own(o)
}

// own follows an offer of this node's. It needs mu.
func (s *Secrets) own(o encap.SecretOffer) error {
	err := s.step(o)
	if err == nil {
		s.logStep(o)
		return nil
	}
	return noStep("this node: %v (a rotation by file goes without this: docs/operating.md)", err)
}

func (s *Secrets) logStep(o encap.SecretOffer) {
	s.cfg.Log.Info("node.secret.rotated", "from", "a command on this node", "secret", o.New.Short(), "phase", int(o.Phase))
}

// result is what became of a step. When all have retired the old secret, the rotation is over.
func (s *Secrets) result(o encap.SecretOffer, nodes []api.RotationNode) *api.Rotation {
	s.mu.Lock()
	defer s.mu.Unlock()
	r := s.state()
	r.Phase, r.Old, r.New = phases[o.Phase], o.Old.Short(), o.New.Short()
	r.Nodes, r.Done = append(r.Nodes, nodes...), done(nodes)
	if r.Over = r.Done && o.Phase == encap.SecretRetire; r.Over {
		s.forgetRotation()
	}
	return r
}

// done reports whether all nodes that are not left out follow.
func done(nodes []api.RotationNode) bool {
	for _, n := range nodes {
		if n.State != api.RotationFollows && n.State != api.RotationLeft {
			return false
		}
	}
	return true
}

// named finds the members of those names, or whose ids begin so. A node that takes no part is left out anyway, and may be named. A
// name that several members have is refused: it would leave out more than is meant.
func (s *Secrets) named(names []string) (map[trust.Fingerprint]bool, error) {
	found := map[trust.Fingerprint]bool{}
	members := s.cfg.Members()
	for _, wanted := range names {
		var ids []string
		for _, m := range members {
			if m.is(wanted) {
				found[m.ID], ids = true, append(ids, m.ID.Short())
			}
		}
		switch {
		case len(ids) > 1:
			return nil, noStep("%d nodes are called %q: leave one out by the beginning of its id (%s)", len(ids), wanted, strings.Join(ids, ", "))
		case len(ids) == 0 && !slices.ContainsFunc(s.barred(), func(m Member) bool { return m.is(wanted) }):
			return nil, noStep("there is no node %q to leave out (there are: %s)", wanted, cmp.Or(allNames(members), "none"))
		}
	}
	return found, nil
}

func allNames(members []Member) string {
	var names []string
	for _, m := range members {
		names = append(names, m.Name)
	}
	return strings.Join(names, ", ")
}

func (s *Secrets) barred() []Member {
	if s.cfg.Barred == nil {
		return nil
	}
	return s.cfg.Barred()
}

// is reports whether a member has that name, or an id that begins so.
func (m Member) is(wanted string) bool {
	return m.Name == wanted || len(wanted) >= 8 && strings.HasPrefix(m.ID.String(), wanted)
}
