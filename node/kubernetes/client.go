package kubernetes

import (
	"context"
	"io"
	"net"
	"net/http"
	"net/netip"
	"time"
)

// Query is what is asked for.
type Query struct {
	Kubeconfig string // file; empty: see Machine.Credentials
	Node       string // metadata.name
	From       string // where that name is from, for people
}

// Client asks API servers. The zero value of a field has the default that it names.
type Client struct {
	Machine  Machine
	Dialer   Dialer        // nil: the host's
	Patience time.Duration // for one question, from connecting to the last byte; 0: 10 s
}

// Dialer makes connections; *net.Dialer is one.
type Dialer interface {
	DialContext(ctx context.Context, network, address string) (net.Conn, error)
}

const (
	defaultPatience = 10 * time.Second
	maxAnswer       = 4 << 20  // bytes; etcd takes objects of 1.5 MiB (--max-request-bytes)
	maxHeader       = 64 << 10 // bytes
)

// Ask asks for the podCIDRs of a node. Answer has the server and the origin of the credentials also with an error, as far as they are
// known; the error is an *Error.
func (c *Client) Ask(ctx context.Context, q Query) (Answer, error) {
	credentials, err := c.Machine.Credentials(q.Kubeconfig)
	if err != nil {
		return Answer{}, err
	}
	answer := Answer{Server: credentials.Server.Redacted(), Origin: credentials.Origin}
	ctx, cancel := context.WithTimeout(ctx, c.patience())
	defer cancel()
	answer.PodCIDRs, err = c.get(ctx, credentials, q)
	return answer, err
}

func (c *Client) patience() time.Duration {
	if c.Patience > 0 {
		return c.Patience
	}
	return defaultPatience
}

func (c *Client) get(ctx context.Context, credentials *Credentials, q Query) ([]netip.Prefix, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, credentials.Server.JoinPath("api", "v1", "nodes", q.Node).String(), nil)
	if err != nil {
		return nil, errorf(NoCredentials, "%s", plain(err.Error()))
	}
	request.Header.Set("Accept", "application/json")
	request.Header.Set("User-Agent", "weft")
	if credentials.token != "" {
		request.Header.Set("Authorization", "Bearer "+credentials.token)
	}
	response, err := c.caller(credentials).Do(request)
	if err != nil {
		return nil, callError(err, credentials, c.patience())
	}
	defer response.Body.Close()
	data, err := io.ReadAll(io.LimitReader(response.Body, maxAnswer+1))
	switch {
	case err != nil:
		return nil, callError(err, credentials, c.patience())
	case len(data) > maxAnswer:
		return nil, errorf(BadAnswer, "the answer has more than %d MiB, which no Node has", maxAnswer>>20)
	case response.StatusCode != http.StatusOK:
		return nil, statusError(response, data, credentials, q)
	}
	return parseNode(data, q.Node)
}

// caller makes one connection for one request: the next one is minutes later, with files read anew.
func (c *Client) caller(credentials *Credentials) *http.Client {
	dialer := c.Dialer
	if dialer == nil {
		dialer = &net.Dialer{}
	}
	return &http.Client{
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }, // the token is for this server alone
		Transport: &http.Transport{
			DialContext: dialer.DialContext, TLSClientConfig: credentials.tls, DisableKeepAlives: true, DisableCompression: true,
			MaxResponseHeaderBytes: maxHeader,
		},
	}
}

// statusError says what an answer means that is not 200, and what to do.
func statusError(r *http.Response, body []byte, c *Credentials, q Query) *Error {
	said := ""
	if text := statusMessage(body); text != "" {
		said = ": " + text
	}
	switch r.StatusCode {
	case http.StatusNotFound:
		if said == "" {
			return errorf(BadAnswer, "what listens there knows no %s (404), and does not answer as an API server does: %s names another server, or a wrong path",
				r.Request.URL.Path, c.Origin)
		}
		return errorf(NoNode, "there is no such node (404%s); the name is from %s: 'kubectl get nodes' lists the names, the key k8s_node takes one", said, q.From)
	case http.StatusUnauthorized:
		return errorf(Unauthorized, "the server does not take the credentials of %s (401%s): they may have expired, or be of another cluster", c.Origin, said)
	case http.StatusForbidden:
		return errorf(Forbidden, "the credentials of %s may not read the node (403%s): they need the verb get on nodes", c.Origin, said)
	}
	if r.StatusCode/100 == 3 {
		return errorf(BadAnswer, "the server redirects (%d) to %q, which is not followed: name the API server itself", r.StatusCode, plain(r.Header.Get("Location")))
	}
	return errorf(BadAnswer, "the server answers with status %d%s", r.StatusCode, said)
}
