// Package inherit checks and takes over descriptors that an earlier process left open.
//
// Words. A kind says what a set of descriptors is for; each of a set has a number, from 0 on. Whoever keeps descriptors between
// two processes knows each by its name: its kind, a dot and its number.
//
// Ownership. What comes in as an *os.File stays its owner's: a check changes nothing, and Detach duplicates.
//
// Always. A descriptor is one of the kernel's objects, whose state another process may have changed: nothing of it is taken on
// trust. Namespaces are those of the calling thread.
package inherit

import "errors"

// ErrRefused says that descriptors of an earlier process are not what would be opened anew. They are closed; the error says why.
var ErrRefused = errors.New("inherited descriptors refused")
