package secrets

import (
	"bytes"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/weftnet/weft/encap"
	"github.com/weftnet/weft/node/api"
	"github.com/weftnet/weft/trust"
)

// permitFor is a permit as this test's authority gives it: the end, and the two ids.
func permitFor(t *testing.T, n *testNode, life time.Duration) []byte {
	t.Helper()
	old, next, err := n.Request()
	if err != nil {
		t.Fatal(err)
	}
	return slices.Concat([]byte(time.Now().Add(life).Format(time.RFC3339)), old[:], next[:])
}

var errExpired = errors.New("the permit expired")

// onlyWithPermit takes what permitFor makes.
func onlyWithPermit(o encap.SecretOffer) error {
	if len(o.Signed) == 0 {
		return ErrUnsigned
	}
	ids := slices.Concat(o.Old[:], o.New[:])
	end, err := time.Parse(time.RFC3339, string(o.Signed[:len(o.Signed)-len(ids)]))
	if err != nil || !bytes.HasSuffix(o.Signed, ids) {
		return errors.New("the permit is for another rotation")
	}
	if !time.Now().Before(end) {
		return errExpired
	}
	return nil
}

// inStrictCluster is inCluster with nodes that follow with a permit alone.
func inStrictCluster(t *testing.T, test func(t *testing.T, c *cluster)) {
	t.Helper()
	inCluster(t, three, func(t *testing.T, c *cluster) {
		for _, n := range c.order {
			n.permit = onlyWithPermit
			n.restart()
		}
		test(t, c)
	})
}

// lead is a step with a permit, or with the one that was given before.
func (n *testNode) lead(permit []byte) *api.Rotation {
	n.c.t.Helper()
	r, err := n.Rotate(n.c.t.Context(), nil, permit)
	if err != nil {
		n.c.t.Fatalf("%s: %v", n.name, err)
	}
	return r
}

func TestWithoutAPermitNothingBeginsAndNobodyIsAsked(t *testing.T) {
	inStrictCluster(t, func(t *testing.T, c *cluster) {
		a, old := c.order[0], oldSecret.ID().Short()
		if _, err := a.Rotate(t.Context(), nil, nil); !errors.Is(err, ErrNoStep) || !errors.Is(err, ErrUnsigned) {
			t.Errorf("with none: %v", err)
		}
		c.check("refused", old)
		if _, err := a.Rotate(t.Context(), nil, []byte("x")); !errors.Is(err, ErrNoStep) || !strings.Contains(err.Error(), "no rotation has begun") {
			t.Errorf("before the request: %v", err)
		}
		c.check("not begun", old)
		_, next, err := a.Request()
		if err != nil {
			t.Fatal(err)
		}
		a.restart()
		if _, again, err := a.Request(); err != nil || again != next {
			t.Errorf("asked again: another secret, or %v", err)
		}
		if _, err := a.Rotate(t.Context(), nil, nil); !errors.Is(err, ErrUnsigned) {
			t.Errorf("after the request: %v", err)
		}
		a.checkHolds("it alone", old, next.Short())
		c.order[1].checkHolds("another", old)
		if s := a.State(t.Context()); s.Phase != api.RotationAdd || s.Barred == "" || s.Done {
			t.Errorf("%+v", s)
		}
	})
}

