package packet

// Superpacket is one packet, or one packet with the size of the segments that it stands for.
type Superpacket struct {
	// Data begins with the IP header.
	Data []byte
	// Tail is payload that continues Data. Only what is written to a device may have it.
	Tail [][]byte
	// SegmentSize is the number of payload bytes of one segment. 0: this is one plain packet.
	SegmentSize int
	// ChecksumStart and ChecksumOffset say that the checksum is partial: its field lies at start+offset and is to cover
	// everything from start to the end. Both 0: the checksum is complete.
	ChecksumStart, ChecksumOffset int
}

// Len is the length of the whole packet.
func (p *Superpacket) Len() int {
	n := len(p.Data)
	for _, t := range p.Tail {
		n += len(t)
	}
	return n
}

// Partial reports whether the packet's checksum is partial.
func (p *Superpacket) Partial() bool { return p.ChecksumStart != 0 || p.ChecksumOffset != 0 }
