package api

import (
	"context"
	"net/http"
	"net/url"
	"time"
)

// PathRotation asks how far a rotation of the cluster's secret is, by GET, and leads it on by a step, by POST. Each ?without=NAME leaves
// a node out. The answer is a Rotation; 409 with one line of text says why there is no next step now.
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

// Rotate leads the cluster one step on to its next secret; without are names, or beginnings of ids, of nodes that are left out. An
// error says why there is no next step now.
func (c *Client) Rotate(ctx context.Context, without []string) (*Rotation, error) {
	query := url.Values{"without": without}
	return ask[*Rotation](ctx, c.patient(rotationTimeout), http.MethodPost, PathRotation+"?"+query.Encode())
}

// patient is the client with another timeout.
func (c *Client) patient(timeout time.Duration) *Client {
	return &Client{socket: c.socket, http: http.Client{Transport: c.http.Transport, Timeout: timeout}}
}
