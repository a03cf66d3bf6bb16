package api

import (
	"context"
	"encoding/base64"
	"net/http"
	"net/url"
	"time"
)

// PathRotation asks how far a rotation of the cluster's secret is, by GET, and leads it on by a step, by POST. Each ?without=NAME leaves
// a node out; ?signed=PERMIT is the authority's permit, in URL-safe base64 without padding. The answer is a Rotation. With ?request=1
// POST asks no other node, and the answer is a RotationRequest. 409 with one line of text says why there is no next step now.
const PathRotation = "/v1/rotation"

// Secret is one of the cluster secrets that a node holds. The id says nothing of the secret itself.
type Secret struct {
	ID    string    `json:"id"`    // the first 4 bytes of its public id, hexadecimal
	First bool      `json:"first"` // the node speaks under it; else it only takes what is under it
	Since time.Time `json:"since"` // when the node first held it
}

// The phases of a rotation.
const (
	RotationNone   = "none"   // this node follows no rotation
	RotationAdd    = "add"    // the nodes take the new secret as the second one
	RotationFirst  = "first"  // the nodes put the new secret first
	RotationRetire = "retire" // the nodes drop the old secret
)

// The states of a node in a rotation.
const (
	RotationFollows = "follows" // it is in the phase
	RotationAway    = "away"    // there is no session with it
	RotationOlder   = "older"   // its build does not know rotations
	RotationSilent  = "silent"  // it did not answer
	RotationRefuses = "refuses" // Reason says why
	RotationLeft    = "left out"
)

// Rotation is how far the cluster is from one secret to the next.
type Rotation struct {
	Phase string         `json:"phase"`
	Old   string         `json:"old,omitempty"` // short ids
	New   string         `json:"new,omitempty"`
	Done  bool           `json:"done"` // all that are not left out are in the phase
	Over  bool           `json:"over"` // the rotation is complete
	Nodes []RotationNode `json:"nodes"`

	Barred string `json:"barred,omitempty"` // why no node follows it now: the authority has to sign it
}

// RotationRequest is what the authority signs of a rotation: the whole public ids of its two secrets, in hexadecimal.
type RotationRequest struct {
	Old string `json:"old"`
	New string `json:"new"`
}

// RotationNode is one node in a rotation; the one that was asked comes first.
type RotationNode struct {
	Name   string   `json:"name"`
	ID     string   `json:"id"`
	State  string   `json:"state"`
	Holds  []string `json:"holds"` // short ids of its secrets, the first first; empty: it did not say
	Reason string   `json:"reason,omitempty"`
}

// rotationTimeout is longer than the daemon takes to hear from all nodes twice.
const rotationTimeout = 30 * time.Second

// Rotation asks which secrets all nodes hold.
func (c *Client) Rotation(ctx context.Context) (*Rotation, error) {
	return ask[*Rotation](ctx, c.patient(rotationTimeout), http.MethodGet, PathRotation)
}

// Rotate leads the cluster one step on to its next secret; without are names, or beginnings of ids, of nodes that are left out, signed
// the authority's permit, or nil. An error says why there is no next step now.
func (c *Client) Rotate(ctx context.Context, without []string, signed []byte) (*Rotation, error) {
	query := url.Values{"without": without}
	if signed != nil {
		query.Set("signed", base64.RawURLEncoding.EncodeToString(signed))
	}
	return ask[*Rotation](ctx, c.patient(rotationTimeout), http.MethodPost, PathRotation+"?"+query.Encode())
}

// RequestRotation begins a rotation on the daemon's node alone, unless there is one, and returns what the authority signs of it.
func (c *Client) RequestRotation(ctx context.Context) (*RotationRequest, error) {
	return ask[*RotationRequest](ctx, c, http.MethodPost, PathRotation+"?request=1")
}

// patient is the client with another timeout.
func (c *Client) patient(timeout time.Duration) *Client {
	return &Client{socket: c.socket, http: http.Client{Transport: c.http.Transport, Timeout: timeout}}
}
