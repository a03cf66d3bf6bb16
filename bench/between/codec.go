package between

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/fxamacker/cbor/v2"
)

// maxFrame bounds a frame: the largest message, a welcome with all its texts at their limits, has about 1.2 kB.
const maxFrame = 4096

// errFrame says that the other side sent what is no message of this protocol.
var errFrame = errors.New("between: malformed message")

// The codec: deterministic when written; when read, duplicate keys, indefinite lengths and tags are refused, sizes are
// bounded, and keys that are not known are ignored, so that fields can be added.
var (
	encMode = must(cbor.EncOptions{Sort: cbor.SortCoreDeterministic, IndefLength: cbor.IndefLengthForbidden}.EncMode())
	decMode = must(cbor.DecOptions{
		DupMapKey: cbor.DupMapKeyEnforcedAPF, IndefLength: cbor.IndefLengthForbidden, TagsMd: cbor.TagsForbidden,
		MaxNestedLevels: 4, MaxArrayElements: 16, MaxMapPairs: 32, UTF8: cbor.UTF8RejectInvalid,
	}.DecMode())
)

func must[T any](mode T, err error) T {
	if err != nil { // only for options that contradict each other
		panic("between: cbor: " + err.Error())
	}
	return mode
}

// message is what a frame holds. check reports what is out of bounds, as an errFrame.
type message interface{ check() error }

// writeFrame writes one message with one call of Write.
func writeFrame(w io.Writer, m message) error {
	body, err := encMode.Marshal(m)
	if err != nil {
		return fmt.Errorf("between: encode: %w", err)
	}
	if len(body) > maxFrame {
		return fmt.Errorf("%w: %d bytes, at most %d", errFrame, len(body), maxFrame)
	}
	frame := binary.BigEndian.AppendUint32(make([]byte, 0, 4+len(body)), uint32(len(body)))
	_, err = w.Write(append(frame, body...))
	return err
}

// readFrame reads one message into m and checks it. An error of r is returned as it is: io.EOF before the first byte only.
func readFrame(r io.Reader, m message) error {
	var head [4]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return err
	}
	length := binary.BigEndian.Uint32(head[:])
	if length == 0 || length > maxFrame {
		return fmt.Errorf("%w: a length of %d bytes", errFrame, length)
	}
	body := make([]byte, length)
	if _, err := io.ReadFull(r, body); err != nil {
		return noEOF(err)
	}
	return decode(body, m)
}

func decode(body []byte, m message) error {
	if err := decMode.Unmarshal(body, m); err != nil {
		return fmt.Errorf("%w: %w", errFrame, err)
	}
	return m.check()
}

// noEOF tells the end inside of a message from the end between two.
func noEOF(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}
