package sim

import (
	"encoding/binary"
	"hash/crc32"
	"net/netip"
	"time"
)

// journal is what was sent lately, and a digest of all that ever was.
type journal struct {
	lines  []line // a ring
	count  uint64 // of all lines
	digest uint64
}

// line is one datagram, or one stream.
type line struct {
	at      time.Duration // since the World began
	from    *Node
	to      *Node // nil: the address is nobody's
	addr    netip.AddrPort
	label   string
	size    int
	outcome string // why it did not arrive; empty: it did, or still is on its way
}

func newJournal(lines int) *journal { return &journal{lines: make([]line, lines)} }

// castagnoli has instructions of its own on most CPUs.
var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// sent notes a datagram, and returns its line.
func (j *journal) sent(now time.Time, from, to *Node, addr netip.AddrPort, label string, frame []byte) uint64 {
	at := now.Sub(epoch)
	j.lines[j.count%uint64(len(j.lines))] = line{at, from, to, addr, label, len(frame), ""}
	var head [24]byte
	binary.BigEndian.PutUint64(head[:], uint64(at))
	binary.BigEndian.PutUint64(head[8:], uint64(from.index))
	a4 := addr.Addr().As16()
	binary.BigEndian.PutUint64(head[16:], uint64(addr.Port())<<32|uint64(crc32.Checksum(a4[:], castagnoli)))
	sum := crc32.Update(crc32.Checksum(head[:], castagnoli), castagnoli, frame)
	j.digest = (j.digest ^ uint64(sum)) * 0x100000001b3 // the prime of FNV-1a
	j.count++
	return j.count - 1
}

// outcome notes why what is in a line did not arrive.
func (j *journal) outcome(n uint64, why string) {
	if j.count-n <= uint64(len(j.lines)) {
		j.lines[n%uint64(len(j.lines))].outcome = why
	}
}

// last are the lines that are kept, the oldest first.
func (j *journal) last() []line {
	n := uint64(len(j.lines))
	if j.count <= n {
		return j.lines[:j.count]
	}
	at := j.count % n
	return append(append([]line(nil), j.lines[at:]...), j.lines[:at]...)
}

// Digest depends on every byte that was sent, on where to and when: runs that send the same have the same.
func (w *World) Digest() uint64 { return w.journal.digest }

// Datagrams is how many datagrams and streams were sent.
func (w *World) Datagrams() uint64 { return w.journal.count }
