package encap

import "encoding/binary"

// The nonce of a sealed frame is bytes 4 to 15 of the frame itself: the receiver's index and the counter. A key belongs
// to one index, direction and lane, so the counter alone makes the nonce unique; and nothing has to be copied, nor
// shared between goroutines, to form it. The 16 bytes of header and counter are authenticated.
const nonceAt = 4

// SealData builds a data frame around packet and appends it to frame, which must have room for 32 bytes more than the
// packet (ErrBuffer). packet may stand where its ciphertext will, at 16 bytes behind the end of frame, or must not
// overlap the frame at all. In a session without sealing the frame is header and packet. flags is 0 or FlagPartial.
// The error is ErrLane, ErrFlags, ErrBuffer or, at the hard stop of the counter, ErrExhausted.
func (k *Keypair) SealData(frame []byte, lane, flags uint8, packet []byte) ([]byte, error) {
	if int(lane) >= k.Lanes {
		return nil, ErrLane
	}
	if flags&^FlagPartial != 0 {
		return nil, ErrFlags
	}
	if !k.Sealed {
		return k.clearData(frame, lane, flags, packet)
	}
	h := Header{Type: Data, Flags: flags, Lane: lane, Index: k.RemoteIndex}
	return k.sealFrame(&k.data[lane], frame, h, packet)
}

func (k *Keypair) clearData(frame []byte, lane, flags uint8, packet []byte) ([]byte, error) {
	n := len(frame)
	if cap(frame)-n < HeaderLen+len(packet) {
		return nil, ErrBuffer
	}
	out := frame[:n+HeaderLen+len(packet)]
	copy(out[n+HeaderLen:], packet) // first: the packet may lie where the header goes
	k.PutClearHeader(out[n:], lane, flags)
	return out, nil
}

// PutClearHeader writes the header of a clear data frame to the first 8 bytes of dst; the packet follows it. Of flags only
// FlagPartial is taken. It is for sessions without sealing only, and panics in a sealed one: there is no clear frame there in any state.
func (k *Keypair) PutClearHeader(dst []byte, lane, flags uint8) {
	if k.Sealed {
		panic("encap: clear header in a sealed session")
	}
	Header{Type: Data, Flags: flags&FlagPartial | FlagClear, Lane: lane, Index: k.RemoteIndex}.put(dst)
}

// sealFrame appends header, counter, sealed body and tag to frame.
func (k *Keypair) sealFrame(l *lane, frame []byte, h Header, body []byte) ([]byte, error) {
	n := len(frame)
	if cap(frame)-n < sealedHead+len(body)+TagLen {
		return nil, ErrBuffer
	}
	s := k.sealing(l)
	counter, err := s.count()
	if err != nil {
		return nil, err
	}
	head := frame[n : n+sealedHead]
	h.put(head)
	binary.BigEndian.PutUint64(head[HeaderLen:], counter)
	return s.aead.Seal(frame[:n+sealedHead], head[nonceAt:], body, head), nil
}

// OpenData takes a data frame apart, in place: packet is borrowed from frame. It commits the replay window only after
// the frame has verified. Whether the packet's checksum is partial says Header.Partial. The error is ErrShort, ErrType,
// ErrLane, ErrClear, ErrReplay, ErrAuth or, in a sealed session only for a frame that verifies, ErrFlags.
func (k *Keypair) OpenData(frame []byte) (packet []byte, err error) {
	if len(frame) < HeaderLen {
		return nil, ErrShort
	}
	if frame[0] != Version<<4|byte(Data) {
		return nil, ErrType
	}
	clear := frame[1]&FlagClear != 0
	unknown := frame[1]&^(FlagClear|FlagPartial) != 0
	switch lane := int(frame[2]); {
	case lane >= k.Lanes:
		return nil, ErrLane
	case clear && k.Sealed:
		return nil, ErrClear
	case clear:
		packet = frame[HeaderLen:]
	case !k.Sealed:
		return nil, ErrAuth // a sealed frame, and no key for it
	default:
		if packet, err = k.openFrame(&k.data[lane], frame); err != nil {
			return nil, err
		}
	}
	if unknown { // asked only now: a flag that was set on the way is ErrAuth
		return nil, ErrFlags
	}
	return packet, nil
}

// openFrame verifies and decrypts a sealed frame in place.
func (k *Keypair) openFrame(l *lane, frame []byte) ([]byte, error) {
	if len(frame) < sealedHead+TagLen {
		return nil, ErrShort
	}
	counter := binary.BigEndian.Uint64(frame[HeaderLen:])
	o := k.opening(l)
	if counter >= counterLimit || !o.seen.fresh(counter) {
		return nil, ErrReplay
	}
	head, body := frame[:sealedHead], frame[sealedHead:]
	packet, err := o.aead.Open(body[:0], head[nonceAt:], body, head)
	if err != nil {
		return nil, ErrAuth
	}
	o.seen.commit(counter)
	return packet, nil
}

// SealControl appends a control frame to dst, which grows if it must. The error is ErrExhausted, at the hard stop of the
// counter.
func (k *Keypair) SealControl(dst []byte, kind ControlKind, body []byte) ([]byte, error) {
	need := sealedHead + 1 + len(body) + TagLen
	if cap(dst)-len(dst) < need {
		dst = append(make([]byte, 0, len(dst)+need), dst...)
	}
	at := len(dst) + sealedHead
	plain := dst[at : at+1+len(body)]
	copy(plain[1:], body)
	plain[0] = byte(kind)
	return k.sealFrame(&k.control, dst, Header{Type: Control, Index: k.RemoteIndex}, plain)
}

// OpenControl takes a control frame apart, in place: body is borrowed from frame.
// The error is ErrShort, ErrType, ErrReplay or ErrAuth.
func (k *Keypair) OpenControl(frame []byte) (kind ControlKind, body []byte, err error) {
	if len(frame) < HeaderLen {
		return 0, nil, ErrShort
	}
	if frame[0] != Version<<4|byte(Control) {
		return 0, nil, ErrType
	}
	plain, err := k.openFrame(&k.control, frame)
	if err != nil {
		return 0, nil, err
	}
	if len(plain) == 0 {
		return 0, nil, ErrShort
	}
	return ControlKind(plain[0]), plain[1:], nil
}
