package encap

import (
	"fmt"
	"net/netip"
)

// ControlKind says what a control frame carries. Kinds that are not known are to be ignored.
type ControlKind uint8

// The kinds of control frames.
const (
	Probe      ControlKind = 1 // are you there? The body is a ProbeBody
	ProbeReply ControlKind = 2 // the answer, with the probe's ID
	Gossip     ControlKind = 3 // a gossip packet
	Goodbye    ControlKind = 4 // the sender stops in order; no body
	Pause      ControlKind = 8 // the sender stops, and means to come back at once; no body

	// The three frames of a dial-back carry a DialBody. Only a peer with CapDialBack is asked.
	DialRequest  ControlKind = 5 // call my endpoints, from ports that no firewall on the way has seen yet
	DialBack     ControlKind = 6 // such a call: it may come from anywhere, and moves no path
	DialResponse ControlKind = 7 // what came of the calls

	// The two frames by which a path's MTU is found. Only a peer with CapParts is asked.
	SizeProbe ControlKind = 13 // a SizeProbeBody, and zeros up to the size that is in question
	SizeReply ControlKind = 14 // the SizeProbeBody of the probe that came

	// The two frames of a trace. Only a peer with CapTrace is asked.
	Trace      ControlKind = 15 // a TraceQuestion, and zeros up to MaxTrace
	TraceReply ControlKind = 16 // a TraceAnswer

	// The two frames of a rotation of the cluster's secret. Only a peer with CapSecrets is asked.
	SecretQuestion ControlKind = 9  // a SecretOffer
	SecretReply    ControlKind = 10 // a SecretAnswer

	LinkState ControlKind = 11 // a message of link state. Only a direct peer with CapRelay is sent one

	// Candidates carries an Offer. Only a peer with CapCandidates is sent one.
	Candidates ControlKind = 12

	// SpliceCall asks the receiver to open a stream to the sender, which joins it to another; the body is a SpliceBody. Only a peer
	// with CapSplice is asked.
	SpliceCall ControlKind = 17
)

// ProbeBody is the body of a probe and of its answer.
type ProbeBody struct {
	ID       uint64         `cbor:"1,keyasint"`
	Observed netip.AddrPort `cbor:"2,keyasint,omitzero"` // where the sender sees the receiver
	Clock    int64          `cbor:"3,keyasint,omitzero"` // the sender's, in milliseconds of Unix time; 0: it did not say
	Purpose  ProbePurpose   `cbor:"4,keyasint,omitzero"` // of a probe; not in answers, and to peers with CapCompare only
}

// CapCompare is the capability of nodes that know what probes are for.
const CapCompare uint64 = 1 << 9

// ProbePurpose is what a probe is for, beside an answer. One that is not known is none.
type ProbePurpose uint8

// The purposes of probes.
const (
	ProbeCompares ProbePurpose = 1 // this way is compared with others: it moves no path
	ProbeLeads    ProbePurpose = 2 // this is the way that the direct path is to take, says the end that decides
)

// Append adds the body to dst.
func (p ProbeBody) Append(dst []byte) []byte {
	b, err := encode(p)
	if err != nil { // fields that always encode
		panic(err)
	}
	return append(dst, b...)
}

// ParseProbe reads the body of a probe or of its answer.
func ParseProbe(body []byte) (ProbeBody, error) {
	var p ProbeBody
	if err := decode(body, &p); err != nil {
		return ProbeBody{}, err
	}
	if err := checkObserved(p.Observed); err != nil {
		return ProbeBody{}, err
	}
	return p, nil
}

// checkObserved takes a plain address of the underlay or none: nothing IPv4-mapped, no zone, no way through relays.
func checkObserved(a netip.AddrPort) error {
	if a.Addr().Is4In6() || a.Addr().Zone() != "" || IsRelayed(a.Addr()) {
		return fmt.Errorf("%w: observed address %s", ErrPayload, a)
	}
	return nil
}
