package mesh

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"syscall"
	"testing"
	"time"
)

func TestStatusSaysInWordsWhyASeedDoesNotAnswer(t *testing.T) {
	const dial = "encap: dial 192.0.2.1:9338: %w"
	lookup := &net.DNSError{Err: "no such host", Name: "seed.example", Server: "192.0.2.53:53", IsNotFound: true}
	for want, err := range map[string]error{
		"look up seed.example: no such host": fmt.Errorf("look up seed.example: %w", lookup),
		"dial 192.0.2.1:9338: connect: connection refused: nothing listens there, or a firewall refuses for it": fmt.Errorf(dial,
			os.NewSyscallError("connect", syscall.ECONNREFUSED)),
		"dial 192.0.2.1:9338: i/o timeout: no answer within 5s: the host is down, or TCP is blocked on the way":               fmt.Errorf(dial, os.ErrDeadlineExceeded),
		"dial 192.0.2.1:9338: context deadline exceeded: no answer within 5s: the host is down, or TCP is blocked on the way": fmt.Errorf(dial, context.DeadlineExceeded),
		"dial 192.0.2.1:9338: connect: no route to host":                                                                      fmt.Errorf(dial, os.NewSyscallError("connect", syscall.EHOSTUNREACH)),
		"vm-2 answers at 192.0.2.1:9338": errors.New("node: vm-2 answers at 192.0.2.1:9338"),
	} {
		if got := seedReason(err, 5*time.Second); got != want {
			t.Errorf("%v:\n%s, want\n%s", err, got, want)
		}
	}
}
