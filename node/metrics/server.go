package metrics

import (
	"context"
	"io"
	"log"
	"net"
	"net/http"
	"time"

	"golang.org/x/net/netutil"
)

// Limits of the server: whoever reaches the address may call it, but not use up the daemon's descriptors or time.
const (
	maxConnections = 32
	maxHeader      = 8 << 10 // bytes
	headerPatience = 2 * time.Second
	answerPatience = 8 * time.Second // less than the 10 s that Prometheus waits by default
	retryPeriod    = 2 * time.Second
)

// Server offers a handler over HTTP at one address and no other.
type Server struct {
	Address string // host and port as net.Listen takes them
	Handler http.Handler

	// Report hears when the server begins to answer (nil), and why it does not: at each attempt. It is called from Run's
	// goroutine.
	Report func(error)
	Retry  time.Duration // pause between attempts; 0: 2 s
}

// Run answers until ctx ends. Where the address cannot be had, or is lost, it tries again and again.
func (s *Server) Run(ctx context.Context) {
	pause := time.NewTimer(0)
	defer pause.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-pause.C:
		}
		err := s.serve(ctx)
		if ctx.Err() != nil {
			return
		}
		s.Report(err)
		pause.Reset(s.retry())
	}
}

func (s *Server) retry() time.Duration {
	if s.Retry > 0 {
		return s.Retry
	}
	return retryPeriod
}

// serve listens and answers until ctx ends or listening fails. Its error is never nil.
func (s *Server) serve(ctx context.Context) error {
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", s.Address)
	if err != nil {
		return err
	}
	s.Report(nil)
	server := &http.Server{
		Handler: s.Handler, ReadHeaderTimeout: headerPatience, ReadTimeout: headerPatience, WriteTimeout: answerPatience + headerPatience,
		MaxHeaderBytes: maxHeader,
		ErrorLog:       log.New(io.Discard, "", 0), // what a caller did wrong is the caller's business
	}
	server.SetKeepAlivesEnabled(false) // callers that keep connections for later would keep others out
	cut := context.AfterFunc(ctx, func() { server.Close() })
	defer cut()
	return server.Serve(netutil.LimitListener(listener, maxConnections))
}
