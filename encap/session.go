package encap

import (
	"errors"
	"slices"
	"sync/atomic"
	"time"

	"github.com/weftnet/weft/trust"
)

// Errors of handshakes.
var (
	ErrReplayedStamp = errors.New("encap: initiation replayed or overtaken by a later one")
	ErrPeer          = errors.New("encap: handshake of another node than the session's")
	ErrUnexpected    = errors.New("encap: response to no initiation of ours")
	ErrRefused       = errors.New("encap: peer refused the session")
)

// maxOld is how many replaced keypairs are kept: of one rekey, or of two handshakes at once, whose initiations may have been answered
// as often as maxWaiting allows.
const maxOld = 2 * maxWaiting

// Session is the engine of one peer's handshakes and keys. It is deterministic: time comes in as now. One goroutine owns
// it; Current may be called from any.
//
// A handshake gives both ends a keypair. The initiator may use it at once (Complete); the responder binds it and uses it
// as soon as the first authenticated frame has come under it (Confirmed), which proves that the initiator has it too.
// Of several the one with the highest rank is current. A keypair that is replaced opens frames for a grace time.
type Session struct {
	cfg  SessionConfig
	self trust.Fingerprint
	peer trust.Fingerprint

	current    atomic.Pointer[Keypair]
	next       *Keypair  // ours as responder, not confirmed
	old        []retired // in order of their end
	making     *attempt  // our initiation, whose frame is being made
	pending    pending   // our initiations, not answered
	generation uint64    // the highest known
	stamp      Stamp     // of the last initiation taken
	stamped    bool      // there was one
	life       int       // grows with every Close
	cookie     givenCookie
	history    History
	agreement  Agreement // of the newest keypair
	remote     Settings  // likewise
}

// retired is a keypair that opens frames until its time is over.
type retired struct {
	keys    *Keypair
	until   time.Time
	waiting bool // for its first authenticated frame, when a later initiation replaced it
}

// NewSession makes the engine of one peer, without keys.
func NewSession(cfg SessionConfig) *Session {
	cfg = cfg.withDefaults()
	return &Session{cfg: cfg, self: cfg.Local.Identity.Fingerprint(), peer: cfg.Peer.Fingerprint()}
}

// Current is the keypair to send under, or nil. It may be called from any goroutine.
func (s *Session) Current() *Keypair { return s.current.Load() }

// Agreement is what the latest handshake settled; zero before the first.
func (s *Session) Agreement() Agreement { return s.agreement }

// Remote is what the peer said of itself in the latest handshake; zero before the first.
func (s *Session) Remote() Settings { return s.remote }

// Forgotten reports whether the initiator of m knows nothing of keys that are in force here: it has begun anew, and cannot open
// what is sent under them.
func (s *Session) Forgotten(m *InitiationMessage) bool {
	return m.generation == 0 && s.Current() != nil
}

// History counts what became of handshakes.
type History struct {
	Keys   uint64    // keypairs that came into force
	Rekeys uint64    // those that took the place of one in force
	Last   time.Time // when the newest of them was made; zero: there was none
}

// History is what has happened since the session was made.
func (s *Session) History() History { return s.history }

// Confirmed notes the first authenticated frame under k. If k waited for it, it is now used for sending.
func (s *Session) Confirmed(k *Keypair, now time.Time) {
	switch {
	case k == nil:
	case k == s.next:
		s.next = nil
		s.install(k, now)
	case s.reclaim(k):
		s.install(k, now)
	}
}

// reclaim takes k out of the old keypairs if it is there for having waited too long: the initiator did get that response,
// and perhaps not the one after.
func (s *Session) reclaim(k *Keypair) bool {
	i := slices.IndexFunc(s.old, func(r retired) bool { return r.keys == k && r.waiting })
	if i >= 0 {
		s.old = slices.Delete(s.old, i, i+1)
	}
	return i >= 0
}

// install makes k current, unless the current one ranks higher.
func (s *Session) install(k *Keypair, now time.Time) {
	cur := s.Current()
	if cur != nil && k.rank.less(cur.rank) {
		s.retire(k, now, false)
		return
	}
	s.current.Store(k)
	s.history.Keys++
	s.history.Last = k.Born
	if cur != nil {
		s.history.Rekeys++
		s.retire(cur, now, false)
	}
}

// retire keeps k for opening frames, for the grace time. waiting: it was never confirmed.
func (s *Session) retire(k *Keypair, now time.Time, waiting bool) {
	until := now.Add(s.cfg.Grace)
	if end := k.Born.Add(s.cfg.RejectAfter); end.Before(until) {
		until = end
	}
	s.old = append(s.old, retired{keys: k, until: until, waiting: waiting})
	if len(s.old) > maxOld {
		s.release(s.old[0].keys)
		s.old = slices.Delete(s.old, 0, 1)
	}
}

// NeedsRekey reports whether it is time to initiate: there are no keys, or the current ones are old or much used. While
// the peer's own rekey waits for its first frame it is not.
func (s *Session) NeedsRekey(now time.Time) bool {
	if s.next != nil && now.Sub(s.next.Born) < s.cfg.RekeyAfter/8 {
		return false
	}
	k := s.Current()
	if k == nil {
		return true
	}
	limit := s.cfg.RekeyAfter
	if !k.initiator {
		limit += limit / 8
	}
	return now.Sub(k.Born) >= limit || k.worn()
}

// SetRekeyAfter sets the age at which keypairs are replaced, and with it the age at which they are dropped. It leaves alone what the
// curve work of jobs reads of the configuration meanwhile.
func (s *Session) SetRekeyAfter(age time.Duration) {
	s.cfg.RekeyAfter, s.cfg.RejectAfter = age, rejectAfter(age)
}

// Expire drops what is past its time: keypairs, and an initiation that nobody answered.
func (s *Session) Expire(now time.Time) {
	if k := s.Current(); k != nil && s.rejected(k, now) {
		s.current.Store(nil)
		s.release(k)
	}
	if s.next != nil && s.rejected(s.next, now) {
		s.release(s.next)
		s.next = nil
	}
	kept := s.old[:0]
	for _, r := range s.old {
		if now.Before(r.until) {
			kept = append(kept, r)
		} else {
			s.release(r.keys)
		}
	}
	clear(s.old[len(kept):])
	s.old = kept
	s.expirePending(now)
}

// Due is when Expire will next drop something; zero: nothing is there that it could.
func (s *Session) Due() (due time.Time) {
	note := func(t time.Time) {
		if due.IsZero() || t.Before(due) {
			due = t
		}
	}
	for _, k := range []*Keypair{s.Current(), s.next} {
		if k != nil {
			note(k.Born.Add(s.cfg.RejectAfter))
		}
	}
	for i := range s.old {
		note(s.old[i].until)
	}
	if len(s.pending) > 0 {
		note(s.pending[0].end)
	}
	return due
}

func (s *Session) rejected(k *Keypair, now time.Time) bool {
	return now.Sub(k.Born) >= s.cfg.RejectAfter
}

// Close drops all keys. The session may be used again afterwards, with a new handshake.
func (s *Session) Close() {
	if k := s.current.Swap(nil); k != nil {
		s.release(k)
	}
	if s.next != nil {
		s.release(s.next)
		s.next = nil
	}
	for _, r := range s.old {
		s.release(r.keys)
	}
	s.old = nil
	s.making = nil
	s.life++
	s.forget()
}

// release takes a keypair's index out of use.
func (s *Session) release(k *Keypair) {
	s.cfg.Indexes.Release(k.LocalIndex)
	s.cfg.Local.indexes.release(k.LocalIndex)
}
