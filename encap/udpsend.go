package encap

import (
	"fmt"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

const (
	sendBatch   = 64            // messages of one sendmmsg
	maxPieces   = 64            // buffers that one frame may lie in
	sendVectors = 4 * sendBatch // a frame usually lies in one or two
)

var (
	errPieces = fmt.Errorf("encap: send: a frame lies in more than %d buffers", maxPieces)
	errFamily = fmt.Errorf("encap: send: %w", unix.EAFNOSUPPORT)
)

// udpSender is the memory of one sendmmsg. One goroutine uses it at a time.
type udpSender struct {
	raw     syscall.RawConn
	is6     bool
	heads   [sendBatch]unix.Mmsghdr
	vectors [sendVectors]unix.Iovec
	names   [sendBatch]sockaddr  // of the first message of each train
	control [sendBatch]ancillary // likewise
	sources [sendBatch]control   // likewise

	queued  int // messages
	pieces  int // vectors in use
	done    int // messages sent or given up
	retried bool
	errno   unix.Errno
	result  SendResult
	try     func(fd uintptr) bool // send, made once
	call    func(fd uintptr, heads []unix.Mmsghdr) (int, unix.Errno)
}

func newUDPSender(raw syscall.RawConn, is6 bool) *udpSender {
	s := &udpSender{raw: raw, is6: is6, call: sendmmsg}
	s.try = s.send
	return s
}

// sendmmsg is the system call.
func sendmmsg(fd uintptr, heads []unix.Mmsghdr) (int, unix.Errno) {
	n, _, errno := unix.Syscall6(unix.SYS_SENDMMSG, fd, uintptr(unsafe.Pointer(&heads[0])), uintptr(len(heads)),
		unix.MSG_DONTWAIT, 0, 0)
	return int(n), errno
}

// cursor walks over a train's buffers.
type cursor struct {
	bufs [][]byte
	off  int // into the first
}

// take cuts off the next piece, of up to n bytes; nil at the end.
func (c *cursor) take(n int) []byte {
	for len(c.bufs) > 0 {
		if b := c.bufs[0][c.off:]; len(b) > 0 {
			b = b[:min(n, len(b))]
			c.off += len(b)
			return b
		}
		c.bufs, c.off = c.bufs[1:], 0
	}
	return nil
}

// train queues the frames of a train, sending what waits whenever there is no more room.
func (s *udpSender) train(t *Train) {
	size := t.Size
	if size <= 0 {
		size = 1 << 30 // all of it is one frame
	}
	rest := cursor{bufs: t.Bufs}
	first := -1 // the message that holds the train's address
	for b := rest.take(size); b != nil; b = rest.take(size) {
		if s.queued == sendBatch || s.pieces+maxPieces > sendVectors {
			s.flush()
			first = -1
		}
		count, fits := s.gather(&rest, b, size)
		if first < 0 {
			first = s.queued
			if !s.address(first, t) {
				s.fail(unix.EAFNOSUPPORT, errFamily)
				first = -1
				continue
			}
		}
		if !fits {
			s.fail(unix.EINVAL, errPieces)
			continue
		}
		s.queue(first, count)
	}
}

// gather puts the pieces of one frame, of which b is the first, into vectors. fits: it did not lie in too many.
func (s *udpSender) gather(rest *cursor, b []byte, size int) (count int, fits bool) {
	for ; b != nil; b = rest.take(size) {
		if count < maxPieces {
			v := &s.vectors[s.pieces+count]
			v.Base = &b[0]
			v.SetLen(len(b))
		}
		count++
		if size -= len(b); size == 0 {
			break
		}
	}
	return count, count <= maxPieces
}

// address puts the train's destination and control data into message i.
func (s *udpSender) address(i int, t *Train) bool {
	n := putSockaddr(&s.names[i], t.To.Addr, s.is6)
	s.heads[i].Hdr.Namelen = n
	s.sources[i] = s.control[i].put(t)
	return n > 0
}

// queue makes the next message of the gathered pieces, with the address of message first.
func (s *udpSender) queue(first, count int) {
	h := &s.heads[s.queued].Hdr
	h.Name = (*byte)(unsafe.Pointer(&s.names[first]))
	h.Namelen = s.heads[first].Hdr.Namelen
	h.Iov = &s.vectors[s.pieces]
	h.SetIovlen(count)
	h.Control = nil
	if s.sources[first].length > 0 {
		h.Control = (*byte)(unsafe.Pointer(&s.control[first]))
	}
	h.SetControllen(s.sources[first].length)
	s.queued++
	s.pieces += count
}

// flush sends all that is queued. A message that is refused is counted; the others go.
func (s *udpSender) flush() {
	for s.done < s.queued {
		s.errno = 0
		if err := s.raw.Write(s.try); err != nil {
			s.giveUp(portError("send", err))
			break
		}
		if s.errno != 0 {
			s.refused(s.errno)
		}
	}
	s.queued, s.pieces, s.done, s.retried = 0, 0, 0, false
}

// send is one or more sendmmsg, up to an error or the end. false: the socket is full, wait.
func (s *udpSender) send(fd uintptr) bool {
	for s.done < s.queued {
		n, errno := s.call(fd, s.heads[s.done:s.queued])
		switch errno {
		case 0: // fewer than asked: go on at the first unsent
			s.done += n
			s.result.Sent += n
			s.retried = false
		case unix.EINTR:
		case unix.EAGAIN:
			return false
		default: // concerns the first message only
			s.errno = errno
			return true
		}
	}
	return true
}

// refused handles an error of the first unsent message. It is tried once more: the error may have waited at the socket
// since an earlier send, or our source address may have gone.
func (s *udpSender) refused(errno unix.Errno) {
	if !s.retried && errno != unix.EMSGSIZE {
		s.retried = true
		switch errno {
		case unix.EINVAL, unix.EADDRNOTAVAIL, unix.ENETUNREACH: // by family and age of the kernel
			s.dropSource()
		}
		return
	}
	s.retried = false
	s.done++
	s.fail(errno, nil)
}

// dropSource lets the kernel choose the source of the first unsent message, and of those of its train that follow it.
func (s *udpSender) dropSource() {
	name := s.heads[s.done].Hdr.Name
	for i := s.done; i < s.queued && s.heads[i].Hdr.Name == name; i++ {
		first := (uintptr(unsafe.Pointer(name)) - uintptr(unsafe.Pointer(&s.names[0]))) / unsafe.Sizeof(s.names[0])
		c := s.sources[first]
		h := &s.heads[i].Hdr
		h.Control = nil
		if c.length > c.source {
			h.Control = &s.control[first].bytes()[c.source]
		}
		h.SetControllen(c.length - c.source)
	}
}

// fail counts one frame that was not sent. err says why, if the number does not.
func (s *udpSender) fail(errno unix.Errno, err error) {
	switch errno {
	case unix.EMSGSIZE:
		s.result.TooBig++
	case unix.ENETUNREACH, unix.EHOSTUNREACH, unix.ENETDOWN, unix.EHOSTDOWN, unix.EADDRNOTAVAIL, unix.EAFNOSUPPORT,
		unix.ECONNREFUSED, unix.EACCES, unix.EPERM:
		s.result.Unreachable++
	default:
		s.result.Failed++
	}
	if s.result.Err == nil {
		if err == nil {
			err = sendError(errno)
		}
		s.result.Err = err
	}
}

// sendError is the error of a number.
func sendError(errno unix.Errno) error { return fmt.Errorf("encap: send: %w", errno) }

// giveUp counts all that is queued as failed: the port is closed.
func (s *udpSender) giveUp(err error) {
	s.result.Failed += s.queued - s.done
	if s.result.Err == nil {
		s.result.Err = err
	}
	s.done = s.queued
}
