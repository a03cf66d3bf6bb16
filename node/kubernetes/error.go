package kubernetes

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"time"
)

// Kind says at what a question failed.
type Kind string

// The kinds of failures.
const (
	NoCredentials Kind = "credentials"  // there are none, or they cannot be used
	Unreachable   Kind = "unreachable"  // no connection, or no answer in time
	Untrusted     Kind = "untrusted"    // the server's certificate is not what it must be
	Unauthorized  Kind = "unauthorized" // 401
	Forbidden     Kind = "forbidden"    // 403
	NoNode        Kind = "no_node"      // 404
	BadAnswer     Kind = "answer"       // anything else that is not a Node
	NoPodCIDRs    Kind = "no_podcidrs"  // the Node has none yet
	NotUsable     Kind = "not_usable"   // the Node has podCIDRs that this node cannot claim
	NotHere       Kind = "platform"     // this platform asks no server
)

// Error is a question that was not answered with podCIDRs. Its text is a clause for people that stays the same while the reason does.
type Error struct {
	Kind Kind
	Text string
}

func (e *Error) Error() string { return e.Text }

func errorf(kind Kind, format string, args ...any) *Error {
	return &Error{Kind: kind, Text: fmt.Sprintf(format, args...)}
}

// KindOf is the kind of an error of Ask; BadAnswer for those of others.
func KindOf(err error) Kind {
	if e := new(Error); errors.As(err, &e) {
		return e.Kind
	}
	return BadAnswer
}

// callError explains why a request had no response. It leaves out what differs from call to call: ports of ours, and the present time.
func callError(err error, c *Credentials, patience time.Duration) *Error {
	if outer := new(url.Error); errors.As(err, &outer) {
		err = outer.Err
	}
	if timeout := net.Error(nil); errors.Is(err, context.DeadlineExceeded) || errors.As(err, &timeout) && timeout.Timeout() {
		return errorf(Unreachable, "no answer within %v", patience)
	}
	if text := certificateError(err); text != "" {
		return errorf(Untrusted, "%s; %s says which CA to trust", text, c.Origin)
	}
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return errorf(Unreachable, "the server ended the connection before its answer was whole")
	}
	if op := new(net.OpError); errors.As(err, &op) {
		return opError(op, c)
	}
	return errorf(Unreachable, "%s", plain(err.Error()))
}

// tlsAlert is the operation that crypto/tls gives an alert of the other end.
const tlsAlert = "remote error"

func opError(op *net.OpError, c *Credentials) *Error {
	said := plain(op.Err.Error())
	if op.Op == tlsAlert {
		return errorf(Unauthorized, "the server refuses the connection (%s): it may want another client certificate than %s has", said, c.Origin)
	}
	return errorf(Unreachable, "%s: %s", op.Op, said)
}

// certificateError is what is wrong with the server's certificate, or "".
func certificateError(err error) string {
	if invalid := new(x509.CertificateInvalidError); errors.As(err, invalid) && invalid.Reason == x509.Expired {
		return fmt.Sprintf("the server's certificate is valid from %s to %s only, by this host's clock",
			invalid.Cert.NotBefore.Format(time.RFC3339), invalid.Cert.NotAfter.Format(time.RFC3339))
	}
	var (
		authority x509.UnknownAuthorityError
		host      x509.HostnameError
		invalid   x509.CertificateInvalidError
	)
	switch {
	case errors.As(err, &authority):
		return "the server's certificate is not of the CA that it must be of"
	case errors.As(err, &host), errors.As(err, &invalid):
		return "the server's certificate is refused: " + plain(err.Error())
	}
	return ""
}

const maxQuoted = 200 // bytes of what others wrote, in our texts

// plain is a text of others in one line, of bounded length, without characters that a terminal obeys.
func plain(text string) string {
	line := make([]rune, 0, len(text))
	for _, r := range text {
		if r < ' ' || r >= 0x7f && r < 0xa0 || r == '\u2028' || r == '\u2029' || r == '\ufffd' {
			r = ' '
		}
		if len(line) == maxQuoted {
			return string(line) + "..."
		}
		line = append(line, r)
	}
	return string(line)
}
