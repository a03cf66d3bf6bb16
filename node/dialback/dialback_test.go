package dialback

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"github.com/weftnet/weft/encap"
	"github.com/weftnet/weft/router"
	"github.com/weftnet/weft/trust"
)

// fakeRouter keeps what it is given to send.
type fakeRouter struct {
	sent   []encap.DialBody
	refuse error
}

// SendDial implements Router.
func (r *fakeRouter) SendDial(_ trust.Fingerprint, _ encap.ControlKind, body encap.DialBody) error {
	r.sent = append(r.sent, body)
	return r.refuse
}

// SealDialBack implements Router.
func (r *fakeRouter) SealDialBack(trust.Fingerprint, encap.DialBody) ([]byte, error) {
	return nil, errors.New("no session")
}

var peer, stranger = trust.Fingerprint{1}, trust.Fingerprint{2}

// alone is a service without peers that answer.
func alone() (*Service, *fakeRouter) {
	r := &fakeRouter{}
	return New(Config{
		Router: r, Random: bytes.NewReader(make([]byte, 1024)), Log: slog.New(slog.DiscardHandler),
		Claimed: func(trust.Fingerprint) []netip.AddrPort { return nil },
	}), r
}

func TestARequestThatComesTwiceIsServedOnce(t *testing.T) {
	d, _ := alone()
	m := router.DialMessage{Kind: encap.DialRequest, From: peer, Body: encap.DialBody{ID: 5}}
	if first, due := d.take(m); !first || !due {
		t.Error("the first is not served")
	}
	if first, _ := d.take(m); first {
		t.Error("it is served again")
	}
}

func TestARequestThatComesTooSoonIsRefusedOnceAndKeepsNoWorkerWaiting(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d, r := alone()
		request := func(id uint64) time.Duration {
			began := time.Now()
			d.serve(t.Context(), router.DialMessage{Kind: encap.DialRequest, From: peer, Body: encap.DialBody{ID: id}})
			return time.Since(began)
		}
		request(1)
		r.sent = nil
		if took := request(2); took != 0 {
			t.Errorf("it kept the worker for %v", took)
		}
		if len(r.sent) != 1 || r.sent[0].ID != 2 || r.sent[0].Status != encap.DialBusy {
			t.Errorf("the answers are %+v", r.sent)
		}
		time.Sleep(Pause)
		r.sent = nil
		if request(3); len(r.sent) != 2 || r.sent[0].Status != encap.DialNowhere {
			t.Errorf("later the answers are %+v, want one that is repeated", r.sent)
		}
	})
}

func TestMoreRequestsThanAreServedAreLeft(t *testing.T) {
	d, _ := alone() // nobody serves
	for range 3 * dialQueue {
		d.Hear(router.DialMessage{Kind: encap.DialRequest})
	}
	if n := len(d.requests); n != dialQueue {
		t.Errorf("%d wait, want %d", n, dialQueue)
	}
}

func TestAnswersOfOthersThanWhoWasAskedAreIgnored(t *testing.T) {
	d, _ := alone()
	id, waiting, err := d.begin(peer)
	if err != nil {
		t.Fatal(err)
	}
	at := netip.MustParseAddrPort("192.0.2.1:9338")
	for _, kind := range []encap.ControlKind{encap.DialBack, encap.DialResponse} {
		d.Hear(router.DialMessage{Kind: kind, From: stranger, Body: encap.DialBody{ID: id, To: at}})
		d.Hear(router.DialMessage{Kind: kind, From: peer, Body: encap.DialBody{ID: id + 1, To: at}})
	}
	if len(waiting.called) != 0 || len(waiting.answer) != 0 {
		t.Errorf("%v, %d answers", waiting.called, len(waiting.answer))
	}
}

func TestARequestIsForgottenHoweverItEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d, r := alone()
		began := time.Now()
		if body, _, err := d.Ask(t.Context(), peer); body != nil || err != nil || time.Since(began) != Patience || len(r.sent) != dialTries {
			t.Errorf("without an answer: %+v, %v after %v and %d requests", body, err, time.Since(began), len(r.sent))
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if _, _, err := d.Ask(ctx, peer); !errors.Is(err, context.Canceled) {
			t.Errorf("after an end: %v", err)
		}
		r.refuse = router.ErrPeerDown
		if _, _, err := d.Ask(t.Context(), peer); !errors.Is(err, router.ErrPeerDown) {
			t.Errorf("without a path: %v", err)
		}
		d.cfg.Random = bytes.NewReader(nil)
		if _, _, err := d.Ask(t.Context(), peer); !errors.Is(err, io.EOF) {
			t.Errorf("without random numbers: %v", err)
		}
		if len(d.asked) != 0 {
			t.Errorf("%d are not forgotten", len(d.asked))
		}
	})
}
