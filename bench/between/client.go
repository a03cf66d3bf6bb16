package between

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"sync"
	"syscall"
	"time"

	"github.com/weftnet/weft/node/version"
)

const (
	pingEvery = idleTime / 4     // how often a client with nothing to ask is heard
	callTime  = 10 * time.Second // for an answer: the way may be full of the measure's own traffic
)

// EndedError says that the other side ended the run, and why.
type EndedError struct {
	Address netip.AddrPort
	Reason  string
}

// Error is one line.
func (e *EndedError) Error() string { return fmt.Sprintf("between: %s: %s", e.Address, e.Reason) }

// client is one control connection. Its methods may be called from any goroutine.
type client struct {
	address netip.AddrPort
	conn    *net.TCPConn
	server  welcome
	wait    sync.WaitGroup
	gone    chan struct{} // closed when the connection has ended

	writing sync.Mutex // guards writes to conn

	mu      sync.Mutex // guards what follows
	last    uint32     // number of the latest request
	waiting map[uint32]chan *reply
	reason  error // why the connection ended; nil while it stands
}

// dial connects, says hello as node, and learns the server's limits. Close ends the run.
func dial(ctx context.Context, address netip.AddrPort, node string) (*client, error) {
	bounded, cancel := context.WithTimeout(ctx, greetTime)
	defer cancel()
	conn, err := new(net.Dialer).DialContext(bounded, "tcp", address.String())
	if err != nil {
		return nil, dialError(ctx, address, err)
	}
	c := &client{address: address, conn: conn.(*net.TCPConn), gone: make(chan struct{}), waiting: map[uint32]chan *reply{}}
	stop := context.AfterFunc(bounded, func() { conn.SetDeadline(time.Now()) })
	err = c.greet(node)
	stop()
	if err = c.greetError(ctx, err); err == nil {
		err = conn.SetDeadline(time.Time{})
	}
	if err != nil {
		conn.Close()
		return nil, err
	}
	c.wait.Go(c.read)
	c.wait.Go(c.ping)
	return c, nil
}

// dialError says what the user can do about a port that does not answer.
func dialError(ctx context.Context, address netip.AddrPort, err error) error {
	var timeout net.Error
	switch {
	case ctx.Err() != nil:
		return fmt.Errorf("between: connect to %s: %w", address, ctx.Err())
	case errors.Is(err, syscall.ECONNREFUSED):
		return fmt.Errorf("between: nothing listens on %s: start 'weft bench --serve' there", address)
	case errors.Is(err, syscall.ECONNRESET):
		return strangerError(address, "this host")
	case errors.As(err, &timeout) && timeout.Timeout():
		return fmt.Errorf("between: no answer from %s in %s: is it reached, and the port open?", address, greetTime)
	}
	return fmt.Errorf("between: connect: %w", err)
}

// strangerError says why a server closes a connection without a word.
func strangerError(address netip.AddrPort, us string) error {
	return fmt.Errorf("between: %s closed the connection: it takes overlay peers and what its --allow names, and %s is neither", address, us)
}

func (c *client) greet(node string) error {
	if err := writePreface(c.conn); err != nil {
		return err
	}
	h := &hello{Weft: clip(version.Get().Version, maxName), Node: clip(node, maxName), Host: clip(thisHost(), maxName)}
	if err := writeFrame(c.conn, h); err != nil {
		return err
	}
	if err := readPreface(c.conn); err != nil {
		return err
	}
	return readFrame(c.conn, &c.server)
}

// greetError explains how the greeting went; nil: well.
func (c *client) greetError(ctx context.Context, err error) error {
	var timeout net.Error
	switch {
	case ctx.Err() != nil:
		return fmt.Errorf("between: connect to %s: %w", c.address, ctx.Err())
	case err == nil && c.server.Refused != taken:
		return &EndedError{c.address, printable(c.server.Reason)}
	case err == nil:
		return nil
	case isHangUp(err):
		return strangerError(c.address, c.localAddr().String())
	case errors.As(err, &timeout) && timeout.Timeout():
		return fmt.Errorf("between: %s says nothing: is it 'weft bench --serve' that listens there?", c.address)
	}
	return fmt.Errorf("%w (from %s)", err, c.address)
}

