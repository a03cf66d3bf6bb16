package encap

import (
	"fmt"
	"net/netip"
)

// MaxDialed is how many endpoints one dial-back calls at most.
const MaxDialed = 4

// DialBody is the body of the frames of a dial-back: one node asks another to call it at the endpoints that it claims, and
// learns from the calls that arrive, and from the answer, whether strangers reach it there. The request names no endpoint:
// nobody can have a node call others than its own.
type DialBody struct {
	ID     uint64         `cbor:"1,keyasint"`           // drawn by who asks; the same in all frames of one dial-back
	To     netip.AddrPort `cbor:"2,keyasint,omitzero"`  // of a DialBack: the endpoint that it was sent to
	Status DialStatus     `cbor:"3,keyasint,omitzero"`  // of a DialResponse
	Dialed []Dialed       `cbor:"4,keyasint,omitempty"` // of a DialResponse
}

// Dialed is what became of the calls to one endpoint, as the caller saw it. UDP has no answer: what was sent is OK, and
// only who was called knows whether it arrived.
type Dialed struct {
	Endpoint netip.AddrPort `cbor:"1,keyasint"`
	UDP      DialOutcome    `cbor:"2,keyasint"`
	TCP      DialOutcome    `cbor:"3,keyasint"`
}

// DialStatus says whether a dial-back was done.
type DialStatus uint8

// The states of a dial-back.
const (
	DialDone    DialStatus = 0
	DialBusy    DialStatus = 1 // asked too often, or by too many at once
	DialNowhere DialStatus = 2 // the one who asks claims no endpoint
)

// DialOutcome is what became of one call. Values that are not known stand for a failure of another kind.
type DialOutcome uint8

// The outcomes of a call.
const (
	DialOK          DialOutcome = 0 // UDP: sent. TCP: the node that asked answered
	DialRefused     DialOutcome = 1 // nobody listens, or a firewall says so
	DialTimeout     DialOutcome = 2
	DialUnreachable DialOutcome = 3 // the network has no way there, or forbids it
	DialStranger    DialOutcome = 4 // another node, or something else than weft, answered
	DialFailed      DialOutcome = 5 // anything else
)

var dialOutcomes = map[DialOutcome]string{
	DialOK: "ok", DialRefused: "refused", DialTimeout: "timeout", DialUnreachable: "unreachable", DialStranger: "stranger",
}

// String is the outcome's name in JSON.
func (o DialOutcome) String() string {
	if name, ok := dialOutcomes[o]; ok {
		return name
	}
	return "failed"
}

// Append adds the body to dst.
func (d DialBody) Append(dst []byte) []byte {
	b, err := encode(d)
	if err != nil { // fields that always encode
		panic(err)
	}
	return append(dst, b...)
}

// ParseDial reads the body of a frame of a dial-back.
func ParseDial(body []byte) (DialBody, error) {
	var d DialBody
	if err := decode(body, &d); err != nil {
		return DialBody{}, err
	}
	if len(d.Dialed) > MaxDialed {
		return DialBody{}, fmt.Errorf("%w: %d endpoints dialed", ErrPayload, len(d.Dialed))
	}
	for _, x := range d.Dialed {
		if err := checkObserved(x.Endpoint); err != nil {
			return DialBody{}, err
		}
	}
	if err := checkObserved(d.To); err != nil {
		return DialBody{}, err
	}
	return d, nil
}
