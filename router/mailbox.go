package router

import (
	"bytes"
	"sync/atomic"

	"github.com/weftnet/weft/encap"
)

// mailbox holds data and relay frames that came to another lane's connection than the kernel should have chosen. It is hardly ever
// used: replay windows belong to one goroutine, so such a frame is carried over, not opened where it came.
type mailbox struct {
	frames chan stray
	some   atomic.Bool // spares the loop a look at the channel
}

// stray is a frame, in memory of its own once it is handed over.
type stray struct {
	from  encap.Endpoint
	frame []byte
	ecn   uint8
	dscp  uint8
}

const mailboxLen = 256

func newMailbox() mailbox { return mailbox{frames: make(chan stray, mailboxLen)} }

// handOver gives the lane a frame that came elsewhere. False: there was no room, or the lane cannot be woken.
func (l *lane) handOver(s stray) bool {
	if l.poller == nil {
		return false
	}
	s.frame = bytes.Clone(s.frame)
	select {
	case l.mail.frames <- s:
	default:
		return false
	}
	l.mail.some.Store(true)
	l.wake()
	return true
}

// takeMail moves the frames that other lanes handed over, and reports whether there were any.
func (l *lane) takeMail() bool {
	if !l.mail.some.Load() {
		return false
	}
	l.mail.some.Store(false)
	l.receiver.begin(l.r.table.Load(), l.r.dev.Load(), l.r.clock())
	for range mailboxLen {
		select {
		case s := <-l.mail.frames:
			l.receiver.dscp = s.dscp
			l.receiver.frame(s.from, s.frame, s.ecn)
		default:
			l.receiver.flush()
			return true
		}
	}
	l.receiver.flush()
	l.mail.some.Store(true)
	return true
}
