package mesh

import (
	"encoding/binary"
	"fmt"
	"slices"
	"time"

	"github.com/weftnet/weft/trust"
)

const (
	departureContext = "weft 1 departure\x00"
	departureBody    = 32 + 8 + 8 // fingerprint, boot nonce, time
	departureLen     = departureBody + signatureLen

	// departureTolerance is how far a departure's time may lie ahead of our clock: hosts' clocks differ by less.
	departureTolerance = 10 * time.Minute
)

// departure is a node's signed goodbye: this boot of it stopped on purpose. It does not touch what the node owns.
type departure struct {
	id   trust.Fingerprint
	boot trust.BootNonce
	at   uint64 // Unix time in milliseconds, by the node's own clock
	raw  []byte // borrowed until clone
}

func signDeparture(id *trust.Identity, boot trust.BootNonce, at uint64) departure {
	d := departure{id: id.Fingerprint(), boot: boot, at: at}
	body := append(append(make([]byte, 0, departureLen), d.id[:]...), boot[:]...)
	body = binary.BigEndian.AppendUint64(body, at)
	d.raw = append(body, id.Sign(append([]byte(departureContext), body...))...)
	return d
}

// parseDeparture reads a departure, which borrows raw; its signature is not checked yet.
func parseDeparture(raw []byte) (departure, error) {
	if len(raw) != departureLen {
		return departure{}, fmt.Errorf("mesh: departure of %d bytes", len(raw))
	}
	d := departure{raw: raw, at: binary.BigEndian.Uint64(raw[40:])}
	copy(d.id[:], raw)
	copy(d.boot[:], raw[32:])
	return d, nil
}

// clone is d with bytes of its own: what it was parsed from may be a whole push/pull.
func (d departure) clone() departure {
	d.raw = slices.Clone(d.raw)
	return d
}

func (d departure) verify(keys trust.PublicKeys) bool {
	body, sig := d.raw[:departureBody], d.raw[departureBody:]
	return keys.Fingerprint() == d.id && keys.Verify(append([]byte(departureContext), body...), sig)
}
