package mesh

import (
	"cmp"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/weftnet/weft/trust"
)

const (
	tombstoneContext = "weft 1 forget\x00"
	tombstoneBody    = 32 + 8 + 8 + 32 // fingerprint, version, time, who says it
	tombstoneLen     = tombstoneBody + signatureLen

	// tombstoneTolerance is how far a tombstone's time may lie ahead of our clock: hosts' clocks differ by less.
	tombstoneTolerance = 10 * time.Minute
	maxTombstones      = 256 // that are passed on

	// burialEvery is how often the word of one member is taken for another node, after maxTombstones at once: each is passed on to
	// everybody, also for a node that nobody has heard of.
	burialEvery = time.Second
)

// tombstone is a member's signed word that a node is to be forgotten: no claim of it up to that version counts. It has effect where
// the node is not there, and none where it is. A claim of a higher version is welcome at once, and so is the node itself. It is
// passed on for a lease.
type tombstone struct {
	id      trust.Fingerprint
	version uint64
	at      uint64 // Unix time in milliseconds, by the clock of who says it
	by      trust.Fingerprint
	raw     []byte // borrowed until clone
}

func signTombstone(by *trust.Identity, id trust.Fingerprint, version, at uint64) tombstone {
	t := tombstone{id: id, version: version, at: at, by: by.Fingerprint()}
	body := append(make([]byte, 0, tombstoneLen), id[:]...)
	body = binary.BigEndian.AppendUint64(binary.BigEndian.AppendUint64(body, version), at)
	body = append(body, t.by[:]...)
	t.raw = append(body, by.Sign(append([]byte(tombstoneContext), body...))...)
	return t
}

// parseTombstone reads a tombstone, which borrows raw; its signature is not checked yet.
func parseTombstone(raw []byte) (tombstone, error) {
	if len(raw) != tombstoneLen {
		return tombstone{}, fmt.Errorf("mesh: tombstone of %d bytes", len(raw))
	}
	t := tombstone{raw: raw, version: binary.BigEndian.Uint64(raw[32:]), at: binary.BigEndian.Uint64(raw[40:])}
	copy(t.id[:], raw)
	copy(t.by[:], raw[48:])
	if t.version > maxVersion || t.at > maxUnixMillis {
		return tombstone{}, fmt.Errorf("mesh: tombstone: version %d or time %d out of range", t.version, t.at)
	}
	return t, nil
}

func (t tombstone) verify(keys trust.PublicKeys) bool {
	body, sig := t.raw[:tombstoneBody], t.raw[tombstoneBody:]
	return keys.Fingerprint() == t.by && keys.Verify(append([]byte(tombstoneContext), body...), sig)
}

// over reports whether nobody passes the tombstone on any more.
func (t tombstone) over(lease time.Duration, now time.Time) bool {
	return !now.Before(time.UnixMilli(int64(t.at)).Add(lease))
}

// replaces reports whether t says more than o, another tombstone of the same node.
func (t tombstone) replaces(o tombstone) bool {
	return cmp.Or(cmp.Compare(t.version, o.version), cmp.Compare(t.at, o.at), slices.Compare(t.raw, o.raw)) > 0
}

// tombstones are those that are passed on, by the node that is to be forgotten.
type tombstones map[trust.Fingerprint]tombstone

// add keeps a tombstone, and reports whether it is news. Those that are over, and then the oldest, make room.
func (all tombstones) add(t tombstone, lease time.Duration, now time.Time) bool {
	maps.DeleteFunc(all, func(_ trust.Fingerprint, o tombstone) bool { return o.over(lease, now) })
	if old, known := all[t.id]; known && !t.replaces(old) {
		return false
	}
	t.raw = slices.Clone(t.raw)
	all[t.id] = t
	evict(all, maxTombstones, func(x, y tombstone) int { return cmp.Compare(x.at, y.at) })
	return true
}

// burials holds members to the rate of burialEvery: until when what each of them has said is paid for.
type burials map[trust.Fingerprint]time.Time

// take reports whether one more word of a member is taken.
func (all burials) take(by trust.Fingerprint, now time.Time) bool {
	maps.DeleteFunc(all, func(_ trust.Fingerprint, until time.Time) bool { return !until.After(now) })
	until := all[by]
	if until.Before(now) {
		until = now
	}
	if until.Sub(now) > (maxTombstones-1)*burialEvery {
		return false
	}
	all[by] = until.Add(burialEvery)
	return true
}