func TestAPermitLeadsThroughAllPhasesFromAnyNodeAndIsOfNoUseAfterwards(t *testing.T) {
	inStrictCluster(t, func(t *testing.T, c *cluster) {
		a, b, old := c.order[0], c.order[1], oldSecret.ID().Short()
		permit := permitFor(t, a, time.Hour)
		r := a.lead(permit)
		if !r.Done || r.Phase != api.RotationAdd || r.Barred != "" {
			t.Fatalf("first step: %+v", r)
		}
		c.check("added", old, r.New)
		b.restart()
		if r = b.lead(nil); !r.Done || r.Phase != api.RotationFirst { // its record has the permit
			t.Fatalf("second step: %+v", r)
		}
		if r = a.lead(nil); !r.Over {
			t.Fatalf("third step: %+v", r)
		}
		c.check("at the end", r.New)
		replay := encap.SecretOffer{Phase: encap.SecretFirst, Old: oldSecret.ID(), New: b.held[0].ID(), Secret: b.held[0], Signed: permit}
		if answer := c.order[2].Follow(b.id, replay); answer.Status != encap.SecretDone {
			t.Errorf("a replay of what was done: %+v", answer)
		}
		if _, err := a.Rotate(t.Context(), nil, permit); !errors.Is(err, ErrNoStep) {
			t.Errorf("another rotation with the same permit: %v", err)
		}
		c.check("after replays", r.New)
	})
}

func TestNoPhaseIsFollowedNorLedAfterThePermitsEndUntilThereIsAnother(t *testing.T) {
	inStrictCluster(t, func(t *testing.T, c *cluster) {
		a, b, old := c.order[0], c.order[1], oldSecret.ID().Short()
		r := a.lead(permitFor(t, a, time.Hour))
		for _, phase := range []string{api.RotationFirst, api.RotationRetire} {
			time.Sleep(time.Hour)
			if _, err := a.Rotate(t.Context(), nil, nil); !errors.Is(err, ErrNoStep) || !errors.Is(err, errExpired) {
				t.Errorf("led to %s: %v", phase, err)
			}
			a.mu.Lock()
			_, o := a.phase()
			a.mu.Unlock()
			if _, err := a.advance(o); !errors.Is(err, errExpired) {
				t.Errorf("advanced to %s: %v", phase, err)
			}
			o.Phase++
			if answer := b.Follow(a.id, o); answer.Status != encap.SecretRefused || answer.Reason != errExpired.Error() {
				t.Errorf("followed to %s: %+v", phase, answer)
			}
			if s := a.State(t.Context()); s.Barred != errExpired.Error() {
				t.Errorf("state: %+v", s)
			}
			if r = a.lead(permitFor(t, a, time.Hour)); r.Phase != phase || !r.Done {
				t.Fatalf("with another permit: %+v", r)
			}
		}
		c.check("at the end", r.New)
		if a.Retired(old).IsZero() {
			t.Error("the old secret is not retired")
		}
	})
}

func TestOfTwoRequestsTheOneThatIsSignedGoesOn(t *testing.T) {
	inStrictCluster(t, func(t *testing.T, c *cluster) {
		a, b := c.order[0], c.order[1]
		for _, n := range []*testNode{a, b} {
			if _, _, err := n.Request(); err != nil {
				t.Fatal(err)
			}
		}
		leader, permit := a, []byte(nil)
		if bytes.Compare(a.record.Rotation.New[:], b.record.Rotation.New[:]) < 0 {
			leader = b // of the one with the greater id, which would give way
		}
		permit = permitFor(t, leader, time.Hour)
		r := leader.lead(permit)
		if !r.Done {
			t.Fatalf("%+v", r)
		}
		c.check("signed", oldSecret.ID().Short(), r.New)
	})
}

func TestAnOfferWithAForeignPermitChangesNothing(t *testing.T) {
	inStrictCluster(t, func(t *testing.T, c *cluster) {
		a, b := c.order[0], c.order[1]
		permit := permitFor(t, a, time.Hour)
		own := trust.Secret{6, 6, 6} // of a member that was taken over
		for phase := encap.SecretAdd; phase <= encap.SecretRetire; phase++ {
			for name, signed := range map[string][]byte{"none": nil, "of another rotation": permit} {
				o := encap.SecretOffer{Phase: phase, Old: oldSecret.ID(), New: own.ID(), Secret: own, Signed: signed}
				if answer := b.Follow(a.id, o); answer.Status != encap.SecretRefused {
					t.Errorf("phase %d, permit %s: %+v", phase, name, answer)
				}
			}
		}
		b.checkHolds("afterwards", oldSecret.ID().Short())
	})
}
