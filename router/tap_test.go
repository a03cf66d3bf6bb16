package router

import (
	"bytes"
	"slices"
	"sync"

	"github.com/weftnet/weft/encap"
)

// port is embedded where a test changes some of its methods.
type port = encap.Port

// tap is a port that can be listened to, held up and broken.
type tap struct {
	port
	mu      sync.Mutex          // guards what follows
	sent    [][]byte            // all frames so far, if keep
	keep    bool                // sent is wanted
	take    func(f []byte) bool // true: the frame is not sent
	longest int                 // 0: any; a longer frame is refused as too big
	broken  *encap.SendResult   // what to answer instead of sending; nil: send
}

// Lanes implements encap.Port.
func (p *tap) Lanes() []encap.Conn { return []encap.Conn{p} }

func (p *tap) lane() encap.Conn { return p.port.Lanes()[0] }

// Receive implements encap.Conn.
func (p *tap) Receive() ([]encap.Datagram, error) { return p.lane().Receive() }

// Send implements encap.Conn.
func (p *tap) Send(trains []encap.Train) encap.SendResult {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.broken != nil {
		return *p.broken
	}
	var rest []encap.Train
	held, refused := 0, 0
	for i, t := range trains {
		frames := framesOf(t)
		if p.longest > 0 && len(frames[0]) > p.longest {
			trains[i].Refuse(0, len(frames))
			refused += len(frames)
			continue
		}
		if p.keep {
			p.sent = append(p.sent, frames...)
		}
		if p.take != nil {
			kept := slices.DeleteFunc(frames, p.take)
			held += len(frames) - len(kept)
			if len(kept) == 0 {
				continue
			}
			t.Bufs = kept
		}
		rest = append(rest, t)
	}
	r := p.lane().Send(rest)
	r.Sent += held
	r.TooBig += refused
	return r
}

// framesOf takes a train apart, into memory of its own.
func framesOf(t encap.Train) (frames [][]byte) {
	all := bytes.Join(t.Bufs, nil)
	size := t.Size
	if size <= 0 {
		size = len(all)
	}
	for len(all) > 0 {
		n := min(size, len(all))
		frames = append(frames, all[:n:n])
		all = all[n:]
	}
	return frames
}

// hold keeps the frames of a type back from now on, and returns them when asked.
func (p *tap) hold(t encap.Type) (held func() [][]byte) {
	var frames [][]byte
	p.mu.Lock()
	defer p.mu.Unlock()
	p.take = func(f []byte) bool {
		if encap.Type(f[0]&15) != t {
			return false
		}
		frames = append(frames, f)
		return true
	}
	return func() [][]byte {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.take = nil
		return frames
	}
}

// record begins to keep all frames that are sent.
func (p *tap) record() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.keep = true
}

func (p *tap) frames() [][]byte {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.sent)
}

// sendRaw sends a frame from the side's port past the router.
func (s *side) sendRaw(to *side, ecn uint8, frames ...[]byte) {
	s.t.Helper()
	for _, f := range frames {
		r := s.tap.lane().Send([]encap.Train{{To: to.endpoint(), Bufs: [][]byte{f}, ECN: ecn}})
		if r.Sent != 1 {
			s.t.Fatalf("raw frame not sent: %+v", r)
		}
	}
}

// loseFirst loses the next frame of a type, and reports whether it has.
func (p *tap) loseFirst(t encap.Type) (lost func() bool) {
	gone := false
	p.mu.Lock()
	defer p.mu.Unlock()
	p.take = func(f []byte) bool {
		if gone || encap.Type(f[0]&15) != t {
			return false
		}
		gone = true
		return true
	}
	return func() bool {
		p.mu.Lock()
		defer p.mu.Unlock()
		return gone
	}
}
