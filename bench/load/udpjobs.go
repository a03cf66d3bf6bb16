package load

import (
	"fmt"
	"net/netip"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// receiveBuffer is what sinks of datagrams ask for: some 5000 small packets, so that what is lost is lost on the way and not
// because the receiving thread was not scheduled for some milliseconds.
const receiveBuffer = 4 << 20

// sinkDatagrams counts datagrams.
func (j *job) sinkDatagrams() {
	defer j.discard(j.main)
	r := newReceiver(j.main, j.Token, j.guests)
	j.receiveAll(r.receive, func() { j.ledger.datagrams(r.seqs, r.bytes, time.Now()) })
}

// checkDatagrams counts datagrams and compares their bytes.
func (j *job) checkDatagrams() {
	defer j.discard(j.main)
	r := newTrainReceiver(j.main, j.Token, j.guests)
	j.receiveAll(r.receive, func() {
		j.ledger.datagrams(r.seqs, r.bytes, time.Now())
		if !j.over() { // the end itself looks like an empty datagram: recv(2) of a socket that was shut down
			j.ledger.damaged(r.damaged)
		}
	})
}

// receiveAll receives until the job is over, on a thread of its own, and notes what each call brought.
func (j *job) receiveAll(receive func() error, note func()) {
	locked(func() {
		for !j.over() {
			if err := receive(); err != nil {
				j.fail(fmt.Errorf("receive: %w", err))
				return
			}
			note()
		}
	})
}

// echoDatagrams sends back every datagram of a guest that carries the token, to where it came from.
func (j *job) echoDatagrams() {
	defer j.discard(j.main)
	b := make([]byte, maxDatagram)
	locked(func() {
		for !j.over() {
			if err := j.echoDatagram(b); err != nil {
				j.fail(fmt.Errorf("receive: %w", err))
				return
			}
		}
	})
}

// echoDatagram takes one. What cannot be sent back is not: it is the near end that counts.
func (j *job) echoDatagram(b []byte) error {
	var from sockname // it goes back as it came
	size := uint32(sockNameLen)
	n, _, errno := unix.Syscall6(unix.SYS_RECVFROM, uintptr(j.main.fd), uintptr(unsafe.Pointer(&b[0])), uintptr(len(b)), 0,
		uintptr(unsafe.Pointer(&from)), uintptr(unsafe.Pointer(&size)))
	switch {
	case errno == unix.EINTR:
		return nil
	case errno != 0:
		return errno
	}
	seq, ok := parseHead(b[:n], j.Token)
	source := from.addrPort()
	if !ok || j.isMe(source) || !j.guests.enter(source.Addr()) {
		return nil
	}
	j.ledger.datagrams([]uint64{seq}, int(n), time.Now())
	if !j.rate.pass(int(n), j.quit) { // what comes meanwhile waits in the buffer, and is lost when it is full
		return nil
	}
	unix.Syscall6(unix.SYS_SENDTO, uintptr(j.main.fd), uintptr(unsafe.Pointer(&b[0])), n, unix.MSG_NOSIGNAL,
		uintptr(unsafe.Pointer(&from)), uintptr(size))
	return nil
}

// isMe reports whether a datagram says that it comes from the job's own socket: an answer would be answered, for ever. When
// the job listens on all addresses, the port alone decides.
func (j *job) isMe(from netip.AddrPort) bool {
	return from.Port() == j.addr.Port() && (from.Addr() == j.addr.Addr() || j.addr.Addr().IsUnspecified())
}
