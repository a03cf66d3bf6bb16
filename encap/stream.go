package encap

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"sync"
	"time"

	"github.com/flynn/noise"
)

const (
	maxRecord = 16 << 10        // plain bytes of one record
	byeTime   = 1 * time.Second // that Close may take to say the end
)

// Stream is a sealed TCP connection to another node of the cluster. It is a net.Conn: reads and writes may run at the
// same time, deadlines work, and a read that timed out may be tried again; after a write that timed out the stream is
// broken. What is cut off without the other end's Close reads as io.ErrUnexpectedEOF, not as io.EOF.
type Stream struct {
	conn      net.Conn
	remote    Hello
	agreement Agreement
	through   bool     // a peer has joined it, and is at its addresses
	far       net.Conn // to be joined to; nil: it is for this node

	readMu sync.Mutex // guards what follows
	open   *noise.CipherState
	raw    []byte // received, not decrypted
	plain  []byte // decrypted, not read
	in     []byte // memory of plain
	readEr error  // for good

	writeMu sync.Mutex // guards what follows
	seal    *noise.CipherState
	out     []byte // memory of one record
	writeEr error  // for good

	closing  sync.Once
	closeErr error
	closed   func() // is told of the first Close; nil: nobody
}

var _ net.Conn = (*Stream)(nil)

// Remote is what the other end said of itself.
func (s *Stream) Remote() Hello { return s.remote }

// Agreement is what both ends' settings have in common.
func (s *Stream) Agreement() Agreement { return s.agreement }

// Addr is the other end's underlay address, and the port of this connection; invalid: it is not known, since a peer has joined the
// stream.
func (s *Stream) Addr() netip.AddrPort {
	if s.through {
		return netip.AddrPort{}
	}
	return addrPort(s.conn.RemoteAddr())
}

// Through reports whether a peer has joined the stream.
func (s *Stream) Through() bool { return s.through }

// Read implements net.Conn.
func (s *Stream) Read(p []byte) (int, error) {
	s.readMu.Lock()
	defer s.readMu.Unlock()
	for len(s.plain) == 0 {
		if len(p) == 0 || s.readEr != nil {
			return 0, s.readEr
		}
		if err := s.record(); err != nil {
			return 0, err
		}
	}
	n := copy(p, s.plain)
	s.plain = s.plain[n:]
	return n, nil
}

// record reads and opens the next record. After an error that is not a deadline's the stream is at its end.
func (s *Stream) record() error {
	if err := s.fill(2); err != nil {
		return err
	}
	n := int(binary.BigEndian.Uint16(s.raw))
	if n < TagLen || n > maxRecord+TagLen {
		return s.endRead(fmt.Errorf("encap: stream: record of %d bytes", n))
	}
	if err := s.fill(2 + n); err != nil {
		return err
	}
	plain, err := s.open.Decrypt(s.in[:0], nil, s.raw[2:2+n])
	if err != nil {
		return s.endRead(fmt.Errorf("encap: stream: %w", ErrAuth))
	}
	s.in, s.plain = plain, plain
	s.raw = append(s.raw[:0], s.raw[2+n:]...)
	if len(plain) == 0 { // the other end's Close
		return s.endRead(io.EOF)
	}
	return nil
}

// fill reads until n bytes are in raw. What came before an error stays there.
func (s *Stream) fill(n int) error {
	if s.raw == nil {
		s.raw = make([]byte, 0, 2+maxRecord+TagLen)
	}
	for len(s.raw) < n {
		m, err := s.conn.Read(s.raw[len(s.raw):cap(s.raw)])
		s.raw = s.raw[:len(s.raw)+m]
		switch {
		case len(s.raw) >= n:
		case errors.Is(err, io.EOF):
			return s.endRead(io.ErrUnexpectedEOF)
		case err != nil && isTimeout(err):
			return err
		case err != nil:
			return s.endRead(err)
		}
	}
	return nil
}

func (s *Stream) endRead(err error) error {
	s.readEr = err
	return err
}

func isTimeout(err error) bool {
	var t net.Error
	return errors.As(err, &t) && t.Timeout()
}

// Write implements net.Conn.
func (s *Stream) Write(p []byte) (written int, err error) {
	s.writeMu.Lock()
	defer s.writeMu.Unlock()
	for len(p) > 0 {
		n := min(len(p), maxRecord)
		if err := s.writeRecord(p[:n]); err != nil {
			return written, err
		}
		written += n
		p = p[n:]
	}
	return written, s.writeEr
}

// writeRecord seals and sends one record. An empty one says the end.
func (s *Stream) writeRecord(p []byte) error {
	if s.writeEr != nil {
		return s.writeEr
	}
	s.out = binary.BigEndian.AppendUint16(s.out[:0], uint16(len(p)+TagLen))
	s.out, s.writeEr = s.seal.Encrypt(s.out, nil, p)
	if s.writeEr == nil {
		_, s.writeEr = s.conn.Write(s.out)
	}
	return s.writeEr
}

// Close implements net.Conn. It tells the other end, unless a write is under way.
func (s *Stream) Close() error {
	s.closing.Do(func() {
		if s.writeMu.TryLock() {
			_ = s.conn.SetWriteDeadline(time.Now().Add(byeTime)) // then the other end reads io.ErrUnexpectedEOF
			_ = s.writeRecord(nil)
			if s.writeEr == nil {
				s.writeEr = net.ErrClosed
			}
			s.writeMu.Unlock()
		}
		s.closeErr = s.conn.Close()
		if s.closed != nil {
			s.closed()
		}
	})
	return s.closeErr
}

// LocalAddr implements net.Conn.
func (s *Stream) LocalAddr() net.Addr { return s.conn.LocalAddr() }

// RemoteAddr implements net.Conn.
func (s *Stream) RemoteAddr() net.Addr { return s.conn.RemoteAddr() }

// SetDeadline implements net.Conn.
func (s *Stream) SetDeadline(t time.Time) error { return s.conn.SetDeadline(t) }

// SetReadDeadline implements net.Conn.
func (s *Stream) SetReadDeadline(t time.Time) error { return s.conn.SetReadDeadline(t) }

// SetWriteDeadline implements net.Conn.
func (s *Stream) SetWriteDeadline(t time.Time) error { return s.conn.SetWriteDeadline(t) }

// addrPort is a TCP address as the rest of the code takes it: unmapped.
func addrPort(a net.Addr) netip.AddrPort {
	t, ok := a.(*net.TCPAddr)
	if !ok {
		return netip.AddrPort{}
	}
	at := t.AddrPort()
	return netip.AddrPortFrom(at.Addr().Unmap(), at.Port())
}
