package mesh

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"

	"github.com/weftnet/weft/atomicfile"
	"github.com/weftnet/weft/trust"
)

// SuccessionFile is the file of the state directory by which an identity leaves what it owned to the one that takes its place.
const SuccessionFile = "succession.json"

// releaseJump is how many versions the old identity may still have raised its claim by.
const releaseJump = 1 << 20

// successionRecord is the succession file. Claims of other nodes are passed on by anybody, and so are the last ones of identities
// that are gone: their successor does it.
type successionRecord struct {
	Version int      `json:"version"`
	First   []byte   `json:"first"` // claim that the new identity begins with
	Last    [][]byte `json:"last"`  // claims of identities that came before, which own nothing any more
}

// Succeed makes the next start under the identity next begin with what old owned last, as the claim in the state directory says, and
// tell all nodes that old owns nothing any more. It takes effect with the change of the node's key, and not before. Where old never
// claimed anything there is nothing to leave, and no file is written.
func Succeed(dir string, old, next *trust.Identity) error {
	record, err := readSuccession(dir)
	if err != nil {
		return err
	}
	own, err := lastClaim(dir, record, old.Fingerprint())
	if own == nil || err != nil {
		return err
	}
	if record, err = record.succeed(own, old, next); err != nil {
		return err
	}
	raw, err := json.MarshalIndent(record, "", "  ")
	if err != nil {
		return fmt.Errorf("mesh: encode succession: %w", err)
	}
	if err := atomicfile.Write(filepath.Join(dir, SuccessionFile), append(raw, '\n'), 0o600); err != nil {
		return fmt.Errorf("mesh: %w", err)
	}
	return nil
}

// succeed is the record of next in the place of old, whose claim is own.
func (r successionRecord) succeed(own *Claim, old, next *trust.Identity) (successionRecord, error) {
	first := *own
	first.Version, first.Certificate = 1, nil
	first.Predecessors = append([]Predecessor{bequeath(old, next.Fingerprint())}, own.Predecessors...)
	first.Predecessors = first.Predecessors[:min(len(first.Predecessors), maxPredecessors)]
	begun, err := Sign(next, first)
	if err != nil {
		return r, err
	}
	last := *own
	last.Version += releaseJump
	last.Kind, last.Subnets, last.Routes, last.Cut, last.Endpoints = KindReleased, nil, nil, nil, nil
	released, err := Sign(old, last)
	if err != nil {
		return r, err
	}
	lasts := append(r.Last, released.raw)
	return successionRecord{Version: fileVersion, First: begun.raw, Last: lasts[max(0, len(lasts)-maxPredecessors):]}, nil
}

// readSuccession reads the record; without a file it is empty.
func readSuccession(dir string) (r successionRecord, err error) {
	path := filepath.Join(dir, SuccessionFile)
	raw, _, err := atomicfile.Read(path, maxStateFile)
	if errors.Is(err, fs.ErrNotExist) {
		return r, nil
	}
	if err != nil {
		return r, fmt.Errorf("mesh: read state: %w (move it away)", err)
	}
	if err := checkFileVersion(path, raw); err != nil {
		return r, err
	}
	if err := json.Unmarshal(raw, &r); err != nil {
		return successionRecord{}, fmt.Errorf("mesh: %s is damaged: %w (move it away)", path, err)
	}
	return r, nil
}

// lastClaim is the claim that an identity published last, or that it is to begin with; nil: there is none.
func lastClaim(dir string, r successionRecord, id trust.Fingerprint) (*Claim, error) {
	var own claimRecord
	raw, _, err := atomicfile.Read(filepath.Join(dir, claimFile), maxStateFile)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("mesh: read state: %w (move it away)", err)
	}
	if json.Unmarshal(raw, &own) == nil { // a damaged one is set aside by the next start
		if c, err := DecodeClaim(own.Claim); err == nil && c.id == id {
			return c, nil
		}
	}
	if c := r.first(id); c != nil {
		return c, nil
	}
	return nil, nil
}

// first is the claim that id is to begin with; nil: the record is another's.
func (r successionRecord) first(id trust.Fingerprint) *Claim {
	if c, err := DecodeClaim(r.First); err == nil && c.id == id {
		return c
	}
	return nil
}

// inherit completes what load found: the claim to begin with, if own is nil, and the claims of identities that came before.
func (s store) inherit(me trust.Fingerprint, own *Claim) (claim *Claim, released []*Claim, err error) {
	if s.dir == "" {
		return own, nil, nil
	}
	r, err := readSuccession(s.dir)
	first := r.first(me)
	if err != nil || first == nil {
		return own, nil, err
	}
	for _, raw := range r.Last {
		if c, err := DecodeClaim(raw); err == nil && c.id != me {
			released = append(released, c)
		}
	}
	if own == nil {
		own = first
	}
	return own, released, nil
}

// succeeded reports whether id is an identity that me has taken the place of.
func (s store) succeeded(id, me trust.Fingerprint) bool {
	_, released, _ := s.inherit(me, nil) // what is wrong with the file is said by who asks for what is in it
	for _, c := range released {
		if c.id == id {
			return true
		}
	}
	return false
}

// noteHeir says when another node has taken the place of this one: an earlier key of its was put back. nil: none has.
func (o *owner) noteHeir(heir *Claim) {
	before := o.succeeded
	o.succeeded = ""
	if heir != nil {
		o.succeeded = fmt.Sprintf("no other node takes this one: its key was replaced, %s (%s) has taken its place (run 'weft key replace' and restart)", heir.Name, heir.id.Short())
	}
	if o.succeeded == before {
		return
	}
	o.changed = true
	if heir != nil {
		o.log.Error("mesh.self.replaced", "by", heir.Name, "id", heir.id.Short())
	}
}

// gone reports whether a node is an identity that was replaced, and nobody uses it: nobody waits for it any more.
func (o *owner) gone(id trust.Fingerprint) bool {
	if c := o.set.Get(id); c != nil && c.Kind == KindReleased {
		return true
	}
	return o.admissions.heirs[id] != nil && !o.isAlive(id)
}