// localAddr is what the server sees, as long as there is no NAT.
func (c *client) localAddr() netip.Addr {
	local, _ := netip.ParseAddrPort(c.conn.LocalAddr().String()) // of a TCP connection it always is one
	return local.Addr().Unmap()
}

func isHangUp(err error) bool {
	return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE)
}

// read gives replies to those who wait for them, until the connection ends.
func (c *client) read() {
	for {
		answer := new(reply)
		err := readFrame(c.conn, answer)
		switch {
		case err != nil:
			c.fail(c.broken(err))
			return
		case answer.Number == 0:
			c.fail(&EndedError{c.address, printable(answer.Error)})
			return
		}
		c.mu.Lock()
		waiter := c.waiting[answer.Number]
		delete(c.waiting, answer.Number)
		c.mu.Unlock()
		if waiter != nil { // otherwise whoever asked has gone
			waiter <- answer
		}
	}
}

func (c *client) broken(err error) error {
	if isHangUp(err) {
		return &EndedError{c.address, "the other side closed the control connection"}
	}
	return fmt.Errorf("between: control connection to %s: %w", c.address, err)
}

// fail ends the connection; the first reason counts.
func (c *client) fail(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.reason == nil {
		c.reason = err
		close(c.gone)
		c.conn.Close()
	}
}

// err is why the connection has ended; nil while it stands.
func (c *client) err() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.reason
}

// ping lets the server hear of the client while a measure takes its time.
func (c *client) ping() {
	tick := time.NewTicker(pingEvery)
	defer tick.Stop()
	for {
		select {
		case <-c.gone:
			return
		case <-tick.C:
		}
		// A late answer alone is no reason to end: the server's silence shows in the next question that matters.
		_, _ = c.call(context.Background(), &request{Op: opPing})
	}
}

// call asks and waits for the answer, at most callTime. An answer that reports an error is returned with that error.
func (c *client) call(ctx context.Context, q *request) (*reply, error) {
	ctx, cancel := context.WithTimeout(ctx, callTime)
	defer cancel()
	answers := make(chan *reply, 1)
	if err := c.enter(q, answers); err != nil {
		return nil, err
	}
	defer c.leave(q)
	if err := c.write(q); err != nil {
		c.fail(c.broken(err))
		return nil, c.err()
	}
	select {
	case answer := <-answers:
		if answer.Error != "" {
			return answer, fmt.Errorf("between: %s: %s", c.address, printable(answer.Error))
		}
		return answer, nil
	case <-c.gone:
		return nil, c.err()
	case <-ctx.Done():
		return nil, fmt.Errorf("between: %s does not answer: %w", c.address, ctx.Err())
	}
}

// enter numbers the request and notes who waits.
func (c *client) enter(q *request, answers chan *reply) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.reason != nil {
		return c.reason
	}
	c.last++
	q.Number = c.last
	c.waiting[q.Number] = answers
	return nil
}

func (c *client) leave(q *request) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.waiting, q.Number)
}

func (c *client) write(q *request) error {
	c.writing.Lock()
	defer c.writing.Unlock()
	if err := c.conn.SetWriteDeadline(time.Now().Add(writeTime)); err != nil {
		return err
	}
	return writeFrame(c.conn, q)
}

// Close says goodbye and ends the connection; the server then ends all jobs. It may be called again.
func (c *client) Close() {
	q := &request{Op: opBye}
	if c.enter(q, nil) == nil {
		_ = c.write(q) // if it does not get there, the end of the connection says the same
	}
	c.fail(errClosed)
	c.wait.Wait()
}

var errClosed = errors.New("between: the run has ended")
