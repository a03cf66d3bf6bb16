package load

import (
	"context"
	"errors"
)

// IntegrityOptions say how much is sent.
type IntegrityOptions struct {
	Bytes int64 // there and back over TCP; 0: 16 MiB
	MTU   int   // bytes: datagrams go up to MTU-28; 0: 1500
}

// IntegrityResult says what came back.
type IntegrityResult struct {
	OK          bool // nothing differs and nothing is missing
	Bytes       int64
	Sum         string   // SHA-256 of what was sent, hexadecimal
	Datagrams   int      // that came back unharmed, each of another size
	Missing     []int    // sizes in bytes of the datagrams that never came back, in several tries
	Differences []string // what differed: where, and how
}

// Integrity sends random bytes there and back.
func Integrity(ctx context.Context, place Place, far Far, o IntegrityOptions) (IntegrityResult, error) {
	return IntegrityResult{}, errors.ErrUnsupported
}
