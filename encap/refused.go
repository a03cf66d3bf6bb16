package encap

import (
	"fmt"
	"net/netip"
)

// The reasons of a RefusedError that are not a setting's name.
const (
	RefusedSecret  = "secret"  // the other node is of another cluster
	RefusedVersion = "version" // no version of the stream protocol, or of frames, in common
	RefusedBusy    = "busy"    // too many handshakes at once; worth another try
	// and RefusedCertificate, and the other fields of a MismatchError: "network", "encryption" and "cipher"
)

// RefusedError says why a stream to or from another node did not come about. Both ends make one.
type RefusedError struct {
	Addr         netip.AddrPort // the other end
	Name         string         // its name, if it got as far as to say it
	Reason       string
	Ours, Theirs string // of a cluster: the beginning of its public id
}

// Error is one line for people.
func (e *RefusedError) Error() string {
	who := e.Addr.String()
	switch {
	case !e.Addr.IsValid(): // a peer has joined it
		who = e.Name
	case e.Name != "":
		who = fmt.Sprintf("%s (%s)", e.Name, e.Addr)
	}
	return fmt.Sprintf("encap: stream with %s: %s", who, e.Why())
}

// Why is the reason as a clause.
func (e *RefusedError) Why() string {
	switch e.Reason {
	case RefusedBusy:
		return "too many handshakes at once"
	case RefusedSecret:
		return fmt.Sprintf("the secret differs: our cluster is %s, theirs is %s", e.Ours, e.Theirs)
	case RefusedCertificate:
		return e.certificateWhy()
	case RefusedSplice:
		return clause(e.Theirs)
	default:
		return fmt.Sprintf("%s differs: ours is %s, theirs is %s", e.Reason, orNone(e.Ours), orNone(e.Theirs))
	}
}
