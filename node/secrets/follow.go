package secrets

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/weftnet/weft/encap"
	"github.com/weftnet/weft/trust"
)

// errOther says that the node follows another rotation than the one that it is asked to.
var errOther = errors.New("another rotation is under way")

// Follow does what an offer asks for, and answers it.
func (s *Secrets) Follow(from trust.Fingerprint, o encap.SecretOffer) encap.SecretAnswer {
	s.mu.Lock()
	defer s.mu.Unlock()
	before := slices.Clone(s.held)
	err := s.follow(o)
	answer := encap.SecretAnswer{ID: o.ID, Held: ids(s.held)}
	switch {
	case errors.Is(err, errOther):
		answer.Status, answer.Reason = encap.SecretOther, err.Error()
	case err != nil:
		answer.Status, answer.Reason = encap.SecretRefused, err.Error()
		s.logRefused(from, o, err)
	case !slices.Equal(before, s.held):
		s.cfg.Log.Info("node.secret.rotated", "from", from.Short(), "secret", o.New.Short(), "phase", int(o.Phase))
	}
	return answer
}

// refusedPause is how long no refused offer is logged after one was: a member may send as many as it likes.
const refusedPause = time.Minute

// logRefused says why an offer is not followed. It needs mu.
func (s *Secrets) logRefused(from trust.Fingerprint, o encap.SecretOffer, err error) {
	s.refused++
	if now := time.Now(); now.Sub(s.refusedAt) >= refusedPause {
		s.cfg.Log.Warn("node.secret.refused", "from", from.Short(), "secret", o.New.Short(), "reason", err.Error(), "offers", s.refused)
		s.refused, s.refusedAt = 0, now
	}
}

// follow needs mu.
func (s *Secrets) follow(o encap.SecretOffer) error {
	if o.Phase == encap.SecretAsk {
		return nil
	}
	if err := s.permit(o); err != nil {
		return err
	}
	if err := s.step(o); err != nil {
		return err
	}
	s.noteSigned(o)
	return nil
}

// permit says why the rotation of an offer may not be followed.
func (s *Secrets) permit(o encap.SecretOffer) error {
	if s.cfg.Permit == nil {
		return nil
	}
	return s.cfg.Permit(o)
}

// needsPermit reports whether this node follows no rotation that the authority did not sign.
func (s *Secrets) needsPermit() bool { return errors.Is(s.permit(encap.SecretOffer{}), ErrUnsigned) }

// noteSigned keeps another signature under the rotation that is followed: this node may be asked to lead it on. It needs mu.
func (s *Secrets) noteSigned(o encap.SecretOffer) {
	if r := rotationOf(o); s.needsPermit() && s.record.Rotation.same(r) && !bytes.Equal(s.record.Rotation.Signed, r.Signed) {
		s.record.Rotation = r
		s.keepRecord()
	}
}

// step goes to the phase of an offer. It needs mu.
func (s *Secrets) step(o encap.SecretOffer) error {
	switch o.Phase {
	case encap.SecretAdd:
		return s.add(o)
	case encap.SecretFirst:
		return s.putFirst(o)
	default:
		return s.retire(o)
	}
}

func rotationOf(o encap.SecretOffer) *rotation {
	return &rotation{Old: name(o.Old), New: name(o.New), Signed: o.Signed}
}

// holds returns the secret of that id; false: it is not held.
func (s *Secrets) holds(id trust.SecretID) (trust.Secret, bool) {
	i := slices.IndexFunc(s.held, func(x trust.Secret) bool { return x.ID() == id })
	if i < 0 {
		return trust.Secret{}, false
	}
	return s.held[i], true
}

// add takes the new secret as the second one. Of two rotations that began at once, neither of which has come further, the one whose
// new secret has the smaller id goes on everywhere.
func (s *Secrets) add(o encap.SecretOffer) error {
	if _, ok := s.holds(o.New); ok {
		return nil
	}
	if s.held[0].ID() != o.Old {
		if r := s.record.Rotation; r != nil {
			return fmt.Errorf("%w: it goes to secret %s", errOther, trust.SecretID(r.New).Short())
		}
		return s.elsewhere(o)
	}
	if len(s.held) == trust.MaxSecrets {
		if err := s.outranked(o); err != nil {
			return err
		}
	}
	return s.keep(o, []trust.Secret{s.held[0], o.Secret})
}

// outranked refuses an offer unless it goes before the rotation that the second secret is of: one that lacks the authority's signature
// goes before none.
func (s *Secrets) outranked(o encap.SecretOffer) error {
	r := s.record.Rotation
	if r != nil && len(r.Signed) == 0 && s.needsPermit() {
		return nil // nobody but this node has heard of it
	}
	if r == nil {
		return fmt.Errorf("its secret_file holds the secrets %s: finish that change by file first", strings.Join(shortNames(s.held), " and "))
	}
	if bytes.Compare(o.New[:], r.New[:]) > 0 {
		return fmt.Errorf("%w: it goes to secret %s", errOther, trust.SecretID(r.New).Short())
	}
	return nil
}

// putFirst speaks under the new secret. Whoever asks for it has seen that all hold that one: a rotation that is still being spread
// gives way.
func (s *Secrets) putFirst(o encap.SecretOffer) error {
	if s.held[0].ID() == o.New {
		return nil
	}
	old := s.held[0]
	next, ok := s.holds(o.New)
	if !ok {
		next = o.Secret
	}
	switch {
	case old.ID() != o.Old:
		return s.elsewhere(o)
	case next == trust.Secret{}:
		return fmt.Errorf("it does not hold secret %s", o.New.Short())
	}
	return s.keep(o, []trust.Secret{next, old})
}

// retire holds the new secret alone.
func (s *Secrets) retire(o encap.SecretOffer) error {
	switch {
	case s.held[0].ID() != o.New:
		return fmt.Errorf("it does not speak under secret %s yet", o.New.Short())
	case len(s.held) == 1:
		s.forgetRotation()
		return nil
	case s.held[1].ID() != o.Old:
		return s.elsewhere(o)
	}
	return s.store(s.held[:1:1], nil)
}

// forgetRotation notes that none is followed any more. It writes nothing where none was. It needs mu.
func (s *Secrets) forgetRotation() {
	if s.record.Rotation != nil {
		s.record.Rotation = nil
		s.keepRecord()
	}
}

// keep stores secrets that a rotation brings, unless one is missing.
func (s *Secrets) keep(o encap.SecretOffer, secrets []trust.Secret) error {
	for _, x := range secrets {
		if (x == trust.Secret{}) {
			return fmt.Errorf("secret %s was named and not given", o.New.Short())
		}
	}
	return s.store(secrets, rotationOf(o))
}

// elsewhere is the error of an offer that begins at another secret than ours.
func (s *Secrets) elsewhere(o encap.SecretOffer) error {
	return fmt.Errorf("it holds secret %s, and the rotation goes from %s to %s", strings.Join(shortNames(s.held), " and "), o.Old.Short(), o.New.Short())
}
