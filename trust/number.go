package trust

import (
	"encoding/binary"
	"fmt"
)

// Number is a node's short name where 32 bytes are too many: in relay headers, in link state, and in endpoints that mean "through
// relays". It is the first 8 bytes of the fingerprint, big endian. Nothing is trusted for its number: two nodes may have the same one,
// and then neither is relayed to.
type Number uint64

// Number is the node's short name.
func (f Fingerprint) Number() Number { return Number(binary.BigEndian.Uint64(f[:8])) }

// String is the number in hexadecimal, as Fingerprint.Short.
func (n Number) String() string { return fmt.Sprintf("%016x", uint64(n)) }
