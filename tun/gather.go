package tun

import (
	"fmt"

	"golang.org/x/sys/unix"

	"github.com/weftnet/weft/packet"
)

// maxPacket is what an IP length field can say.
const maxPacket = 1<<16 - 1

// gather copies the packet into buf, which must hold maxPacket bytes.
func gather(p *packet.Superpacket, buf []byte) ([]byte, error) {
	if n := p.Len(); n > maxPacket || n == 0 {
		return nil, fmt.Errorf("packet of %d bytes: %w", n, unix.EMSGSIZE)
	}
	n := copy(buf, p.Data)
	for _, t := range p.Tail {
		n += copy(buf[n:], t)
	}
	return buf[:n], nil
}

// contiguous is the packet in one piece: its Data, or a copy in buf if there is a Tail.
func contiguous(p *packet.Superpacket, buf []byte) ([]byte, error) {
	if len(p.Tail) == 0 && len(p.Data) <= maxPacket {
		return p.Data, nil
	}
	return gather(p, buf)
}

// whole copies a packet that is not to be segmented into buf, with its checksum complete.
func whole(p *packet.Superpacket, buf []byte) ([]byte, error) {
	pkt, err := gather(p, buf)
	if err == nil && p.Partial() {
		err = packet.CompleteChecksum(pkt, p.ChecksumStart, p.ChecksumOffset)
	}
	return pkt, err
}
