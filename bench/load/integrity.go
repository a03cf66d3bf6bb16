package load

import (
	"context"
	"fmt"
	"math/rand/v2"
	"time"
)

const (
	defaultBytes   = 16 << 20
	defaultMTU     = 1500
	maxDifferences = 8 // described; more of them say no more
	integrityTime  = time.Minute
)

// IntegrityOptions say how much is sent.
type IntegrityOptions struct {
	Bytes int64 // there and back over TCP; 0: 16 MiB
	MTU   int   // bytes: datagrams go up to what fits a packet of it; 0: 1500
	// Within is how long the transfer over TCP may take, besides some seconds; 0: a minute.
	Within time.Duration
	Sizes  []int // bytes of payload of the datagrams, 16 to 65507; nil: all small ones, all that fill a packet, and some between
}

// IntegrityResult says what came back.
type IntegrityResult struct {
	OK          bool // nothing differs and nothing is missing
	Bytes       int64
	Sum         string   // SHA-256 of the bytes that were sent over TCP, hexadecimal
	Datagrams   int      // that came back unharmed, each of another size
	Missing     []int    // sizes in bytes of the datagrams that never came back, in several tries
	Differences []string // what differed: where, and how; the first eight
}

// Integrity sends random bytes there and back, over TCP in both directions at once and compared by SHA-256, and datagrams of
// many sizes, compared byte for byte. What differs is a result and no error; that nothing can be sent is an error.
func Integrity(ctx context.Context, place Place, far Far, o IntegrityOptions) (IntegrityResult, error) {
	if o.Bytes == 0 {
		o.Bytes = defaultBytes
	}
	if o.MTU == 0 {
		o.MTU = defaultMTU
	}
	if o.Within == 0 {
		o.Within = integrityTime
	}
	if o.Bytes < 0 || o.MTU < udpOver6+headLen || o.MTU > 1<<16 {
		return IntegrityResult{}, fmt.Errorf("load: integrity: %d bytes, MTU %d: want more than none, and %d to 65536", o.Bytes, o.MTU,
			udpOver6+headLen)
	}
	var result IntegrityResult
	if err := integrityTCP(ctx, place, far, o, &result); err != nil {
		return result, err
	}
	if err := integrityUDP(ctx, place, far, o, &result); err != nil {
		return result, err
	}
	result.OK = len(result.Differences) == 0 && len(result.Missing) == 0
	return result, nil
}

// differ notes a difference.
func (r *IntegrityResult) differ(format string, args ...any) {
	if len(r.Differences) < maxDifferences {
		r.Differences = append(r.Differences, fmt.Sprintf(format, args...))
	}
}

// difference is the offset of the first byte that is not the same, and how many bytes are not; -1: none.
func difference(got, want []byte) (offset, count int) {
	offset = -1
	for i := range got {
		if got[i] != want[i] {
			if offset < 0 {
				offset = i
			}
			count++
		}
	}
	return offset, count
}

// randomBytes is a source of bytes that can be made again from its seed.
func randomBytes(seed [32]byte) *rand.ChaCha8 { return rand.NewChaCha8(seed) }

// integritySizes are those up to what fits a packet: small ones, those that fill it, and some between.
func integritySizes(most int) []int {
	var sizes []int
	for size := headLen; size <= most; size++ {
		if size < 80 || size > most-8 || size%37 == 0 {
			sizes = append(sizes, size)
		}
	}
	return sizes
}
