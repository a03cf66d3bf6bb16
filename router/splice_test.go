package router

import (
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/weftnet/weft/encap"
	"github.com/weftnet/weft/trust"
)

// spliced is a call for a stream that came.
type spliced struct {
	from trust.Fingerprint
	id   uint64
}

func (s *side) onSplice(from trust.Fingerprint, id uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.splices = append(s.splices, spliced{from, id})
}

// called are the calls for streams that came so far.
func (s *side) called() []spliced {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.splices)
}

func TestAPeerIsAskedForAStreamByItsPath(t *testing.T) {
	bubble(t, lan, func(t *testing.T, w *world) {
		splices := func(s *side) { s.local.Settings.Capabilities = encap.CapSplice }
		a, b, old := w.side(1, splices), w.side(2, splices), w.side(3)
		if err := a.router.SendSplice(b.id(), 7); !errors.Is(err, ErrPeerDown) {
			t.Errorf("to nobody: %v", err)
		}
		w.join(a, b, old)
		if err := a.router.SendSplice(b.id(), 7); err != nil {
			t.Fatal(err)
		}
		within(t, time.Second, "the peer hears it", func() bool { return slices.Equal(b.called(), []spliced{{a.id(), 7}}) })
		if err := a.router.SendSplice(old.id(), 7); !errors.Is(err, ErrPeerOlder) {
			t.Errorf("to an older build: %v", err)
		}
	})
}
