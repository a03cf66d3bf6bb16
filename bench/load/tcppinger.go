package load

import (
	"errors"
	"fmt"
	"time"

	"golang.org/x/sys/unix"
)

// tcpPinger makes round trips on one TCP connection.
type tcpPinger struct {
	socket  *socket
	b       []byte
	limited error // of setting the limit
}

func newTCPPinger(s *socket, size int) *tcpPinger {
	p := &tcpPinger{socket: s, b: make([]byte, size), limited: s.limit(unix.SO_RCVTIMEO, stuckAfter)}
	fill(p.b)
	return p
}

func (p *tcpPinger) ping() (time.Duration, bool, error) {
	if p.limited != nil {
		return 0, false, p.limited
	}
	start := time.Now()
	if _, err := p.socket.sendAll(p.b); err != nil {
		return 0, false, err
	}
	err := p.socket.recvAll(p.b)
	if errors.Is(err, unix.EAGAIN) {
		err = fmt.Errorf("no answer in %v", stuckAfter)
	}
	return time.Since(start), err == nil, err
}
