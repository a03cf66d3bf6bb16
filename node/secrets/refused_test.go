package secrets

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/weftnet/weft/encap"
	"github.com/weftnet/weft/node/api"
	"github.com/weftnet/weft/trust"
)

func TestANodeThatCannotFollowSaysWhyAndNothingGoesOn(t *testing.T) {
	for want, spoil := range map[string]func(n *testNode){
		"symbolic link": func(n *testNode) {
			if err := errors.Join(os.Rename(n.file(), n.file()+".there"), os.Symlink(n.file()+".there", n.file())); err != nil {
				n.c.t.Fatal(err)
			}
		},
		"changed meanwhile": func(n *testNode) { n.write(trust.Secret{7}.Text()) },
		"the authority's":   func(n *testNode) { n.permit = refuseOffers; n.restart() },
		"finish that change by file": func(n *testNode) {
			n.write(oldSecret.Text() + "\n" + trust.Secret{7}.Text())
			n.restart()
		},
		"its build does not know": func(n *testNode) { n.older = true },
		"it did not answer":       func(n *testNode) { n.lose.Store(100) },
		"goes from":               func(n *testNode) { n.write(trust.Secret{7}.Text()); n.restart() },
	} {
		t.Run(want, func(t *testing.T) {
			inCluster(t, three, func(t *testing.T, c *cluster) {
				spoil(c.order[2])
				held := slices.Clone(c.order[2].held)
				for range 2 {
					r := c.order[0].rotate()
					if r.Done || r.Phase != api.RotationAdd || !strings.Contains(r.Nodes[2].Reason, want) {
						t.Errorf("%+v", r)
					}
				}
				if !slices.Equal(held, c.order[2].held) {
					t.Error("it holds another secret than before")
				}
			})
		})
	}
}

func refuseOffers(encap.SecretOffer) error {
	return errors.New("the authority's signature is missing")
}

func TestANodeThatCannotWriteItsOwnSecretBeginsNothing(t *testing.T) {
	inCluster(t, three, func(t *testing.T, c *cluster) {
		a := c.order[0]
		if err := errors.Join(os.Remove(filepath.Join(a.dir, RecordFile)), os.Mkdir(filepath.Join(a.dir, RecordFile), 0o700)); err != nil {
			t.Fatal(err)
		}
		_, err := a.Rotate(t.Context(), nil, nil)
		if !errors.Is(err, ErrNoStep) || !strings.Contains(err.Error(), RecordFile) {
			t.Errorf("error %v", err)
		}
		c.check("afterwards", oldSecret.ID().Short())
		if err := errors.Join(os.Remove(filepath.Join(a.dir, RecordFile)), record{}.write(a.dir)); err != nil {
			t.Fatal(err)
		}
	})
}

func TestLostFramesAreSentAgain(t *testing.T) {
	inCluster(t, three, func(t *testing.T, c *cluster) {
		c.order[0].lose.Store(2)
		c.order[1].lose.Store(2)
		if r := c.order[0].rotate(); !r.Done {
			t.Errorf("%+v", r)
		}
	})
}

func TestAnAnswerOfAnotherNodeThanTheOneThatWasAskedIsNobodys(t *testing.T) {
	var w waiting
	answer := w.begin(5, trust.Fingerprint{1})
	w.answered(trust.Fingerprint{2}, encap.SecretAnswer{ID: 5})
	w.answered(trust.Fingerprint{1}, encap.SecretAnswer{ID: 6})
	select {
	case <-answer:
		t.Error("answered by a stranger")
	default:
	}
	w.answered(trust.Fingerprint{1}, encap.SecretAnswer{ID: 5})
	w.answered(trust.Fingerprint{1}, encap.SecretAnswer{ID: 5})
	if got := <-answer; got.ID != 5 {
		t.Errorf("%+v", got)
	}
}

// An answer is a member's word: one that follows, and names no secret that it holds, is told and no more.
func TestANodeThatNamesNoSecretIsInNoPhase(t *testing.T) {
	inCluster(t, three, func(t *testing.T, c *cluster) {
		a, b := c.order[0], c.order[1]
		a.rotate()
		b.stop()
		hollow := make(chan struct{})
		b.stop = func() { <-hollow }
		go func() {
			defer close(hollow)
			m := <-b.offers
			_ = b.SendSecretAnswer(m.From, encap.SecretAnswer{ID: m.Offer.ID})
		}()
		if r := a.State(t.Context()); r.Done || r.Nodes[1].State != api.RotationRefuses {
			t.Errorf("%+v", r)
		}
	})
}

func TestOffersThatAreRefusedAreLoggedOnceInAMinuteAndWriteNothing(t *testing.T) {
	inCluster(t, three, func(t *testing.T, c *cluster) {
		n := c.order[0]
		record := filepath.Join(n.dir, RecordFile)
		before, err := os.Stat(record)
		if err != nil {
			t.Fatal(err)
		}
		foreign := encap.SecretOffer{Phase: encap.SecretRetire, Old: trust.Secret{8}.ID(), New: trust.Secret{9}.ID()}
		over := encap.SecretOffer{Phase: encap.SecretRetire, Old: trust.Secret{8}.ID(), New: oldSecret.ID()}
		for range 100 {
			n.Follow(c.order[1].id, foreign)
			n.Follow(c.order[1].id, over)
		}
		time.Sleep(refusedPause)
		n.Follow(c.order[1].id, foreign)
		if got := strings.Count(c.log.String(), "node.secret.refused"); got != 2 || !strings.Contains(c.log.String(), "offers=100") {
			t.Errorf("%d lines of refused offers, want 2, the second with the number of those between:\n%s", got, c.log)
		}
		if after, err := os.Stat(record); err != nil || !os.SameFile(before, after) {
			t.Errorf("the record was written again: %v", err)
		}
	})
}

func TestANameThatTwoNodesHaveLeavesNobodyOut(t *testing.T) {
	inCluster(t, three, func(t *testing.T, c *cluster) {
		a, b, other := c.order[0], c.order[1], c.order[2]
		other.name = b.name
		if _, err := a.Rotate(t.Context(), []string{b.name}, nil); !errors.Is(err, ErrNoStep) || !strings.Contains(err.Error(), other.id.Short()) {
			t.Errorf("by the name of two: %v", err)
		}
		r, err := a.Rotate(t.Context(), []string{other.id.Short()}, nil)
		if err != nil || !r.Done || len(b.Held()) != 2 || len(other.Held()) != 1 {
			t.Errorf("by the beginning of an id: %+v, %v", r, err)
		}
	})
}
