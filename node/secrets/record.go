package secrets

import (
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"time"

	"github.com/weftnet/weft/atomicfile"
	"github.com/weftnet/weft/trust"
)

// RecordFile is the name of the record in the state directory.
const RecordFile = "secrets.json"

const (
	recordVersion = 1
	maxRecord     = 64 << 10
	maxRetired    = 16
)

// record is what is remembered of secrets, by their names alone.
type record struct {
	Version  int       `json:"version"`
	Held     []dated   `json:"held"`
	Rotation *rotation `json:"rotation,omitempty"` // that the node follows
	Retired  []dated   `json:"retired,omitempty"`  // the latest last
}

// dated is a secret, and since when it is held, or retired.
type dated struct {
	ID    name      `json:"id"`
	Since time.Time `json:"since"`
	Back  time.Time `json:"back,omitzero"` // of one that is held: when it was retired, if it was and came back
}

// rotation is the change from one secret to another.
type rotation struct {
	Old    name   `json:"old"`
	New    name   `json:"new"`
	Signed []byte `json:"signed,omitempty"` // by the authority, where there is one: a trust.RotationPermit
}

// same reports whether both go from the same secret to the same one.
func (r *rotation) same(o *rotation) bool { return r != nil && r.Old == o.Old && r.New == o.New }

// name is a secret's public id, in JSON all of it in hexadecimal.
type name trust.SecretID

// MarshalText implements encoding.TextMarshaler.
func (n name) MarshalText() ([]byte, error) { return hex.AppendEncode(nil, n[:]), nil }

// UnmarshalText implements encoding.TextUnmarshaler.
func (n *name) UnmarshalText(text []byte) error {
	raw, err := hex.DecodeString(string(text))
	if err != nil || len(raw) != len(n) {
		return fmt.Errorf("secrets: %q is not the id of a secret", text)
	}
	*n = name(raw)
	return nil
}

// readRecord reads the record of a state directory. What cannot be read tells nothing, and is written anew; an error says why.
func readRecord(dir string) (record, error) {
	raw, _, err := atomicfile.Read(filepath.Join(dir, RecordFile), maxRecord)
	if errors.Is(err, fs.ErrNotExist) {
		return record{}, nil
	}
	var r record
	if err == nil {
		err = json.Unmarshal(raw, &r)
	}
	if err == nil && r.Version != recordVersion {
		err = fmt.Errorf("version %d", r.Version)
	}
	if err != nil {
		return record{}, fmt.Errorf("secrets: read record: %w", err)
	}
	return r, nil
}

func (r record) write(dir string) error {
	r.Version = recordVersion
	raw, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return fmt.Errorf("secrets: encode record: %w", err)
	}
	if err := atomicfile.Write(filepath.Join(dir, RecordFile), append(raw, '\n'), 0o600); err != nil {
		return fmt.Errorf("secrets: %w", err)
	}
	return nil
}

// since is when a secret was first held; zero: not known.
func (r record) since(id trust.SecretID) time.Time { return find(r.Held, id) }

func find(list []dated, id trust.SecretID) time.Time {
	if i := slices.IndexFunc(list, func(d dated) bool { return d.ID == name(id) }); i >= 0 {
		return list[i].Since
	}
	return time.Time{}
}

// foreign are the short ids of the secrets that the node held before, if it holds none of them any more.
func (r record) foreign(secrets []trust.Secret) (was []string) {
	for _, d := range r.Held {
		if slices.ContainsFunc(secrets, func(s trust.Secret) bool { return s.ID() == trust.SecretID(d.ID) }) {
			return nil
		}
		was = append(was, trust.SecretID(d.ID).Short())
	}
	return was
}

// holding is the record of a node that holds those secrets now. A secret that it did not hold before is held since at. What it held
// before and does not hold any more is retired. A rotation to a secret that is not held is over.
func (r record) holding(secrets []trust.Secret, at time.Time) record {
	next := record{Rotation: r.Rotation, Retired: slices.Clone(r.Retired)}
	for _, s := range secrets {
		next.Held = append(next.Held, r.hold(s.ID(), at))
		next.Retired = slices.DeleteFunc(next.Retired, func(d dated) bool { return d.ID == name(s.ID()) })
	}
	for _, d := range r.Held {
		if find(next.Held, trust.SecretID(d.ID)).IsZero() {
			next.Retired = append(next.Retired, dated{ID: d.ID, Since: time.Now()})
		}
	}
	next.Retired = next.Retired[max(0, len(next.Retired)-maxRetired):]
	if next.Rotation != nil && find(next.Held, trust.SecretID(next.Rotation.New)).IsZero() {
		next.Rotation = nil
	}
	return next
}

// hold is what is remembered of a secret that is held; one that was not held before is since at.
func (r record) hold(id trust.SecretID, at time.Time) dated {
	if i := slices.IndexFunc(r.Held, func(d dated) bool { return d.ID == name(id) }); i >= 0 {
		return r.Held[i]
	}
	return dated{ID: name(id), Since: at, Back: find(r.Retired, id)}
}
