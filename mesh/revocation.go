package mesh

import (
	"encoding/hex"
	"errors"
	"time"

	"github.com/weftnet/weft/trust"
)

// Revoke takes an authority's revocation, tells everybody, and keeps it. News says that it was not known. The error is that of
// trust.Admission.Revoke; then nothing has changed.
func (m *Mesh) Revoke(r *trust.Revocation) (news bool, err error) {
	news, err = m.cfg.Admission.Revoke(r)
	if news {
		m.mail.post(func(o *owner) { o.tookRevocation(r) })
	}
	return news, err
}

// Ban shuts a key out for this node alone, and keeps that. News says that it was not shut out.
func (m *Mesh) Ban(id trust.Fingerprint) (news bool) {
	if id == m.me.id || !m.cfg.Admission.Ban(id, time.Now()) {
		return false
	}
	m.mail.post(func(o *owner) {
		o.log.Warn("mesh.peer.banned", "id", id.Short(), "effect", "this node alone has shut it out: rotate the secret to shut it out everywhere")
		o.keepRevocations()
	})
	return true
}

// SetCertificate makes c our certificate, in our claim too.
func (m *Mesh) SetCertificate(c *trust.Certificate) {
	m.cfg.Admission.SetOwn(c)
	m.mail.post(func(o *owner) { o.changed = true })
}

// revoked takes a revocation from gossip, and passes it on if it is news. One that cannot be checked here is none of ours.
func (o *owner) revoked(raw []byte) error {
	r, err := trust.ParseRevocation(raw)
	if err != nil {
		return err
	}
	switch news, err := o.cfg.Admission.Revoke(r); {
	case errors.Is(err, trust.ErrNoAuthority):
		return nil
	case errors.Is(err, trust.ErrManyRevocations):
		o.log.Warn("mesh.revocations.full", "refused", r.What(), "limit", trust.MaxRevocations)
		return nil
	case err != nil:
		return err
	case news:
		o.tookRevocation(r)
	}
	return nil
}

// tookRevocation tells everybody of a revocation that is news.
func (o *owner) tookRevocation(r *trust.Revocation) {
	o.log.Warn("mesh.revocation.taken", "revoked", r.What(), "signed", r.Time.UTC())
	payload := message(messageRevocation, r.Raw())
	o.delegate.queue.QueueBroadcast(broadcast{name: "revocation " + hex.EncodeToString(r.Raw()[:16]), payload: payload})
	for _, id := range o.live(eager, o.me.id) {
		o.tell(id, payload)
	}
	o.keepRevocations()
}

func (o *owner) keepRevocations() {
	o.files.save(revokedFile, encodeFile(revokedOf(o.cfg.Admission)))
	o.changed = true
}

// revokedRecord is the file of what was revoked.
type revokedRecord struct {
	Version int                  `json:"version"`
	Signed  [][]byte             `json:"signed,omitempty"` // by an authority, for everybody
	Banned  map[string]time.Time `json:"banned,omitempty"` // by fingerprint: shut out by this node alone
}

func revokedOf(a *trust.Admission) revokedRecord {
	record := revokedRecord{Version: fileVersion, Banned: map[string]time.Time{}}
	for _, r := range a.Revocations() {
		record.Signed = append(record.Signed, r.Raw())
	}
	for id, since := range a.Banned() {
		record.Banned[id.String()] = since
	}
	return record
}

// check says whether the file is whole. Whose signatures count is not its matter: an authority may have been replaced.
func (r *revokedRecord) check() error {
	if r.Version != fileVersion {
		return errors.New("version of another weft")
	}
	for _, raw := range r.Signed {
		if _, err := trust.ParseRevocation(raw); err != nil {
			return err
		}
	}
	for id := range r.Banned {
		if _, err := trust.ParseFingerprint(id); err != nil {
			return err
		}
	}
	return nil
}

// RestoreRevoked brings what the state directory says of revocations back into force in a, as New does. A node asks before it starts
// whether it is revoked itself.
func RestoreRevoked(dir string, a *trust.Admission) error {
	return store{dir: dir}.loadRevoked(a)
}

// restore brings what was revoked back into force. What no authority of ours has signed stays away.
func (r *revokedRecord) restore(a *trust.Admission) {
	for _, raw := range r.Signed {
		if signed, err := trust.ParseRevocation(raw); err == nil {
			_, _ = a.Revoke(signed)
		}
	}
	for text, since := range r.Banned {
		if id, err := trust.ParseFingerprint(text); err == nil {
			a.Ban(id, since)
		}
	}
}
