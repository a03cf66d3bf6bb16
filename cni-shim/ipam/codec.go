package ipam

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"time"
)

const (
	// version is that of the format. A format with other fields has another one: what a process does not know it could not keep.
	version = 1

	// maxBook bounds the file, in bytes: a node has some hundred pods.
	maxBook = 16 << 20

	// bookEnd is what a book ends with.
	bookEnd = "\n]}\n"

	// typicalRecord is what a record of a pod takes, in bytes.
	typicalRecord = 512

	// maxAddresses bounds the addresses of one record.
	maxAddresses = 64
)

// encode is the file: each record is a line of it.
func (c *contents) encode() ([]byte, error) {
	text := c.appendHead(make([]byte, 0, typicalRecord*(1+len(c.Records))))
	for i := range c.Records {
		if i > 0 {
			text = append(text, ',')
		}
		var err error
		if text, err = c.Records[i].appendTo(append(text, '\n')); err != nil {
			return nil, fmt.Errorf("ipam: encode address book: %w", err)
		}
	}
	text = append(text, bookEnd...)
	if len(text) > maxBook {
		return nil, fmt.Errorf("ipam: encode address book: it would have %d bytes, and %d is the most", len(text), maxBook)
	}
	return text, nil
}

// decode understands what encode wrote, and refuses what is not a book with what is wrong with it.
func decode(text []byte) (contents, error) {
	if c, ok := parse(string(text)); ok {
		return c, c.check()
	}
	return decodeJSON(text)
}

// decodeJSON understands every text that is JSON and has what a book has.
func decodeJSON(text []byte) (contents, error) {
	var c contents
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	if err := d.Decode(&c); err != nil || c.Version != version {
		return c, cmp.Or(otherVersion(text), err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return c, errors.New("there is something behind its end")
	}
	return c, c.check()
}

// otherVersion says that a book is of another version, which is what makes the rest of it strange, or is none at all.
func otherVersion(text []byte) error {
	var v struct {
		Version *int `json:"version"`
	}
	switch err := json.Unmarshal(text, &v); {
	case len(text) == 0:
		return errors.New("it is empty")
	case err != nil:
		return err
	case v.Version == nil:
		return errors.New("it has no version")
	case *v.Version != version:
		return fmt.Errorf("it is of version %d, and this weft knows version %d", *v.Version, version)
	}
	return nil
}

// check refuses what no Book writes.
func (c *contents) check() error {
	holds := map[Key]bool{}
	for i := range c.Records {
		r := &c.Records[i]
		if err := r.check(); err != nil {
			return fmt.Errorf("record %d: %w", i+1, err)
		}
		if r.State == Held && holds[r.Key] {
			return fmt.Errorf("record %d: %s has one already", i+1, r.Key)
		}
		holds[r.Key] = holds[r.Key] || r.State == Held
	}
	for p, a := range c.Last {
		if !p.IsValid() || !p.Contains(a) {
			return fmt.Errorf("last: %s is not in %s", a, p)
		}
	}
	return nil
}

func (r *Record) check() error {
	switch {
	case r.Container == "" || r.IfName == "":
		return errors.New("it names no container and interface")
	case r.State != Held && r.State != Released:
		return fmt.Errorf("its state is %q", r.State)
	case r.BootID == "":
		return errors.New("it has no boot id")
	case r.Uptime < 0 || r.Uptime > int64(maxUptime/time.Millisecond):
		return fmt.Errorf("its uptime is %d ms", r.Uptime)
	case len(r.Addresses) == 0 || len(r.Addresses) > maxAddresses:
		return fmt.Errorf("it has %d addresses", len(r.Addresses))
	}
	for _, a := range r.Addresses {
		if !plain(a) {
			return fmt.Errorf("its address %s is none of a pod", a)
		}
	}
	return nil
}

// maxUptime bounds how long a machine runs.
const maxUptime = 100 * 365 * 24 * time.Hour

// plain reports whether a is an address as records have it: unmapped, and of no zone.
func plain(a netip.Addr) bool { return a.IsValid() && a.Zone() == "" && !a.Is4In6() }
