package packet

// CoalescerOptions says what a Coalescer joins, and how much it holds.
type CoalescerOptions struct {
	TCP, UDP bool // what is joined; the rest passes as it is
	Packets  int  // that may be added between two Resets; 0: 1024
}

// Coalescer joins segments that continue each other back into superpackets: the inverse of Segmenter. It never changes or
// copies a payload, and reads it only to verify a complete checksum. One goroutine uses it at a time.
//
// Joined are TCP and UDP packets of one flow, whole and unfragmented, each with a payload, whose headers differ in nothing
// but what a Segmenter changes, and just as it changes it: the IPv4 identification grows by one (or, in UDP with DF, stays),
// the TCP sequence number by
// the payload; all payloads are as long as the first, but the last may be shorter. TCP flags are ACK, and ECE on all or
// none; CWR on the first; FIN and PSH on the last. So UDP without a checksum is never joined, and neither is what an IPv6
// extension header pins. A packet with a complete checksum is joined only if it is right, for the superpacket has a partial
// one, and nobody behind it would notice.
//
// The order within a flow stays: a packet is appended to nothing but its flow's last superpacket. Every other packet of the
// flow ends that, as does every packet between its addresses that has no ports to tell the flow by (a fragment, ICMP); what
// is no packet ends all. Packets of different flows may change places.
type Coalescer struct {
	options CoalescerOptions
	added   int
	packets []Superpacket
	table   runTable
	last    *run // the one that grew last
	pieces  []piece
	placed  int      // number of pieces that are in tails
	tails   [][]byte // the payloads of each superpacket in a row
	headers []byte   // of superpackets
}

// piece is the payload of a packet that began or extended a run.
type piece struct {
	payload []byte
	out     int // index of the superpacket
}

// NewCoalescer allocates all that the Coalescer will ever use: about 260 bytes for each of o.Packets.
func NewCoalescer(o CoalescerOptions) *Coalescer {
	if o.Packets <= 0 {
		o.Packets = 1024
	}
	c := &Coalescer{
		options: o,
		packets: make([]Superpacket, 0, o.Packets),
		pieces:  make([]piece, 0, o.Packets),
		tails:   make([][]byte, 0, o.Packets),
		headers: make([]byte, 0, o.Packets/2*MaxHeader), // a superpacket has at least two segments
	}
	c.last = &c.table.runs[0]
	return c
}

// Add takes pkt, which begins with its IP header and is borrowed until Reset. partial is the word that its checksum is
// partial; if it cannot be, the packet is not taken, and the error is that of PartialChecksum. ErrFull: it is not taken
// either; take Packets, Reset, and add it again. A packet that is not said to be partial is otherwise taken, whatever it is.
func (c *Coalescer) Add(pkt []byte, partial bool) error {
	if c.added == c.options.Packets {
		return ErrFull
	}
	if partial && c.last.isNext(pkt) {
		c.added++
		c.keep(c.last, pkt)
		c.last.grow()
		return nil
	}
	return c.addParsed(pkt, partial)
}

func (c *Coalescer) addParsed(pkt []byte, partial bool) error {
	l, err := parseLayout(pkt)
	if err == nil {
		err = l.findPartial(pkt)
	}
	if err != nil {
		return c.addOther(pkt, &l, partial, err)
	}
	c.added++
	f := flowOf(pkt, &l)
	if place := c.table.find(f.ports); place >= 0 && c.extend(place, pkt, &l, partial) {
		return nil
	}
	out := Superpacket{Data: pkt}
	if partial {
		out.ChecksumStart, out.ChecksumOffset = l.l4, l.checksumAt-l.l4
	}
	c.packets = append(c.packets, out)
	if c.joins(l.proto) && mayBegin(pkt, &l) {
		c.begin(f, pkt, &l, partial)
	}
	return nil
}

// addOther takes a packet whose checksum cannot be partial, because of err. Nothing is known of its ports.
func (c *Coalescer) addOther(pkt []byte, l *layout, partial bool, err error) error {
	if partial {
		return err
	}
	c.endAll(pairOf(pkt, l))
	c.added++
	c.packets = append(c.packets, Superpacket{Data: pkt})
	return nil
}

func (c *Coalescer) joins(proto uint8) bool {
	return proto == ProtoTCP && c.options.TCP || proto == ProtoUDP && c.options.UDP
}

// begin opens a run with the packet that was put out last, if it can be a first segment.
func (c *Coalescer) begin(f flow, pkt []byte, l *layout, partial bool) {
	place := c.table.find(0)
	if place < 0 {
		place = c.table.victim()
		c.end(place)
	}
	r := &c.table.runs[place]
	if !r.begin(pkt, l, partial) {
		return
	}
	r.out = len(c.packets) - 1
	c.table.flows[place] = f
	c.last = r
	c.keep(r, pkt)
}

// extend appends pkt to the run, or ends the run.
func (c *Coalescer) extend(place int, pkt []byte, l *layout, partial bool) bool {
	r := &c.table.runs[place]
	ok := r.extend(pkt, l, partial)
	if ok {
		c.keep(r, pkt)
		c.last = r
	}
	if !ok || r.wire == 0 {
		c.end(place)
	}
	return ok
}

func (c *Coalescer) keep(r *run, pkt []byte) {
	c.pieces = append(c.pieces, piece{pkt[r.header.length:], r.out})
}

// endAll ends the runs between the addresses of pair; 0: all runs.
func (c *Coalescer) endAll(pair uint32) {
	for i, f := range c.table.flows {
		if f.ports != 0 && (pair == 0 || f.pair == pair) {
			c.end(i)
		}
	}
}

// end makes a superpacket of the run, if it has more than its first segment.
func (c *Coalescer) end(place int) {
	c.table.flows[place] = flow{}
	r := &c.table.runs[place]
	r.stop()
	if r.segments == 1 {
		return
	}
	p := &c.packets[r.out]
	at, n, tails := len(c.headers), r.header.length, len(c.tails)
	c.headers = append(c.headers, p.Data[:n]...)
	r.finish(c.headers[at:])
	c.tails = c.tails[:tails+r.segments]
	*p = Superpacket{
		Data:           c.headers[at : at+n : at+n],
		Tail:           c.tails[tails : tails : tails+r.segments],
		SegmentSize:    r.size,
		ChecksumStart:  r.header.l4,
		ChecksumOffset: r.header.checksumAt - r.header.l4,
	}
}

// Packets returns what the packets added since Reset have become, in the order of their first segments. A superpacket has
// its headers, finished but for the partial checksum, as Data, and a slice of each segment's payload in Tail. A packet that
// was not joined is as it came. All is borrowed until Reset. What is added later begins anew.
func (c *Coalescer) Packets() []Superpacket {
	c.endAll(0)
	for _, piece := range c.pieces[c.placed:] {
		if p := &c.packets[piece.out]; p.SegmentSize != 0 {
			p.Tail = append(p.Tail, piece.payload)
		}
	}
	c.placed = len(c.pieces)
	return c.packets
}

// Reset forgets all packets.
func (c *Coalescer) Reset() {
	for i, f := range c.table.flows {
		if f.ports != 0 {
			c.table.flows[i] = flow{}
			c.table.runs[i].stop()
		}
	}
	c.added, c.placed = 0, 0
	c.packets, c.pieces, c.tails, c.headers = c.packets[:0], c.pieces[:0], c.tails[:0], c.headers[:0]
}