// The reasons of Forget.
var (
	ErrPresent = errors.New("it is there")       // gossip or a path reaches the node
	ErrUnknown = errors.New("no such node here") // nothing is known of it
)

// Forget tells everybody to forget a node that is not there: its claim and its subnets, and to call it no more. A node that comes
// back is welcome. An error wraps ErrPresent or ErrUnknown; then nothing has happened.
func (m *Mesh) Forget(ctx context.Context, id trust.Fingerprint) error {
	done := make(chan error, 1)
	m.mail.post(func(o *owner) { done <- o.forget(id, time.Now()) })
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		return fmt.Errorf("mesh: forget: %w", ctx.Err())
	case <-m.done:
		return errors.New("mesh: forget: this node is stopping")
	}
}

// forget says and does it.
func (o *owner) forget(id trust.Fingerprint, now time.Time) error {
	if o.present(id) {
		return fmt.Errorf("mesh: forget %s: %w", id.Short(), ErrPresent)
	}
	if o.members[id] == nil && o.set.Get(id) == nil {
		return fmt.Errorf("mesh: forget %s: %w", id.Short(), ErrUnknown)
	}
	version := uint64(0)
	if c := o.set.Get(id); c != nil {
		version = c.Version
	}
	o.bury(signTombstone(o.cfg.Identity, id, version, uint64(now.UnixMilli())), "this node", now)
	return nil
}

// forgotten takes a tombstone from gossip.
func (o *owner) forgotten(raw []byte) error {
	t, err := parseTombstone(raw)
	if err != nil {
		return err
	}
	now := time.Now()
	signer := o.signerOf(t)
	if signer == nil || t.over(o.cfg.Lease, now) || slices.Equal(o.tombstones[t.id].raw, raw) {
		return nil
	}
	if t.at > uint64(now.Add(tombstoneTolerance).UnixMilli()) || !t.verify(signer.Keys) {
		return fmt.Errorf("mesh: tombstone of %s: from the future, or its signature does not match", t.id.Short())
	}
	known := o.set.Get(t.id)
	switch {
	case t.id == o.me.id:
		o.hearBurial(t, signer.Name, now)
		return nil
	case o.present(t.id), known != nil && known.Version > t.version:
		return nil
	case known != nil && t.version > known.Version+releaseJump:
		return fmt.Errorf("mesh: tombstone of %s: version %d, and it has %d", t.id.Short(), t.version, known.Version)
	}
	if o.burials.take(t.by, now) {
		o.bury(t, signer.Name, now)
	}
	return nil
}

// signerOf is the claim of who signed a tombstone, if that node takes part; nil: it does not, or is not known yet.
func (o *owner) signerOf(t tombstone) *Claim {
	if t.by == o.me.id {
		return nil // our own, which came back
	}
	c, _ := o.claimOf(t.by)
	return c
}

// bury brings a tombstone into force and passes it on, if it is news.
func (o *owner) bury(t tombstone, by string, now time.Time) {
	if !o.tombstones.add(t, o.cfg.Lease, now) {
		return
	}
	o.forgetMember(t.id, t.version, now, "by the word of "+by)
	payload := message(messageForget, o.tombstones[t.id].raw)
	o.delegate.queue.QueueBroadcast(broadcast{name: "forget " + t.id.String(), payload: payload})
	for _, id := range o.live(eager, t.id) {
		o.tell(id, payload)
	}
}

// hearBurial takes that others were told to forget this node: it raises its version past what they forgot. That is said once a
// minute at most, whatever a member does.
func (o *owner) hearBurial(t tombstone, by string, now time.Time) {
	if t.version < o.self.floor || !o.burials.take(t.by, now) || !o.self.buried(t.version) {
		return
	}
	o.changed = true
	if now.Sub(o.burialSaid) >= time.Minute {
		o.log.Warn("mesh.self.forgotten", "by", by, "version", t.version)
		o.burialSaid = now
	}
}

// buried takes that others have forgotten our claims up to a version, and reports whether our own is among them. An automatic subnet
// may be another's since: who came meanwhile has the earlier claim.
func (s *selfClaim) buried(version uint64) bool {
	if version < s.floor || version == s.floor && s.wantJump || version > s.floor+releaseJump {
		return false
	}
	s.floor = version
	s.beginAnew()
	return true
}

// beginAnew raises the version of our claim, which others do not have any more. One for an automatic subnet is a first claim again.
func (s *selfClaim) beginAnew() {
	s.wantJump = true
	if s.cfg.Subnet.Kind == KindAuto {
		s.anew, s.adopted = true, time.Time{}
	}
}
