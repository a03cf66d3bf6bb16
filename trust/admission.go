package trust

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// MaxRevocations is how many revocations a node keeps.
const MaxRevocations = 4096

// Admission decides which nodes may take part, as this node sees it. Strict, it has authorities: only who has a certificate of
// theirs takes part, unless that was revoked. Otherwise whoever has the cluster's secret does, but for those that this node alone
// has banned. Its methods may be called from any goroutine; a nil Admission is one without authorities that bans nobody.
type Admission struct {
	authorities AuthorityKeys
	own         atomic.Pointer[Certificate]

	mu      sync.RWMutex // guards the rest
	keys    map[Fingerprint]*Revocation
	serials map[serial]*Revocation
	banned  map[Fingerprint]time.Time
}

// serial names a certificate: two authorities may draw the same number.
type serial struct {
	authority AuthorityID
	number    uint64
}

// NewAdmission makes an Admission; without authorities it is not strict.
func NewAdmission(authorities AuthorityKeys) *Admission {
	return &Admission{
		authorities: authorities, keys: map[Fingerprint]*Revocation{}, serials: map[serial]*Revocation{},
		banned: map[Fingerprint]time.Time{},
	}
}

// Strict reports whether only certified nodes are admitted.
func (a *Admission) Strict() bool { return a != nil && len(a.authorities) > 0 }

// Authorities are those that are taken; empty: Admission is not strict.
func (a *Admission) Authorities() AuthorityKeys {
	if a == nil {
		return nil
	}
	return a.authorities
}

// Own is this node's certificate, or nil.
func (a *Admission) Own() *Certificate {
	if a == nil {
		return nil
	}
	return a.own.Load()
}

// SetOwn replaces this node's certificate. It is the caller's to check it.
func (a *Admission) SetOwn(c *Certificate) { a.own.Store(c) }

// The reasons of a NotAdmittedError.
const (
	ReasonMissing   = "missing"   // there is no certificate
	ReasonMalformed = "malformed" // it cannot be read
	ReasonAuthority = "authority" // it is of another authority, or forged
	ReasonKey       = "key"       // it is of another node's key
	ReasonName      = "name"      // it is for another name
	ReasonEarly     = "early"     // its time has not come: one of the two clocks is wrong
	ReasonExpired   = "expired"   // its time is over
	ReasonRevoked   = "revoked"   // an authority has revoked it
	ReasonBanned    = "banned"    // this node alone has shut that key out
)

// NotAdmittedError says why a node is not admitted.
type NotAdmittedError struct {
	Reason string // one of those above
	text   string // a clause such as "its certificate expired 2026-01-02 15:04:05 UTC"
	cause  error  // of ReasonMalformed and ReasonAuthority: what is wrong with the certificate itself
}

// Error is a clause about the node.
func (e *NotAdmittedError) Error() string { return e.text }

// Unwrap gives what is wrong with a certificate that cannot be read, or is not of the authority.
func (e *NotAdmittedError) Unwrap() error { return e.cause }

func notAdmitted(reason, format string, args ...any) error {
	return &NotAdmittedError{Reason: reason, text: fmt.Sprintf(format, args...)}
}

// Vouched reads and checks the certificate that a node of that key and name shows: all of it but time and revocations, which are
// Standing's. So its result for the same certificate is always the same, at every node of the same authorities. It is nil without
// an error where nothing is asked for. The error is a *NotAdmittedError.
func (a *Admission) Vouched(id Fingerprint, name string, raw []byte) (*Certificate, error) {
	if !a.Strict() {
		return nil, nil
	}
	if len(raw) == 0 {
		return nil, notAdmitted(ReasonMissing, "it shows no certificate")
	}
	c, err := ParseCertificate(raw)
	if err != nil {
		return nil, &NotAdmittedError{ReasonMalformed, fmt.Sprintf("its certificate cannot be read: %v", err), err}
	}
	return c, a.Check(c, id, name)
}

// Check is Vouched for a certificate that was read.
func (a *Admission) Check(c *Certificate, id Fingerprint, name string) error {
	if err := c.verify(a.authorities); err != nil {
		return &NotAdmittedError{ReasonAuthority, fmt.Sprintf("its certificate does not count: %v", err), err}
	}
	return c.CheckHolder(id, name)
}

// CheckHolder says whether the certificate is that of a node of that key and name. The error is a *NotAdmittedError.
func (c *Certificate) CheckHolder(id Fingerprint, name string) error {
	switch {
	case c.Fingerprint != id:
		return notAdmitted(ReasonKey, "its certificate is for key %s, and its own is %s", c.Fingerprint.Short(), id.Short())
	case c.Name != name:
		return notAdmitted(ReasonName, "its certificate is for the name %q, and it is called %q", c.Name, name)
	}
	return nil
}

