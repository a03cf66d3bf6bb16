package linkstate

import "errors"

// What Receive's errors wrap.
var (
	ErrMessage = errors.New("not a link state message")
	ErrSigner  = errors.New("not signed by a member")
	ErrFlood   = errors.New("too much link state")
)
