package encap

import (
	"errors"
	"fmt"

	"github.com/fxamacker/cbor/v2"
)

// ErrPayload says that the CBOR in a handshake, hello or probe is not what it must be.
var ErrPayload = errors.New("encap: malformed payload")

// The codec of all payloads: RFC 8949 with integer keys, deterministic when written; when read, duplicate keys,
// indefinite lengths and tags are refused, sizes are bounded, and keys that are not known are ignored.
var (
	encMode = must(cbor.EncOptions{Sort: cbor.SortCoreDeterministic, IndefLength: cbor.IndefLengthForbidden}.EncMode())
	decMode = must(cbor.DecOptions{
		DupMapKey: cbor.DupMapKeyEnforcedAPF, IndefLength: cbor.IndefLengthForbidden, TagsMd: cbor.TagsForbidden,
		MaxNestedLevels: 4, MaxArrayElements: 64, MaxMapPairs: 32, // the library's minimums are 4, 16 and 16
	}.DecMode())
)

func must[T any](mode T, err error) T {
	if err != nil { // only for options that contradict each other
		panic("encap: cbor: " + err.Error())
	}
	return mode
}

func encode(v any) ([]byte, error) {
	b, err := encMode.Marshal(v)
	if err != nil {
		return nil, fmt.Errorf("encap: encode payload: %w", err)
	}
	return b, nil
}

func decode(b []byte, v any) error {
	if err := decMode.Unmarshal(b, v); err != nil {
		return fmt.Errorf("%w: %w", ErrPayload, err)
	}
	return nil
}

// decodeFirst is decode for a body that something else follows.
func decodeFirst(b []byte, v any) error {
	if _, err := decMode.UnmarshalFirst(b, v); err != nil {
		return fmt.Errorf("%w: %w", ErrPayload, err)
	}
	return nil
}
