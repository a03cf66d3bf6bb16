package load

import (
	"context"
	"errors"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// connector is one worker that opens connections one after the other.
type connector struct {
	near   *near
	end    time.Time
	opened int
	failed int
	last   error // of the last that failed

	mu      sync.Mutex // guards current
	current *socket
}

// run works inside the place until the time is over or ctx ends. An error is one of making sockets.
func (c *connector) run(ctx context.Context) error {
	stop := context.AfterFunc(ctx, c.interrupt)
	defer stop()
	request := append(c.near.token[:], 1)
	return c.near.place.Do(func() error { // once, since entering a namespace costs more than a connection
		for ctx.Err() == nil && time.Now().Before(c.end) {
			s, err := newSocket(Here{}, unix.SOCK_STREAM, c.near.to.Addr().Is6())
			if err != nil {
				return err
			}
			c.set(s)
			c.count(c.open(s, request))
			s.reset()
		}
		return nil
	})
}

// open makes one connection.
func (c *connector) open(s *socket, request []byte) error {
	err := errors.Join(s.limit(unix.SO_SNDTIMEO, openTime), s.limit(unix.SO_RCVTIMEO, openTime))
	if err != nil {
		return err
	}
	if err := s.connect(c.near.to); err != nil {
		return err
	}
	if _, err := s.sendAll(request); err != nil {
		return err
	}
	var answer [1]byte
	return s.recvAll(answer[:])
}

// count counts a connection that ended within the time.
func (c *connector) count(err error) {
	if err != nil {
		c.last = err
	}
	switch {
	case time.Now().After(c.end):
	case err == nil:
		c.opened++
	default:
		c.failed++
	}
}

func (c *connector) set(s *socket) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.current = s
}

func (c *connector) interrupt() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.current != nil {
		c.current.interrupt()
	}
}
