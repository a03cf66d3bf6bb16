package secrets

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/weftnet/weft/encap"
	"github.com/weftnet/weft/node/api"
	"github.com/weftnet/weft/router"
	"github.com/weftnet/weft/trust"
)

const (
	askTries = 6                      // of one offer: frames may be lost
	askGap   = 700 * time.Millisecond // between them
)

// waiting are the offers of this node that are not answered, by their numbers.
type waiting struct {
	mu     sync.Mutex // guards the rest
	offers map[uint64]waitingOffer
}

type waitingOffer struct {
	of     trust.Fingerprint
	answer chan encap.SecretAnswer
}

// begin notes an offer.
func (w *waiting) begin(id uint64, of trust.Fingerprint) <-chan encap.SecretAnswer {
	answer := make(chan encap.SecretAnswer, 1)
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.offers == nil {
		w.offers = map[uint64]waitingOffer{}
	}
	w.offers[id] = waitingOffer{of, answer}
	return answer
}

func (w *waiting) end(id uint64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.offers, id)
}

// answered gives an answer to who waits for it: one that another node was asked for is nobody's.
func (w *waiting) answered(from trust.Fingerprint, a encap.SecretAnswer) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if o, ok := w.offers[a.ID]; ok && o.of == from {
		select {
		case o.answer <- a:
		default: // to an offer that was sent twice
		}
	}
}

// Hear takes a frame of a rotation. It does not block; an offer that finds no room is sent again.
func (s *Secrets) Hear(m router.SecretMessage) {
	switch {
	case m.Answer != nil:
		s.waiting.answered(m.From, *m.Answer)
	case m.Offer != nil:
		select {
		case s.offers <- m:
		default:
		}
	}
}

// Run follows offers until ctx ends.
func (s *Secrets) Run(ctx context.Context) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case m := <-s.offers:
			answer := s.Follow(m.From, *m.Offer)
			_ = s.router.SendSecretAnswer(m.From, answer) // whoever asked asks again
		}
	}
}

// askAll gives an offer to all members at once, and says what became of it; what is left out is not asked.
func (s *Secrets) askAll(ctx context.Context, o encap.SecretOffer, without map[trust.Fingerprint]bool) []api.RotationNode {
	members := s.cfg.Members()
	nodes := make([]api.RotationNode, len(members))
	var asked sync.WaitGroup
	for i, m := range members {
		nodes[i] = api.RotationNode{Name: m.Name, ID: m.ID.String(), State: api.RotationLeft, Holds: []string{}}
		if without[m.ID] {
			continue
		}
		asked.Go(func() {
			answer, err := s.ask(ctx, m.ID, o)
			report(&nodes[i], answer, err)
		})
	}
	asked.Wait()
	return nodes
}

// errSilent says that a node did not answer an offer.
var errSilent = errors.New("it did not answer")

// ask gives one node an offer, again and again until it answers.
func (s *Secrets) ask(ctx context.Context, to trust.Fingerprint, o encap.SecretOffer) (encap.SecretAnswer, error) {
	var raw [8]byte
	if _, err := io.ReadFull(s.cfg.Random, raw[:]); err != nil {
		return encap.SecretAnswer{}, fmt.Errorf("secrets: ask: %w", err)
	}
	o.ID = binary.BigEndian.Uint64(raw[:])
	answer := s.waiting.begin(o.ID, to)
	defer s.waiting.end(o.ID)
	again := time.NewTicker(askGap)
	defer again.Stop()
	for range askTries {
		if err := s.router.SendSecretOffer(to, o); err != nil {
			return encap.SecretAnswer{}, err
		}
		select {
		case a := <-answer:
			return a, nil
		case <-ctx.Done():
			return encap.SecretAnswer{}, ctx.Err()
		case <-again.C:
		}
	}
	return encap.SecretAnswer{}, errSilent
}

// report says what became of an offer.
func report(n *api.RotationNode, a encap.SecretAnswer, err error) {
	for _, id := range a.Held {
		n.Holds = append(n.Holds, id.Short())
	}
	switch {
	case errors.Is(err, router.ErrPeerDown):
		n.State, n.Reason = api.RotationAway, "there is no session with it"
	case errors.Is(err, router.ErrPeerOlder):
		n.State, n.Reason = api.RotationOlder, "its build does not know rotations: upgrade it, or change its secret_file by hand"
	case err != nil:
		n.State, n.Reason = api.RotationSilent, err.Error()
	case a.Status == encap.SecretDone:
		n.State = api.RotationFollows
	default:
		n.State, n.Reason = api.RotationRefuses, a.Reason
	}
}
