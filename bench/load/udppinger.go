package load

import (
	"time"

	"golang.org/x/sys/unix"
)

// udpPinger makes round trips by datagrams.
type udpPinger struct {
	socket  *socket
	token   Token
	request []byte
	answer  []byte
	seq     uint64
	limited error // of setting the limit
}

func newUDPPinger(s *socket, size int, token Token) *udpPinger {
	p := &udpPinger{socket: s, token: token, request: make([]byte, size), answer: make([]byte, size),
		limited: s.limit(unix.SO_RCVTIMEO, lostAfter)}
	fill(p.request)
	return p
}

// ping counts a request that the kernel refuses for want of memory as lost.
func (p *udpPinger) ping() (time.Duration, bool, error) {
	if p.limited != nil {
		return 0, false, p.limited
	}
	putHead(p.request, p.token, p.seq)
	defer func() { p.seq++ }()
	start := time.Now()
	if _, err := p.socket.send(p.request); err == unix.ENOBUFS {
		return 0, false, nil
	} else if err != nil {
		return 0, false, err
	}
	for {
		n, err := p.socket.recv(p.answer)
		rtt := time.Since(start)
		if n == 0 && err == nil {
			return 0, false, errEnded // interrupted
		}
		seq, ours := parseHead(p.answer[:n], p.token)
		switch {
		case err == nil && ours && seq == p.seq:
			return rtt, true, nil
		case err == unix.EAGAIN, err == nil && rtt >= lostAfter: // late answers to others must not keep us for ever
			return 0, false, nil
		case err != nil:
			return 0, false, err
		}
	}
}
