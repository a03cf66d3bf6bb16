package encap

import (
	"fmt"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// sendPatience is how long one Send waits, in total, for room in the socket's send buffer.
const sendPatience = 100 * time.Millisecond

var (
	errPieces = fmt.Errorf("encap: send: a frame lies in more than %d pieces", maxPieces)
	errFamily = fmt.Errorf("encap: send: %w", unix.EAFNOSUPPORT)
	errFull   = fmt.Errorf("encap: send: no room in the send buffer for %v: %w", sendPatience, unix.EAGAIN)
)

// udpSender sends trains through one socket. One goroutine uses it at a time.
type udpSender struct {
	is6     bool
	gso     *segmentation
	batch   batch
	singles *batch // for the frames of a train that the kernel refused in one piece; made when first needed

	retried bool          // the first unsent message has been tried twice
	waited  time.Duration // for room, in this Send
	result  SendResult

	call func(heads []unix.Mmsghdr) (int, unix.Errno) // sendmmsg
	wait func(most time.Duration) error               // for room in the send buffer
}

// newUDPSender makes a sender on a socket that is held whenever it sends.
func newUDPSender(to *socket, is6 bool, gso *segmentation) *udpSender {
	return &udpSender{
		is6: is6, gso: gso,
		call: func(heads []unix.Mmsghdr) (int, unix.Errno) { return sendmmsg(to.fd, heads) },
		wait: func(most time.Duration) error { return to.wait(unix.POLLOUT, most) },
	}
}

// sendmmsg is the system call. It does not wait for room, but it takes its time: the network stack runs inside it, over
// veth as far as the receiver's socket, which is tens of microseconds for each long train. So it is not a RawSyscall: the
// garbage collector and the scheduler would have to wait for it.
//
// One short datagram takes a few microseconds, and is what an idle node sends: probes and gossip. To announce that to the
// scheduler would rouse its monitor (sysmon), which then looks around for longer than the datagram takes.
func sendmmsg(fd int, heads []unix.Mmsghdr) (int, unix.Errno) {
	if isBrief(heads) {
		n, _, errno := unix.RawSyscall6(unix.SYS_SENDMMSG, uintptr(fd), uintptr(unsafe.Pointer(&heads[0])), uintptr(len(heads)),
			unix.MSG_DONTWAIT, 0, 0)
		return int(n), errno
	}
	n, _, errno := unix.Syscall6(unix.SYS_SENDMMSG, uintptr(fd), uintptr(unsafe.Pointer(&heads[0])), uintptr(len(heads)),
		unix.MSG_DONTWAIT, 0, 0)
	return int(n), errno
}

// briefSend is how long, in bytes, a message may be that is sent without word to the scheduler: a frame of an Ethernet MTU.
const briefSend = 1500

// isBrief reports whether heads are one message of at most briefSend bytes.
func isBrief(heads []unix.Mmsghdr) bool {
	if len(heads) != 1 {
		return false
	}
	var bytes uint64
	for _, piece := range unsafe.Slice(heads[0].Hdr.Iov, heads[0].Hdr.Iovlen) {
		bytes += uint64(piece.Len)
	}
	return bytes <= briefSend
}

// send sends all trains.
func (s *udpSender) send(trains []Train) SendResult {
	s.result, s.waited = SendResult{}, 0
	for i := range trains {
		t := &trains[i]
		t.Refused = Run{}
		s.add(&s.batch, wholeTrain(t), s.gso.limit(t))
	}
	s.flush(&s.batch)
	return s.result
}

// add queues a part, in messages of up to that limit, and sends what waits whenever there is no more room.
func (s *udpSender) add(b *batch, p part, l limit) {
	first := -1 // the message that holds the address
	for p.more() {
		if b.full() {
			s.flush(b)
			first = -1
		}
		if first < 0 {
			if !b.address(p.train, s.is6) {
				s.fail(unix.EAFNOSUPPORT, errFamily, p.count())
				return
			}
			first = b.queued
		}
		s.message(b, &p, first, l)
	}
}

// message queues the next frames of p in one message.
func (s *udpSender) message(b *batch, p *part, first int, l limit) {
	m := *p
	frames, torn := b.gather(p, l)
	if s.gso.padded && frames > 1 && b.bytes == frames*p.size {
		b.pad()
	}
	if m.frames = frames; frames > 0 {
		b.queue(m, first)
	}
	if torn {
		s.fail(unix.EINVAL, errPieces, 1)
	}
}

// flush sends all that is queued. A message that is refused is counted; the others go.
func (s *udpSender) flush(b *batch) {
	s.retried = false
	for b.done < b.queued {
		n, errno := s.call(b.heads[b.done:b.queued])
		switch errno {
		case 0: // fewer than asked: go on at the first unsent
			s.sent(b, n)
		case unix.EINTR:
		case unix.EAGAIN:
			s.await(b)
		default: // concerns the first message only
			s.refused(b, errno)
		}
	}
	b.reset()
}

// sent counts n messages that the kernel took.
func (s *udpSender) sent(b *batch, n int) {
	s.result.Calls++
	s.result.Messages += n
	s.result.Sent += b.frames(n)
	b.done += n
	s.retried = false
}

// await waits for room. When patience is over, all that is queued is given up.
func (s *udpSender) await(b *batch) {
	left := sendPatience - s.waited
	if left <= 0 {
		s.giveUp(b, errFull)
		return
	}
	began := time.Now()
	if err := s.wait(left); err != nil {
		s.giveUp(b, err)
	}
	s.waited += time.Since(began)
}

// refused handles an error of the first unsent message. It is tried once more: the error may have waited at the socket
// since an earlier send, or our source address may have gone.
func (s *udpSender) refused(b *batch, errno unix.Errno) {
	if !s.retried && errno != unix.EMSGSIZE {
		s.retried = true
		switch errno {
		case unix.EINVAL, unix.EADDRNOTAVAIL, unix.ENETUNREACH: // by family and age of the kernel
			b.dropSource()
		}
		return
	}
	s.retried = false
	m := b.giveUp()
	if m.frames > 1 && refusesTrain(errno) {
		s.apart(m.part)
		return
	}
	s.lose(errno, m)
	for errno == unix.EMSGSIZE && b.repeats(m) {
		s.lose(errno, b.giveUp())
	}
}

// lose counts the frames of a message that was refused.
func (s *udpSender) lose(errno unix.Errno, m *message) {
	if errno == unix.EMSGSIZE {
		m.train.Refuse(m.number(), m.frames)
	}
	s.fail(errno, nil, m.frames)
}

// apart sends the frames of a train that the kernel refused in one piece one by one. If they go, it was the train that the
// route could not take; if they are too big as well, or unreachable, nothing is known of trains.
func (s *udpSender) apart(p part) {
	if s.singles == nil {
		s.singles = new(batch)
	}
	before := s.result
	s.add(s.singles, p, oneFrame)
	s.flush(s.singles)
	s.retried = false
	s.result.Resent += s.result.Sent - before.Sent
	if s.result.Sent > before.Sent && s.result.TooBig == before.TooBig {
		s.gso.refuse(p.train.To.Addr)
	}
}

// fail counts frames that were not sent. err says why, if the number does not.
func (s *udpSender) fail(errno unix.Errno, err error, frames int) {
	switch errno {
	case unix.EMSGSIZE:
		s.result.TooBig += frames
	case unix.ENETUNREACH, unix.EHOSTUNREACH, unix.ENETDOWN, unix.EHOSTDOWN, unix.EADDRNOTAVAIL, unix.EAFNOSUPPORT,
		unix.ECONNREFUSED, unix.EACCES, unix.EPERM:
		s.result.Unreachable += frames
	default:
		s.result.Failed += frames
	}
	if s.result.Err == nil {
		if err == nil {
			err = sendError(errno)
		}
		s.result.Err = err
	}
}

// sendError is the error of a number.
func sendError(errno unix.Errno) error {
	if errno == unix.EPIPE { // closed meanwhile
		return errClosed("send")
	}
	return fmt.Errorf("encap: send: %w", errno)
}

// giveUp counts all that is queued as failed.
func (s *udpSender) giveUp(b *batch, err error) {
	s.fail(unix.EAGAIN, err, b.frames(b.queued-b.done))
	b.done = b.queued
}

// failAll is the result of sending nothing: the port is closed.
func failAll(trains []Train, err error) (r SendResult) {
	for i := range trains {
		p := wholeTrain(&trains[i])
		r.Failed += p.count()
	}
	r.Err = err
	return r
}
