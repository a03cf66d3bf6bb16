package load

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
)

// Sentinels.
var (
	ErrBusy        = errors.New("as many jobs as allowed are under way")
	ErrClosed      = errors.New("the server is closed")
	ErrExpired     = errors.New("the job reached the end of its time")
	ErrUnreachable = errors.New("nothing arrives")

	errEnded = errors.New("the connection was closed by the other end")
)

// failed names the operation and both ends; no error stays none. A context that has ended is the error, and the reason of
// whatever other came after.
func failed(ctx context.Context, operation string, place Place, to netip.AddrPort, err error) error {
	if ctx.Err() != nil {
		err = ctx.Err()
	}
	if err == nil {
		return nil
	}
	return fmt.Errorf("load: %s from %s to %s: %w", operation, nameOf(place), to, err)
}

// nameOf is how errors call a place.
func nameOf(place Place) string {
	if named, ok := place.(interface{ Name() string }); ok {
		return named.Name()
	}
	return "here"
}
