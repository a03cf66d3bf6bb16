package encap

import (
	"encoding/binary"
	"errors"
	"slices"

	"github.com/weftnet/weft/trust"
)

// A relay frame carries an inner frame of two nodes that do not reach each other, through others that do:
//
//	header(8) | counter(8) | hop limit(1) | count n(1) | zero(2) | source(8) | destination(8) | n further relays(8 each) | tag(16) | inner frame
//
// All before the inner frame is the front. It belongs to one hop: its index is one of the receiver's, and its tag is made with the
// keys of the hop's session and covers all of the front before it. It does not cover the inner frame, which its two ends protect by
// their own session. So a relay writes a new front over the old one, and the frames of a train stay of one length.

// MaxRelays is how many relays a frame passes at most.
const MaxRelays = 3

const (
	maxFurther  = MaxRelays - 1 // relays behind the one that a front is for
	numberLen   = 8
	relayHead   = sealedHead + 4 + 2*numberLen // the front without further relays and tag
	relayFront  = relayHead + TagLen
	hopAt       = sealedHead
	countAt     = hopAt + 1
	reservedAt  = countAt + 1
	sourceAt    = reservedAt + 2
	destinAt    = sourceAt + numberLen
	furtherAt   = destinAt + numberLen
	longestTail = relayFront + maxFurther*numberLen
)

// MaxRelayFront is the longest front of a relay frame in bytes.
const MaxRelayFront = longestTail

// ErrRelay says that a relay frame's front lists more relays than there may be, or ends too soon.
var ErrRelay = errors.New("encap: front of a relay frame that cannot be")

// Relays are the relays that a frame is still to pass behind the one that its front is for, in their order. The zero value is none.
type Relays struct {
	numbers [maxFurther]trust.Number
	count   uint8
}

// RelaysOf makes the list of those relays; false: they are more than a front holds.
func RelaysOf(numbers ...trust.Number) (list Relays, ok bool) {
	if len(numbers) > maxFurther {
		return Relays{}, false
	}
	list.count = uint8(copy(list.numbers[:], numbers))
	return list, true
}

// Numbers are the relays in their order, borrowed from l.
func (l *Relays) Numbers() []trust.Number { return l.numbers[:l.count] }

// Len is how many there are.
func (l Relays) Len() int { return int(l.count) }

// Has reports whether a node is one of them.
func (l Relays) Has(n trust.Number) bool { return slices.Contains(l.numbers[:l.count], n) }

// Repeats reports whether a node is listed twice.
func (l Relays) Repeats() bool { return l.count == maxFurther && l.numbers[0] == l.numbers[1] }

// Next takes the first relay from the list; false: it is empty.
func (l Relays) Next() (first trust.Number, rest Relays, ok bool) {
	if l.count == 0 {
		return 0, Relays{}, false
	}
	rest.count = uint8(copy(rest.numbers[:], l.numbers[1:l.count]))
	return l.numbers[0], rest, true
}

// RelayHead is what the front of a relay frame says.
type RelayHead struct {
	Lane        uint8        // of this hop's sender
	HopLimit    uint8        // relays that the frame may still pass, its receiver being the first of them; 0: it must be the destination
	Source      trust.Number // who made the inner frame
	Destination trust.Number // who takes it
	Further     Relays       // behind this hop's receiver
}

// FrontLen is the length of the front in bytes: the inner frame begins there.
func (h *RelayHead) FrontLen() int { return relayFront + numberLen*int(h.Further.count) }

// RelayOverhead is what travelling through so many relays adds to a frame, in bytes, on the hop where that is most: the first.
func RelayOverhead(relays int) int {
	if relays <= 0 {
		return 0
	}
	return relayFront + numberLen*(relays-1)
}

