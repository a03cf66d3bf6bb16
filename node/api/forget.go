package api

import (
	"context"
	"net/http"
	"net/netip"
	"net/url"
)

// PathForget is POST: with ?peer=NAME, or the beginning of an id.
const PathForget = "/v1/forget"

// Forgotten is a peer that all nodes were told to forget.
type Forgotten struct {
	Name    string         `json:"name"`
	ID      string         `json:"id"`
	Subnets []netip.Prefix `json:"subnets"` // that are free now
}

// ForgetPeer has all nodes forget a peer that is away.
func (c *Client) ForgetPeer(ctx context.Context, name string) (*Forgotten, error) {
	return ask[*Forgotten](ctx, c, http.MethodPost, PathForget+"?"+url.Values{"peer": {name}}.Encode())
}
