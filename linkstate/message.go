package linkstate

import (
	"encoding/binary"
	"fmt"
	"time"

	"github.com/weftnet/weft/trust"
)

// kind is the first byte of a message: what it is.
type kind uint8

// The kinds, as on the wire.
const (
	kindPage     kind = 1 // a page, and its age
	kindSummary  kind = 2 // digests of what the sender holds: asks for versions where they differ
	kindVersions kind = 3 // all that the sender holds of a range of origins
	kindRequest  kind = 4 // asks for pages
)

const (
	// maxBuckets is the most digests in a summary: 128 of 8 bytes, in less than MaxMessage.
	maxBuckets = 128
	// bucketPages is how many pages a digest should stand for: fewer make summaries longer, more make answers longer.
	bucketPages = 8

	maxVersions = (MaxMessage - 32) / versionLen // in a message, beside both ends of its range
	wantLen     = 8 + 1 + 1                      // bytes of what is asked for: origin, bits, index
	maxWants    = (MaxMessage - 8) / wantLen

	ageLen = 2 // bytes of a page's age, in seconds
)

// summaryBody are digests of equal ranges of origins: XOR of the sums of all versions in it. Their number is a power of 2.
type summaryBody struct {
	Digests []byte `cbor:"1,keyasint"`
}

// versionsBody are the versions of all the sender's pages of origins from First to Last.
type versionsBody struct {
	First    uint64 `cbor:"1,keyasint"`
	Last     uint64 `cbor:"2,keyasint"`
	Versions []byte `cbor:"3,keyasint,omitempty"`
}

// requestBody asks for all pages that overlap with what is named.
type requestBody struct {
	Wants []byte `cbor:"1,keyasint"`
}

// want names what is asked for: all that there is in force of a range of an origin's pages.
type want struct {
	origin trust.Number
	span   span
}

// pageMessage is the message that carries p at this time.
func pageMessage(p *page, now time.Time) []byte {
	body := make([]byte, 0, 1+ageLen+len(p.raw))
	body = binary.BigEndian.AppendUint16(append(body, byte(kindPage)), uint16(p.age(now)/time.Second))
	return append(body, p.raw...)
}

// parsePage reads what follows the kind; shared may be nil.
func parsePage(b []byte, now time.Time, shared *Shared) (*page, error) {
	if len(b) < ageLen {
		return nil, fmt.Errorf("linkstate: %w: page of %d bytes", ErrMessage, len(b))
	}
	p, err := shared.decode(b[ageLen:])
	if err != nil {
		return nil, err
	}
	p.born = now.Add(-time.Duration(binary.BigEndian.Uint16(b)) * time.Second)
	return p, nil
}

// message is a body of a kind.
func message(k kind, body any) []byte { return append([]byte{byte(k)}, marshal(body)...) }

func summaryMessage(digests []uint64) []byte {
	var b []byte
	for _, d := range digests {
		b = binary.BigEndian.AppendUint64(b, d)
	}
	return message(kindSummary, summaryBody{b})
}

// parseSummary reads digests: 1 to maxBuckets, a power of 2.
func parseSummary(b []byte) ([]uint64, error) {
	var body summaryBody
	if err := unmarshal(b, &body); err != nil {
		return nil, err
	}
	n := len(body.Digests) / 8
	if n == 0 || n > maxBuckets || n&(n-1) != 0 || len(body.Digests)%8 != 0 {
		return nil, fmt.Errorf("linkstate: %w: summary of %d bytes", ErrMessage, len(body.Digests))
	}
	digests := make([]uint64, n)
	for i := range digests {
		digests[i] = binary.BigEndian.Uint64(body.Digests[8*i:])
	}
	return digests, nil
}

func versionsMessage(first, last trust.Number, versions []version) []byte {
	var b []byte
	for _, v := range versions {
		b = v.append(b)
	}
	return message(kindVersions, versionsBody{uint64(first), uint64(last), b})
}

// parseVersions reads versions; each is of an origin from first to last.
func parseVersions(b []byte) (first, last trust.Number, versions []version, err error) {
	var body versionsBody
	if err := unmarshal(b, &body); err != nil {
		return 0, 0, nil, err
	}
	first, last = trust.Number(body.First), trust.Number(body.Last)
	if len(body.Versions)%versionLen != 0 || first > last {
		return 0, 0, nil, fmt.Errorf("linkstate: %w: versions of %d bytes, from %v to %v", ErrMessage, len(body.Versions), first, last)
	}
	for b := body.Versions; len(b) > 0; b = b[versionLen:] {
		v := parseVersion(b)
		if !v.span.valid() || v.origin < first || v.origin > last {
			return 0, 0, nil, fmt.Errorf("linkstate: %w: version of %v does not belong there", ErrMessage, v.origin)
		}
		versions = append(versions, v)
	}
	return first, last, versions, nil
}

func requestMessage(wants []want) []byte {
	var b []byte
	for _, w := range wants {
		b = append(binary.BigEndian.AppendUint64(b, uint64(w.origin)), w.span.bits, w.span.index)
	}
	return message(kindRequest, requestBody{b})
}

func parseRequest(b []byte) ([]want, error) {
	var body requestBody
	if err := unmarshal(b, &body); err != nil {
		return nil, err
	}
	if len(body.Wants)%wantLen != 0 {
		return nil, fmt.Errorf("linkstate: %w: request of %d bytes", ErrMessage, len(body.Wants))
	}
	var wants []want
	for b := body.Wants; len(b) > 0; b = b[wantLen:] {
		w := want{trust.Number(binary.BigEndian.Uint64(b)), span{b[8], b[9]}}
		if !w.span.valid() {
			return nil, fmt.Errorf("linkstate: %w: request for page %d of 2^%d", ErrMessage, w.span.index, w.span.bits)
		}
		wants = append(wants, w)
	}
	return wants, nil
}
