package encap

import (
	"fmt"
	"net/netip"
	"time"

	"github.com/weftnet/weft/trust"
)

// Hello is what each end of a stream says of itself, authenticated. Its X25519 key is the one of the handshake.
type Hello struct {
	Keys     trust.PublicKeys
	Boot     trust.BootNonce
	Name     string
	Uptime   time.Duration
	Settings Settings
	Port     uint16         // where it listens
	Observed netip.AddrPort // where it sees the receiver of the hello

	Certificate []byte // of an authority, not checked yet; empty: it has none
	Splice      Splice // of a dialer
}

// helloPayload is a Hello on the wire.
type helloPayload struct {
	DH       []byte         `cbor:"1,keyasint"`
	Sign     []byte         `cbor:"2,keyasint"`
	Boot     []byte         `cbor:"3,keyasint"`
	Name     string         `cbor:"4,keyasint"`
	Uptime   int64          `cbor:"5,keyasint"` // nanoseconds
	Settings Settings       `cbor:"6,keyasint"`
	Port     uint16         `cbor:"7,keyasint"`
	Observed netip.AddrPort `cbor:"8,keyasint,omitzero"`

	Certificate []byte `cbor:"9,keyasint,omitempty"`

	Splice *splicePayload `cbor:"10,keyasint,omitempty"`
}

func (h Hello) encode() ([]byte, error) {
	return encode(helloPayload{
		DH: h.Keys.DH[:], Sign: h.Keys.Sign[:], Boot: h.Boot[:], Name: h.Name, Uptime: int64(h.Uptime),
		Settings: h.Settings, Port: h.Port, Observed: h.Observed, Certificate: h.Certificate,
		Splice: h.Splice.payload(),
	})
}

func parseHello(b []byte) (Hello, error) {
	var p helloPayload
	if err := decode(b, &p); err != nil {
		return Hello{}, err
	}
	if err := p.check(); err != nil {
		return Hello{}, err
	}
	return Hello{
		Keys: trust.PublicKeys{DH: [32]byte(p.DH), Sign: [32]byte(p.Sign)}, Boot: trust.BootNonce(p.Boot), Name: printable(p.Name),
		Uptime: time.Duration(p.Uptime), Settings: p.Settings, Port: p.Port, Observed: p.Observed,
		Certificate: p.Certificate, Splice: p.Splice.splice(),
	}, nil
}

func (p *helloPayload) check() error {
	switch {
	case len(p.DH) != 32 || len(p.Sign) != 32 || len(p.Boot) != len(trust.BootNonce{}):
		return fmt.Errorf("%w: keys of %d, %d and %d bytes", ErrPayload, len(p.DH), len(p.Sign), len(p.Boot))
	case len(p.Name) > MaxName:
		return fmt.Errorf("%w: name of %d bytes", ErrPayload, len(p.Name))
	case p.Uptime < 0:
		return fmt.Errorf("%w: negative uptime", ErrPayload)
	}
	if err := checkObserved(p.Observed); err != nil {
		return err
	}
	if err := p.Splice.check(); err != nil {
		return err
	}
	return p.Settings.check()
}
