package mesh

import (
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"syscall"
	"time"
)

// rooms are where the errors of calls come from: a reader of the code wants to know, who reads status and log does not.
var rooms = strings.NewReplacer("encap: ", "", "node: ", "", "mesh: ", "")

// seedReason says for people why a call of a seed failed: the address or the name, what came of it, and what that means. patience is how
// long a call may take.
func seedReason(err error, patience time.Duration) string {
	text := rooms.Replace(err.Error())
	var lookup *net.DNSError
	var slow net.Error
	switch {
	case errors.As(err, &lookup): // whose text names the host again
		return fmt.Sprintf("look up %s: %s", lookup.Name, lookup.Err)
	case errors.Is(err, syscall.ECONNREFUSED):
		return text + ": nothing listens there, or a firewall refuses for it"
	case errors.Is(err, os.ErrDeadlineExceeded) || errors.As(err, &slow) && slow.Timeout():
		return fmt.Sprintf("%s: no answer within %v: the host is down, or TCP is blocked on the way", text, patience)
	}
	return text
}
