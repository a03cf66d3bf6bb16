package between

import (
	"fmt"
	"io"
)

// protocol is the version of the wire. The two sides must be equal: whoever changes what a message means raises it.
const protocol = 1

// magic begins each direction of a control connection.
var magic = [4]byte{'w', 'f', 'b', 'n'}

// prefaceLen is the magic and the version.
const prefaceLen = len(magic) + 1

// VersionError says that the two sides speak different versions.
type VersionError struct {
	Ours, Theirs int
}

// Error says which side to update.
func (e *VersionError) Error() string {
	older := "the other side"
	if e.Ours < e.Theirs {
		older = "this side"
	}
	return fmt.Sprintf("between: the other side speaks version %d of the bench, this one %d: update weft on %s", e.Theirs, e.Ours, older)
}

func writePreface(w io.Writer) error {
	_, err := w.Write(append(magic[:], protocol))
	return err
}

// readPreface reads the other side's preface. A wrong magic is an errFrame, another version a *VersionError.
func readPreface(r io.Reader) error {
	var raw [prefaceLen]byte
	if _, err := io.ReadFull(r, raw[:]); err != nil {
		return err
	}
	if [4]byte(raw[:4]) != magic {
		return fmt.Errorf("%w: the other side is no bench of weft", errFrame)
	}
	if theirs := int(raw[4]); theirs != protocol {
		return &VersionError{Ours: protocol, Theirs: theirs}
	}
	return nil
}
