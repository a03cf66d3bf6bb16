package load

import (
	"context"
	"errors"
	"time"
)

// ConnectionsOptions say how to connect.
type ConnectionsOptions struct {
	Workers  int           // connections at once, 1 to 64; 0: 8
	Duration time.Duration // of opening connections
}

// ConnectionsResult counts connections.
type ConnectionsResult struct {
	PerSecond float64 // Opened in the time it took
	Opened    int     // connections that were opened, answered and closed
	Failed    int     // refused, reset or without an answer in 2 s
}

// Connections opens TCP connections.
func Connections(ctx context.Context, place Place, far Far, o ConnectionsOptions) (ConnectionsResult, error) {
	return ConnectionsResult{}, errors.ErrUnsupported
}