// SealRelay appends the front of a relay frame to frame, which must have room for it (ErrBuffer); the inner frame is to follow. It is
// there in clear sessions, too, and may be called from any goroutine. The error is ErrLane, ErrBuffer or, at the hard stop of the
// counter, ErrExhausted.
func (k *Keypair) SealRelay(frame []byte, h *RelayHead) ([]byte, error) {
	if int(h.Lane) >= len(k.relay) {
		return nil, ErrLane
	}
	n := len(frame)
	if cap(frame)-n < h.FrontLen() {
		return nil, ErrBuffer
	}
	s := k.sealing(&k.relay[h.Lane])
	counter, err := s.count()
	if err != nil {
		return nil, err
	}
	head := frame[n : n+h.FrontLen()-TagLen]
	Header{Type: Relay, Lane: h.Lane, Index: k.RemoteIndex}.put(head)
	binary.BigEndian.PutUint64(head[HeaderLen:], counter)
	h.put(head)
	return s.aead.Seal(frame[:n+len(head)], head[nonceAt:sealedHead], nil, head), nil
}

// put writes what stands between counter and tag; head has its length.
func (h *RelayHead) put(head []byte) {
	_ = head[relayHead-1]
	head[hopAt], head[countAt], head[reservedAt], head[reservedAt+1] = h.HopLimit, h.Further.count, 0, 0
	binary.BigEndian.PutUint64(head[sourceAt:], uint64(h.Source))
	binary.BigEndian.PutUint64(head[destinAt:], uint64(h.Destination))
	for i, n := range h.Further.Numbers() {
		binary.BigEndian.PutUint64(head[furtherAt+i*numberLen:], uint64(n))
	}
}

// OpenRelay verifies the front of a relay frame, of a sealed or clear session, and returns what it says and the inner frame, which is
// borrowed and not verified. It commits the replay window, which is one of the sender's lane and of relay frames alone, only after
// the front has verified. It is called from one goroutine for each sender's lane at a time. The error is ErrShort, ErrType, ErrLane,
// ErrRelay, ErrReplay, ErrAuth or, only for a front that verifies, ErrFlags or ErrReserved.
func (k *Keypair) OpenRelay(frame []byte) (h RelayHead, inner []byte, err error) {
	switch {
	case len(frame) < relayFront:
		return h, nil, ErrShort
	case frame[0] != Version<<4|byte(Relay):
		return h, nil, ErrType
	case int(frame[2]) >= len(k.relay):
		return h, nil, ErrLane
	case frame[countAt] > maxFurther:
		return h, nil, ErrRelay
	}
	h.Lane, h.Further.count = frame[2], frame[countAt]
	if len(frame) < h.FrontLen() {
		return h, nil, ErrShort
	}
	if err := k.openFront(frame[:h.FrontLen()]); err != nil {
		return h, nil, err
	}
	h.read(frame)
	switch {
	case frame[1] != 0:
		return h, nil, ErrFlags
	case frame[3]|frame[reservedAt]|frame[reservedAt+1] != 0:
		return h, nil, ErrReserved
	}
	return h, frame[h.FrontLen():], nil
}

// openFront verifies a front.
func (k *Keypair) openFront(front []byte) error {
	o := k.opening(&k.relay[front[2]])
	counter := binary.BigEndian.Uint64(front[HeaderLen:])
	if counter >= counterLimit || !o.seen.fresh(counter) {
		return ErrReplay
	}
	head, tag := front[:len(front)-TagLen], front[len(front)-TagLen:]
	if _, err := o.aead.Open(tag[:0], head[nonceAt:sealedHead], tag, head); err != nil {
		return ErrAuth
	}
	o.seen.commit(counter)
	return nil
}

// read takes the fields of a front whose count is known already.
func (h *RelayHead) read(front []byte) {
	h.HopLimit = front[hopAt]
	h.Source = trust.Number(binary.BigEndian.Uint64(front[sourceAt:]))
	h.Destination = trust.Number(binary.BigEndian.Uint64(front[destinAt:]))
	for i := range int(h.Further.count) {
		h.Further.numbers[i] = trust.Number(binary.BigEndian.Uint64(front[furtherAt+i*numberLen:]))
	}
}
