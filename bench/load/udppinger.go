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
	lost    time.Duration // without an answer for so long, a request is lost
	limited error         // of setting the limit
}

func newUDPPinger(s *socket, size int, token Token, lost time.Duration) *udpPinger {
	p := &udpPinger{socket: s, token: token, request: make([]byte, size), answer: make([]byte, size), lost: lost,
		limited: s.limit(unix.SO_RCVTIMEO, lost)}
	fill(p.request)
	return p
}

// ping counts a request that the kernel refuses for want of memory as lost. The time of a lost one is at least p.lost.
func (p *udpPinger) ping() (time.Duration, bool, error) {
	if p.limited != nil {
		return 0, false, p.limited
	}
	putHead(p.request, p.token, p.seq)
	defer func() { p.seq++ }()
	start := time.Now()
	if _, err := p.socket.send(p.request); err == unix.ENOBUFS {
		return p.lost, false, nil // nobody waited, but nobody was answered either
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
		case err == unix.EAGAIN, err == nil && rtt >= p.lost: // late answers to others must not keep us for ever
			return max(rtt, p.lost), false, nil
		case err != nil:
			return 0, false, err
		}
	}
}
