package api

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/url"
	"os"
	"syscall"
	"time"
)

// ErrNotRunning says that no daemon listens on the socket.
var ErrNotRunning = errors.New("weft is not running")

// Client asks the daemon behind one unix socket.
type Client struct {
	socket string
	http   http.Client
}

// NewClient makes a client of the daemon that listens on socket. It does not connect yet.
func NewClient(socket string) *Client {
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, "unix", socket)
	}
	return &Client{socket: socket, http: http.Client{
		Transport: &http.Transport{DialContext: dial, DisableKeepAlives: true}, Timeout: 5 * time.Second,
	}}
}

// Status asks for the whole state.
func (c *Client) Status(ctx context.Context) (*Status, error) {
	return get[*Status](ctx, c, PathStatus)
}

// Peers asks for the peers.
func (c *Client) Peers(ctx context.Context) ([]Peer, error) { return get[[]Peer](ctx, c, PathPeers) }

// Routes asks for the prefixes and their owners.
func (c *Client) Routes(ctx context.Context) ([]Route, error) {
	return get[[]Route](ctx, c, PathRoutes)
}

func get[T any](ctx context.Context, c *Client, path string) (T, error) {
	return ask[T](ctx, c, http.MethodGet, path)
}

func ask[T any](ctx context.Context, c *Client, method, path string) (T, error) {
	var value T
	resp, err := c.do(ctx, method, path)
	if err != nil {
		return value, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, 64<<20))
	if err != nil {
		return value, fmt.Errorf("ask the daemon at %s: %w", c.socket, err)
	}
	if resp.StatusCode != http.StatusOK {
		return value, c.refused(resp, body)
	}
	if err := json.Unmarshal(body, &value); err != nil {
		return value, fmt.Errorf("the daemon at %s answered what this weft does not understand: %w", c.socket, err)
	}
	return value, nil
}

// do sends a request. The caller closes the answer's body.
func (c *Client) do(ctx context.Context, method, path string) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, method, "http://weft"+path, nil)
	if err != nil {
		return nil, fmt.Errorf("ask the daemon: %w", err)
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return nil, c.explain(err)
	}
	return resp, nil
}

// maxSocketPath is the longest path of a unix socket: sun_path holds 108 bytes with the zero at the end, unix(7).
const maxSocketPath = 107

// explain turns a failed connection into what the user can do about it.
func (c *Client) explain(err error) error {
	if request := new(url.Error); errors.As(err, &request) { // it names an address that is nowhere
		err = request.Err
	}
	switch {
	case c.socket == "":
		return errors.New("the path of the control socket is empty: name it with --socket")
	case len(c.socket) > maxSocketPath:
		return fmt.Errorf("--socket: a path of %d bytes is too long for a socket, the kernel takes %d", len(c.socket), maxSocketPath)
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, syscall.ECONNREFUSED):
		return fmt.Errorf("%w: nothing listens on %s (start it with 'weft up', or name its socket with --socket)", ErrNotRunning, c.socket)
	case errors.Is(err, fs.ErrPermission):
		return fmt.Errorf("no permission to use %s: run as root", c.socket)
	case os.IsTimeout(err):
		return fmt.Errorf("the daemon at %s does not answer: it is stopped (kill -CONT it), or this host is overloaded", c.socket)
	}
	return fmt.Errorf("ask the daemon at %s: %w", c.socket, err)
}

// Stop asks the daemon to stop in order. It returns when the daemon has agreed, not when it has ended.
func (c *Client) Stop(ctx context.Context) error {
	resp, err := c.do(ctx, http.MethodPost, PathStop)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusAccepted {
		return fmt.Errorf("the daemon at %s answered %s", c.socket, resp.Status)
	}
	return nil
}
