package encap

import (
	"net/netip"
	"time"
)

// CapStrict is the capability of nodes that take certified nodes only.
const CapStrict uint64 = 1 << 2

// RefusedCertificate is the reason of a RefusedError when one end is not admitted by the other. That end has what is wrong with
// it as Ours, and the other as Theirs; opposite stands required.
const RefusedCertificate = "certificate"

const (
	required   = "required"
	noneShown  = "it shows no certificate" // as trust.Admission says it
	maxClause  = 255                       // bytes of what the other end says is wrong
	refusesUs  = "it does not admit us: "
	cutClauses = "..."
)

// takesPart says whether the other end of a stream may take part, and whether it will have us; nil: both.
func (s *Streams) takesPart(remote Hello, addr netip.AddrPort) error {
	refused := &RefusedError{Addr: addr, Name: remote.Name, Reason: RefusedCertificate}
	err := s.cfg.Admission.Admit(remote.Keys.Fingerprint(), remote.Name, remote.Certificate, time.Now())
	switch {
	case err != nil:
		refused.Ours, refused.Theirs = required, err.Error()
	case remote.Settings.Capabilities&CapStrict != 0 && s.cfg.Admission.Own() == nil:
		refused.Ours, refused.Theirs = noneShown, required
	default:
		return nil
	}
	return refused
}

// certificate is what this node shows; nil: none.
func (s *Streams) certificate() []byte {
	if c := s.cfg.Admission.Own(); c != nil {
		return c.Raw()
	}
	return nil
}

// certificateWhy says who does not admit whom, and why.
func (e *RefusedError) certificateWhy() string {
	if e.Theirs == required {
		return refusesUs + clause(e.Ours)
	}
	return clause(e.Theirs)
}

// clause is what may have come from the other end as it can be shown.
func clause(text string) string {
	if len(text) > maxClause {
		text = text[:maxClause] + cutClauses
	}
	return printable(text)
}
