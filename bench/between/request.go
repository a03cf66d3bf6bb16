package between

import (
	"fmt"
	"net/netip"
	"time"

	"github.com/weftnet/weft/bench/load"
)

// op is what a request asks for.
type op uint8

const (
	opPing   op = iota + 1 // nothing: the client is still there
	opStart                // a job
	opTally                // what has arrived of a job so far
	opFinish               // the end of a job, and its last tally
	opBye                  // the end of the run; there is no reply
	lastOp   = opBye
)

// maxKind bounds the name of a kind of job, in bytes.
const maxKind = 32

// request is one question of the client.
type request struct {
	Number uint32        `cbor:"1,keyasint"` // from 1, higher with every request
	Op     op            `cbor:"2,keyasint"`
	Job    uint32        `cbor:"3,keyasint,omitempty"` // for opTally and opFinish
	Kind   load.Kind     `cbor:"4,keyasint,omitempty"` // from here on for opStart
	Token  []byte        `cbor:"5,keyasint,omitempty"`
	Within time.Duration `cbor:"6,keyasint,omitempty"`
	Host   netip.Addr    `cbor:"7,keyasint,omitzero"` // where the client will send to: the job listens there if the address is local
}

func (r *request) check() error {
	switch {
	case r.Number == 0:
		return fmt.Errorf("%w: a request without number", errFrame)
	case r.Op == 0 || r.Op > lastOp:
		return fmt.Errorf("%w: request of kind %d", errFrame, r.Op)
	case len(r.Kind) > maxKind:
		return fmt.Errorf("%w: a kind of %d bytes", errFrame, len(r.Kind))
	case r.Op == opStart:
		return r.checkStart()
	}
	return nil
}

func (r *request) checkStart() error {
	switch {
	case len(r.Token) != len(load.Token{}):
		return fmt.Errorf("%w: a token of %d bytes", errFrame, len(r.Token))
	case r.Within < 0:
		return fmt.Errorf("%w: a job of %s", errFrame, r.Within)
	case !r.Host.IsValid() || r.Host.Zone() != "" || r.Host.Is4In6():
		return fmt.Errorf("%w: %s is no address to send to", errFrame, r.Host)
	}
	return nil
}

// job is the load's form of an opStart.
func (r *request) job() load.Job {
	return load.Job{Kind: r.Kind, Token: load.Token(r.Token), Within: r.Within}
}