// Standing says whether a node takes part at this moment. c is what Vouched returned of it. The error is a *NotAdmittedError.
func (a *Admission) Standing(id Fingerprint, c *Certificate, now time.Time) error {
	if a == nil {
		return nil
	}
	if err := a.barred(id, c); err != nil {
		return err
	}
	if !a.Strict() {
		return nil
	}
	if c == nil {
		return notAdmitted(ReasonMissing, "it shows no certificate")
	}
	return c.CheckTime(now)
}

// CheckTime says whether the certificate counts at this moment. The error is a *NotAdmittedError. Its text does not change while the
// reason lasts, so that it can be said once.
func (c *Certificate) CheckTime(now time.Time) error {
	switch {
	case now.Add(ClockTolerance).Before(c.NotBefore):
		return notAdmitted(ReasonEarly, "its certificate counts from %s, and by this host's clock that is yet to come", stamp(c.NotBefore))
	case !now.Before(c.NotAfter):
		return notAdmitted(ReasonExpired, "its certificate expired %s", stamp(c.NotAfter))
	}
	return nil
}

func stamp(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05 UTC") }

// Admit is Vouched and Standing.
func (a *Admission) Admit(id Fingerprint, name string, raw []byte, now time.Time) error {
	c, err := a.Vouched(id, name, raw)
	if err != nil {
		return err
	}
	return a.Standing(id, c, now)
}

// barred says whether an authority has revoked the node, or this node has banned it.
func (a *Admission) barred(id Fingerprint, c *Certificate) error {
	a.mu.RLock()
	defer a.mu.RUnlock()
	if since, ok := a.banned[id]; ok {
		return notAdmitted(ReasonBanned, "this node has revoked its key %s", stamp(since))
	}
	r := a.keys[id]
	if r == nil && c != nil {
		r = a.serials[serial{c.Authority, c.Serial}]
	}
	if r == nil {
		return nil
	}
	return notAdmitted(ReasonRevoked, "the authority has revoked its %s %s", r.kind(), stamp(r.Time))
}

func (r *Revocation) kind() string {
	if r.Serial != 0 {
		return "certificate"
	}
	return "key"
}

// Shut reports whether nothing may go to that node, or come from it, outside of a session: sessions are with admitted nodes only.
func (a *Admission) Shut(id Fingerprint) bool {
	return a.Strict() || a != nil && a.barred(id, nil) != nil
}

// ErrNoAuthority says that a node without authorities cannot tell whether a revocation is one.
var ErrNoAuthority = errors.New("no authority is configured here, so nobody can revoke for others")

// ErrManyRevocations says that MaxRevocations are kept already.
var ErrManyRevocations = errors.New("too many revocations")

// Revoke takes a revocation, after a check of its signature, and reports whether it is news. The error wraps ErrNoAuthority,
// ErrOtherAuthority, ErrForged or ErrManyRevocations.
func (a *Admission) Revoke(r *Revocation) (news bool, err error) {
	if !a.Strict() {
		return false, ErrNoAuthority
	}
	if a.holds(r) {
		return false, nil
	}
	if err := r.verify(a.authorities); err != nil {
		return false, fmt.Errorf("trust: revocation: %w", err)
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if len(a.keys)+len(a.serials) >= MaxRevocations {
		return false, ErrManyRevocations
	}
	if r.Serial != 0 {
		a.serials[serial{r.Authority, r.Serial}] = r
	} else {
		a.keys[r.Fingerprint] = r
	}
	return true, nil
}

// holds reports whether what r revokes is revoked already.
func (a *Admission) holds(r *Revocation) bool {
	a.mu.RLock()
	defer a.mu.RUnlock()
	if r.Serial != 0 {
		return a.serials[serial{r.Authority, r.Serial}] != nil
	}
	return a.keys[r.Fingerprint] != nil
}

// Revocations are all that were taken, in an order that is always the same. They must not be changed.
func (a *Admission) Revocations() []*Revocation {
	if a == nil {
		return nil
	}
	a.mu.RLock()
	defer a.mu.RUnlock()
	list := slices.AppendSeq(slices.Collect(maps.Values(a.keys)), maps.Values(a.serials))
	slices.SortFunc(list, func(x, y *Revocation) int { return slices.Compare(x.raw, y.raw) })
	return list
}

// Ban shuts a key out, for this node alone. It reports whether that is news.
func (a *Admission) Ban(id Fingerprint, now time.Time) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	if _, ok := a.banned[id]; ok {
		return false
	}
	a.banned[id] = now
	return true
}

// Banned are the keys that are shut out, and since when.
func (a *Admission) Banned() map[Fingerprint]time.Time {
	if a == nil {
		return nil
	}
	a.mu.RLock()
	defer a.mu.RUnlock()
	return maps.Clone(a.banned)
}
