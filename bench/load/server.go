package load

import (
	"context"
	"errors"
	"net/netip"
)

// Server is the far end.
type Server struct{}

// NewServer makes a server without limits of its own.
func NewServer(place Place, addr netip.Addr) *Server { return nil }

// NewLimitedServer makes a server.
func NewLimitedServer(place Place, addr netip.Addr, o ServerOptions) *Server { return nil }

// Start implements Far.
func (s *Server) Start(ctx context.Context, j Job) (Remote, error) { return nil, errors.ErrUnsupported }

// Close ends all jobs.
func (s *Server) Close() error { return nil }
