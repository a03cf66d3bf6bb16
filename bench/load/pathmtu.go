package load

import (
	"context"
	"errors"
)

// PathMTU finds the largest IPv4 packet, in bytes with its headers, that passes there and back without being fragmented.
func PathMTU(ctx context.Context, place Place, far Far, max int) (int, error) {
	return 0, errors.ErrUnsupported
}
