package load

import (
	"golang.org/x/sys/unix"
)

const maxTrain = 64 // UDP_MAX_SEGMENTS up to Linux 6.8

// trainSender sends numbered datagrams in trains: one send of the kernel for many datagrams (UDP_SEGMENT, Linux 4.18), as
// implementations of QUIC do. The bytes of every datagram can be checked. One goroutine uses it, on a thread of its own.
type trainSender struct {
	socket *socket
	token  Token
	train  []byte // the datagrams of one send, back to back
	size   int    // of a datagram
	next   uint64 // sequence number
}

// newTrainSender makes trains of count datagrams of size bytes.
func newTrainSender(s *socket, token Token, size, count int) (*trainSender, error) {
	if err := s.set(unix.IPPROTO_UDP, unix.UDP_SEGMENT, size); err != nil {
		return nil, err
	}
	return &trainSender{socket: s, token: token, train: make([]byte, size*count), size: size}, nil
}

// unit implements burster: a train.
func (t *trainSender) unit() int { return len(t.train) / t.size }

// burst implements burster: a train alone is a burst.
func (t *trainSender) burst() int { return 1 }

// send implements burster.
func (t *trainSender) send(count int) (int, error) {
	for i := range count {
		for j := range t.unit() {
			putChecked(t.train[j*t.size:(j+1)*t.size], t.token, t.next+uint64(j))
		}
		_, err := t.socket.send(t.train)
		if full(err) {
			return i, nil
		}
		if err != nil {
			return i, err
		}
		t.next += uint64(t.unit())
	}
	return count, nil
}
