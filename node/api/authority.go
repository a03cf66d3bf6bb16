package api

import (
	"context"
	"net/http"
	"net/netip"
	"net/url"
	"time"

	"github.com/weftnet/weft/trust"
)

// PathRevoke is POST: with ?peer=NAME for a revocation by this node alone, or ?signed=REVOCATION, in URL-safe base64 without
// padding, for one of the authority's.
const PathRevoke = "/v1/revoke"

// Trust says who may take part.
type Trust struct {
	Authorities []string     `json:"authorities"` // those whose certificates are asked for; empty: whoever has the secret takes part
	Certificate *Certificate `json:"certificate,omitempty"`
	Revoked     int          `json:"revoked"` // keys and certificates, by an authority
	Banned      int          `json:"banned"`  // keys, by this node alone
	Refused     uint64       `json:"refused"` // claims that were heard, and for which no authority vouches
}

// Certificate is what an authority says of a node.
type Certificate struct {
	Name        string         `json:"name"`
	Fingerprint string         `json:"fingerprint"`
	Subnets     []netip.Prefix `json:"subnets"` // the node's subnets must lie in these
	Routes      []netip.Prefix `json:"routes"`  // likewise
	NotBefore   time.Time      `json:"not_before"`
	NotAfter    time.Time      `json:"not_after"`
	Serial      uint64         `json:"serial"`
	Authority   string         `json:"authority"`
}

// CertificateOf is the JSON of c.
func CertificateOf(c *trust.Certificate) Certificate {
	return Certificate{
		Name: c.Name, Fingerprint: c.Fingerprint.String(), Subnets: some(c.Subnets), Routes: some(c.Routes),
		NotBefore: c.NotBefore.UTC(), NotAfter: c.NotAfter.UTC(), Serial: c.Serial, Authority: c.Authority.String(),
	}
}

// some is a list that JSON shows as one, also when it is empty.
func some(list []netip.Prefix) []netip.Prefix {
	if list == nil {
		return []netip.Prefix{}
	}
	return list
}

// Revoked is what came of a revocation.
type Revoked struct {
	What string `json:"what"` // key or certificate
	News bool   `json:"news"` // it was not known
}

// RevokePeer shuts a peer out, for the daemon's node alone.
func (c *Client) RevokePeer(ctx context.Context, name string) (*Revoked, error) {
	return ask[*Revoked](ctx, c, http.MethodPost, PathRevoke+"?"+url.Values{"peer": {name}}.Encode())
}

// Revoke gives the daemon a revocation of the authority's, which it tells everybody.
func (c *Client) Revoke(ctx context.Context, signed string) (*Revoked, error) {
	return ask[*Revoked](ctx, c, http.MethodPost, PathRevoke+"?"+url.Values{"signed": {signed}}.Encode())
}
