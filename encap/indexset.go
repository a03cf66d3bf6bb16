package encap

import (
	"encoding/binary"
	"io"
	"sync"
)

// indexSet keeps the indexes of one node's sessions apart.
type indexSet struct {
	mu   sync.Mutex // guards used
	used map[uint32]struct{}
}

// draw returns an index that is not in use, and never 0.
func (s *indexSet) draw(random io.Reader) (uint32, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.used == nil {
		s.used = map[uint32]struct{}{}
	}
	var b [4]byte
	for {
		if _, err := io.ReadFull(random, b[:]); err != nil {
			return 0, handshakeError("draw index", err)
		}
		index := binary.BigEndian.Uint32(b[:])
		if _, taken := s.used[index]; index != 0 && !taken {
			s.used[index] = struct{}{}
			return index, nil
		}
	}
}

func (s *indexSet) release(index uint32) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.used, index)
}
