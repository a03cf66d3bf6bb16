package encap

import (
	"fmt"
	"net/netip"

	"github.com/weftnet/weft/trust"
)

// CapTrace is the capability of nodes that answer a TraceQuestion.
const CapTrace uint64 = 1 << 8

const (
	// MaxTrace is the length of a question's body, in bytes: more than any answer has together with the longest front of a relay frame
	// around it, so that nobody can have a node send more than he sends himself.
	MaxTrace = 192

	// MaxVerdict is the longest name of a drop reason in an answer, in bytes.
	MaxVerdict = 32
)

// TraceQuestion is the body of a Trace frame, which asks a node on a path what it makes of it.
type TraceQuestion struct {
	ID uint64 `cbor:"1,keyasint"` // drawn by the sender, not 0; the answer repeats it

	// Next is where a packet would go on from here: the number of the relay that follows, or of the node at the end. 0: it ends here.
	Next trust.Number `cbor:"2,keyasint,omitempty"`
	// Src and Dst are those of the packet, of one family, or neither is valid.
	Src netip.Addr `cbor:"3,keyasint,omitzero"`
	Dst netip.Addr `cbor:"4,keyasint,omitzero"`
}

// TraceAnswer is the body of the answer.
type TraceAnswer struct {
	ID      uint64         `cbor:"1,keyasint"`           // of the question
	Clock   int64          `cbor:"2,keyasint"`           // when the question came, by the answerer's clock, in milliseconds of Unix time
	From    trust.Number   `cbor:"3,keyasint,omitempty"` // the relay that it came from; 0: it came straight
	Seen    netip.AddrPort `cbor:"4,keyasint,omitzero"`  // where it came from, if it came straight
	Back    []trust.Number `cbor:"5,keyasint,omitempty"` // the relays that packets to the asker pass, in their order; none: they go straight
	Verdict string         `cbor:"6,keyasint,omitempty"` // the drop reason that a packet would meet here; empty: none
}

// Append adds the body to dst, with zeros behind it up to MaxTrace.
func (q TraceQuestion) Append(dst []byte) []byte {
	start := len(dst)
	dst = appendBody(dst, q)
	return append(dst, make([]byte, max(0, MaxTrace-(len(dst)-start)))...)
}

// Append adds the body to dst. A verdict that is too long for it is cut.
func (a TraceAnswer) Append(dst []byte) []byte {
	a.Verdict = a.Verdict[:min(len(a.Verdict), MaxVerdict)]
	return appendBody(dst, a)
}

// ParseTrace reads the body of a question. The error is ErrPayload, also for one that is shorter than an answer may be.
func ParseTrace(body []byte) (TraceQuestion, error) {
	if len(body) < MaxTrace {
		return TraceQuestion{}, fmt.Errorf("%w: trace of %d bytes", ErrPayload, len(body))
	}
	var q TraceQuestion
	if err := decodeFirst(body, &q); err != nil {
		return TraceQuestion{}, err
	}
	if q.ID == 0 || !plain(q.Src) || !plain(q.Dst) || q.Src.BitLen() != q.Dst.BitLen() {
		return TraceQuestion{}, fmt.Errorf("%w: trace %d from %v to %v", ErrPayload, q.ID, q.Src, q.Dst)
	}
	return q, nil
}

// plain reports whether an address is none, or one as packets carry it.
func plain(a netip.Addr) bool { return !a.Is4In6() && a.Zone() == "" }

// ParseTraceAnswer reads the body of an answer. The error is ErrPayload. The verdict is printable, and may be one that is not known.
func ParseTraceAnswer(body []byte) (TraceAnswer, error) {
	var a TraceAnswer
	if err := decode(body, &a); err != nil {
		return TraceAnswer{}, err
	}
	if a.ID == 0 || len(a.Back) > MaxRelays || len(a.Verdict) > MaxVerdict {
		return TraceAnswer{}, fmt.Errorf("%w: answer %d with %d relays", ErrPayload, a.ID, len(a.Back))
	}
	if err := checkObserved(a.Seen); err != nil {
		return TraceAnswer{}, err
	}
	a.Verdict = printable(a.Verdict)
	return a, nil
}
