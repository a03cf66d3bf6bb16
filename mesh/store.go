package mesh

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/weftnet/weft/atomicfile"
	"github.com/weftnet/weft/trust"
)

// The files of the state directory. All are JSON with a version; they are replaced as a whole.
const (
	claimFile   = "claim"
	peersFile   = "peers.json"
	revokedFile = "revoked.json"
	fileVersion = 1
)

// maxStateFile bounds what is read of a state file, in bytes: the claims of the largest cluster take less.
const maxStateFile = 64 << 20

// StateFiles are the names of the files that a Mesh writes into its state directory.
func StateFiles() []string { return []string{claimFile, peersFile, revokedFile} }

// claimRecord is the claim file.
type claimRecord struct {
	Version int    `json:"version"`
	Claim   []byte `json:"claim"` // as signed
}

// peersRecord is the peers file: who was known, and where, and who owned what.
type peersRecord struct {
	Version int          `json:"version"`
	Peers   []peerRecord `json:"peers"`
	Owners  ownersRecord `json:"owners,omitempty"` // of subnets; older builds ignore it, and the next
	Dropped []dropRecord `json:"dropped,omitempty"`
}

type peerRecord struct {
	ID       string           `json:"id"`
	Name     string           `json:"name"`
	Observed []netip.AddrPort `json:"observed,omitempty"`
	Claim    []byte           `json:"claim,omitempty"` // as signed
	Seen     time.Time        `json:"seen,omitzero"`   // last alive
	Heard    bool             `json:"heard,omitempty"` // others say so, this node did not see it
}

// dropRecord is a node whose claims up to a version do not come back.
type dropRecord struct {
	ID      string    `json:"id"`
	Version uint64    `json:"claim_version"`
	At      time.Time `json:"at"`
	Heir    []byte    `json:"heir,omitempty"` // its claim, as signed, if it has taken the place of others
}

// heir is the claim of a record; nil: the node has taken nobody's place. An error says that the record is damaged.
func (d dropRecord) heir() (*Claim, error) {
	if len(d.Heir) == 0 {
		return nil, nil
	}
	c, err := DecodeClaim(d.Heir)
	if err != nil {
		return nil, err
	}
	if c.id.String() != d.ID {
		return nil, fmt.Errorf("claim of %s for %s", c.id.Short(), d.ID)
	}
	return c, nil
}

// ErrNewerState says that a state file was written by a newer weft.
var ErrNewerState = errors.New("written by a newer weft")

// store reads the state files at start.
type store struct {
	dir string
	log *slog.Logger
	now time.Time
}

// read fills record from a file. A damaged file is set aside and named in the log; found is false then, as it is when
// there is no file. A file of a newer version is an error.
func (s store) read(name string, record interface{ check() error }) (found bool, err error) {
	path := filepath.Join(s.dir, name)
	found, damage, err := s.decode(path, record)
	if damage != nil {
		return false, s.setAside(path, damage)
	}
	return found, err
}

// decode fills record from a file. damage says what is wrong in it.
func (s store) decode(path string, record interface{ check() error }) (found bool, damage, err error) {
	if s.dir == "" {
		return false, nil, nil
	}
	raw, _, err := atomicfile.Read(path, maxStateFile)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil, nil
	}
	if err != nil {
		return false, nil, fmt.Errorf("mesh: read state: %w (move it away)", err)
	}
	if err := checkFileVersion(path, raw); err != nil {
		return false, nil, err
	}
	if damage = json.Unmarshal(raw, record); damage == nil {
		damage = record.check()
	}
	return damage == nil, damage, nil
}

// checkFileVersion refuses what a newer weft wrote, whatever else is in it.
func checkFileVersion(path string, raw []byte) error {
	var head struct {
		Version int `json:"version"`
	}
	if json.Unmarshal(raw, &head) == nil && head.Version > fileVersion {
		return fmt.Errorf("mesh: %s is %w: it has version %d, this one knows up to %d (upgrade weft, or move the file away)",
			path, ErrNewerState, head.Version, fileVersion)
	}
	return nil
}

// setAside moves a damaged file out of the way.
func (s store) setAside(path string, why error) error {
	to := fmt.Sprintf("%s.damaged-%s", path, s.now.UTC().Format("20060102T150405Z"))
	if err := os.Rename(path, to); err != nil {
		return fmt.Errorf("mesh: set damaged state aside: %w", err)
	}
	s.log.Warn("mesh.state.damaged", "file", path, "moved_to", to, "error", why)
	return nil
}

// check says whether the file is whole.
func (r *claimRecord) check() error {
	if r.Version != fileVersion {
		return fmt.Errorf("version %d", r.Version)
	}
	_, err := DecodeClaim(r.Claim)
	return err
}

// check says whether the file is whole.
func (r *peersRecord) check() error {
	if r.Version != fileVersion {
		return fmt.Errorf("version %d", r.Version)
	}
	for _, p := range r.Peers {
		if err := p.check(); err != nil {
			return err
		}
	}
	for _, d := range r.Dropped {
		if _, err := trust.ParseFingerprint(d.ID); err != nil {
			return err
		}
		if _, err := d.heir(); err != nil {
			return err
		}
	}
	_, err := r.Owners.assignment()
	return err
}

