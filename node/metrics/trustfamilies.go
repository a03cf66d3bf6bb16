package metrics

import "github.com/weftnet/weft/node/api"

// trustFamilies say who may take part, and until when this node does.
var trustFamilies = []*Family{
	gauge("weft_certificate_not_after_timestamp_seconds", "When this node's certificate ends, in Unix time; no series without one.",
		func(s *api.Status, e emit) {
			if c := s.Node.Trust.Certificate; c != nil {
				e(seconds(c.NotAfter))
			}
		}),
	gauge("weft_revoked", "Keys and certificates that take no part any more: revoked by an authority, or by this node alone.", collectRevoked, "by"),
	counter("weft_claims_refused_total", "Claims that were heard, each counted once, and for which no authority vouches.",
		one(func(s *api.Status) uint64 { return s.Node.Trust.Refused })),
}

func collectRevoked(s *api.Status, e emit) {
	e(float64(s.Node.Trust.Revoked), "authority")
	e(float64(s.Node.Trust.Banned), "node")
}
