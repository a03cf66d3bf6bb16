package api

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"time"
)

// Who called in a DialBack.
const (
	DialedByPeer   = "peer"   // the peer called this node at its own endpoints
	DialedBySelf   = "self"   // this node called the peer, which could not be asked
	DialedByNobody = "nobody" // the peer did not answer, or does not call back
)

// DialLost is the outcome of UDP frames that were sent and did not arrive. The other outcomes are ok, refused, timeout,
// unreachable, stranger (another node, or something else than weft, answers there) and failed.
const DialLost = "lost"

// DialBack says whether strangers reach an endpoint: frames and connections from ports that no firewall on the way has seen.
type DialBack struct {
	Peer      string           `json:"peer"`
	ID        string           `json:"id"`
	By        string           `json:"by"`
	Why       string           `json:"why,omitempty"` // it was not the peer that called
	Endpoints []DialedEndpoint `json:"endpoints"`     // of this node; of the peer, if By is DialedBySelf
}

// DialedEndpoint is what became of the calls to one endpoint.
type DialedEndpoint struct {
	Endpoint netip.AddrPort `json:"endpoint"`
	UDP      string         `json:"udp"`
	TCP      string         `json:"tcp"`
}

// dialTimeout is longer than the daemon takes for a dial-back.
const dialTimeout = 20 * time.Second

// DialBack has the peer of that name, or whose id begins so, call this node.
func (c *Client) DialBack(ctx context.Context, peer string) (*DialBack, error) {
	patient := &Client{socket: c.socket, http: http.Client{Transport: c.http.Transport, Timeout: dialTimeout}}
	return ask[*DialBack](ctx, patient, http.MethodPost, PathDialBack+"?peer="+url.QueryEscape(peer))
}

// maxText bounds a text of the daemon's, in bytes.
const maxText = 16 << 20

// Text asks for what the daemon has at one of the paths that give no JSON. It is at most 16 MiB.
func (c *Client) Text(ctx context.Context, path string) ([]byte, error) {
	resp, err := c.do(ctx, http.MethodGet, path)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxText))
	if err != nil {
		return nil, fmt.Errorf("ask the daemon at %s: %w", c.socket, err)
	}
	if resp.StatusCode != http.StatusOK {
		return nil, c.refused(resp, body)
	}
	return body, nil
}

// refused is the error of an answer that is not OK.
func (c *Client) refused(resp *http.Response, body []byte) error {
	text := strings.TrimSpace(string(body))
	switch {
	case resp.StatusCode == http.StatusUnprocessableEntity:
		return rejectedError(text)
	case resp.StatusCode == http.StatusNotFound && strings.HasPrefix(text, "404 "):
		return fmt.Errorf("the daemon at %s is of a version that does not know this: restart it", c.socket)
	case resp.StatusCode == http.StatusNotFound, resp.StatusCode == http.StatusConflict:
		return fmt.Errorf("%s", text)
	}
	return fmt.Errorf("the daemon at %s answered %s: %s", c.socket, resp.Status, text)
}

// Setting is one key of the configuration in force. No value is a secret: of secrets only the files' paths are there.
type Setting struct {
	Key    string   `json:"key"`
	Values []string `json:"values"`
}

// Config asks for the configuration in force.
func (c *Client) Config(ctx context.Context) ([]Setting, error) {
	return get[[]Setting](ctx, c, PathConfig)
}