func (p peerRecord) check() error {
	id, err := trust.ParseFingerprint(p.ID)
	if err != nil {
		return err
	}
	for _, a := range p.Observed {
		if err := checkObserved(a); err != nil {
			return err
		}
	}
	if len(p.Claim) == 0 {
		return nil
	}
	c, err := DecodeClaim(p.Claim)
	if err == nil && c.id != id {
		err = fmt.Errorf("claim of %s under %s", c.id, id)
	}
	return err
}

// load reads the files. A claim of another key (the node key was replaced) is set aside, too.
func (s store) load(me trust.Fingerprint) (*Claim, peersRecord, error) {
	var own claimRecord
	found, err := s.read(claimFile, &own)
	if err != nil {
		return nil, peersRecord{}, err
	}
	var claim *Claim
	if found {
		claim, err = DecodeClaim(own.Claim)
		switch {
		case err != nil || claim.id == me:
		case s.succeeded(claim.id, me):
			claim = nil
		default:
			claim, err = nil, s.setAside(filepath.Join(s.dir, claimFile), errors.New("it is the claim of another key"))
		}
	}
	if err != nil {
		return nil, peersRecord{}, err
	}
	var peers peersRecord
	found, err = s.read(peersFile, &peers)
	if !found {
		peers = peersRecord{} // what a damaged file left
	}
	return claim, peers, err
}

// loadRevoked reads what was revoked. It comes first: it says which peers of the other file count. A damaged file is an error:
// without it those who were shut out would be let in again.
func (s store) loadRevoked(a *trust.Admission) error {
	var record revokedRecord
	path := filepath.Join(s.dir, revokedFile)
	found, damage, err := s.decode(path, &record)
	if damage != nil {
		return fmt.Errorf("mesh: %s is damaged: %w (it says who is shut out: put it back from a copy, or delete it and say 'weft peers revoke' again)",
			path, damage)
	}
	if found {
		record.restore(a)
	}
	return err
}

func encodeClaimFile(c *Claim) []byte {
	return encodeFile(claimRecord{Version: fileVersion, Claim: c.raw})
}

func encodeFile[T claimRecord | peersRecord | revokedRecord](record T) []byte {
	raw, err := json.MarshalIndent(record, "", "  ")
	if err != nil {
		panic("mesh: encode state: " + err.Error()) // only bytes, strings and addresses
	}
	return append(raw, '\n')
}

// savePeers writes the peers file if it would differ, not too often.
func (o *owner) savePeers(now time.Time) {
	if !o.peersChanged || now.Before(o.saved.Add(o.cfg.Timing.Save)) {
		return
	}
	o.saved, o.peersChanged = now, false
	o.files.save(peersFile, encodeFile(peersRecord{Version: fileVersion, Peers: o.peerRecords(now), Owners: recordOwners(o.owners), Dropped: o.dropRecords()}))
}

// dropRecords are in order of their ids.
func (o *owner) dropRecords() (records []dropRecord) {
	for id, d := range o.dropped {
		record := dropRecord{ID: id.String(), Version: d.version, At: d.at.UTC().Truncate(time.Second)}
		if d.heritage() > 0 {
			record.Heir = d.claim.raw
		}
		records = append(records, record)
	}
	slices.SortFunc(records, func(a, b dropRecord) int { return strings.Compare(a.ID, b.ID) })
	return records
}

func (o *owner) peerRecords(now time.Time) []peerRecord {
	records := []peerRecord{}
	for _, v := range o.allViews() {
		if v.Claim == nil && len(v.Observed) == 0 {
			continue
		}
		m := o.members[v.ID]
		seen := now.Add(-m.deadFor(now)) // by the clock of now: it may have been set since
		r := peerRecord{ID: v.ID.String(), Name: v.Name, Observed: v.Observed, Seen: seen.UTC().Truncate(time.Second), Heard: !m.witnessed}
		if v.Claim != nil {
			r.Claim = v.Claim.raw
		}
		records = append(records, r)
	}
	return records
}

// aged is how long ago this node has seen another one; 0: it never has, or that was not written down.
func (r *peersRecord) aged(now time.Time) time.Duration {
	var last time.Time
	for _, p := range r.Peers {
		if !p.Heard && p.Seen.After(last) {
			last = p.Seen
		}
	}
	if last.IsZero() {
		return 0
	}
	return now.Sub(last)
}

// restorePeers takes the peers file back into the state.
func (o *owner) restorePeers(record peersRecord) {
	owners, _ := record.Owners.assignment() // checked when the file was read
	o.restoreOwners(owners)
	if record.aged(time.Now()) >= o.cfg.Lease {
		o.self.beginAnew()
	}
	for _, d := range record.Dropped {
		if id, err := trust.ParseFingerprint(d.ID); err == nil {
			heir, _ := d.heir() // checked when the file was read
			o.dropped.add(id, d.Version, heir, d.At)
		}
	}
	for _, r := range record.Peers {
		id, err := trust.ParseFingerprint(r.ID)
		if err != nil || id == o.me.id {
			continue
		}
		m := o.member(id)
		m.name, m.observed, m.witnessed = r.Name, r.Observed, !r.Heard && !r.Seen.IsZero()
		if !r.Seen.IsZero() && r.Seen.Before(m.seen) {
			m.seen = r.Seen
		}
		if c, err := DecodeClaim(r.Claim); err == nil && len(r.Claim) > 0 && o.vouched(c) {
			o.set.Add(c)
		}
	}
}
