package linkstate

import (
	"cmp"
	"crypto/sha256"
	"encoding/binary"
	"slices"
	"time"

	"github.com/weftnet/weft/trust"
)

// span is a range of numbers: those whose first bits are index. Zero bits: all numbers.
type span struct {
	bits  uint8 // up to maxBits
	index uint8 // less than 2^bits
}

// maxBits bounds how finely a node divides its links: 2^5 pages hold 3500, and their versions fit one message.
const maxBits = 5

// contains reports whether n is in the range.
func (s span) contains(n trust.Number) bool { return uint64(n)>>(64-s.bits) == uint64(s.index) }

// cut is the part of links, which are in ascending order, that lies in the range.
func (s span) cut(links []stated) []stated {
	first := slices.IndexFunc(links, func(l stated) bool { return s.contains(l.peer) })
	if first < 0 {
		return nil
	}
	links = links[first:]
	if end := slices.IndexFunc(links, func(l stated) bool { return !s.contains(l.peer) }); end >= 0 {
		links = links[:end]
	}
	return links
}

// covers reports whether s contains all of o.
func (s span) covers(o span) bool { return s.bits <= o.bits && o.index>>(o.bits-s.bits) == s.index }

// overlaps reports whether there is a number in both.
func (s span) overlaps(o span) bool { return s.covers(o) || o.covers(s) }

// valid reports whether the range is one.
func (s span) valid() bool { return s.bits <= maxBits && uint(s.index) < 1<<s.bits }

// halves are the two parts of s; s has less than maxBits.
func (s span) halves() [2]span {
	return [2]span{{s.bits + 1, s.index << 1}, {s.bits + 1, s.index<<1 | 1}}
}

// stated is a link as its origin states it.
type stated struct {
	peer trust.Number
	quality
}

// version names a page without its content.
type version struct {
	origin trust.Number
	span   span
	stamp  uint64
}

// versionLen is the length of a version in bytes: origin, bits, index, stamp.
const versionLen = 8 + 1 + 1 + 8

// append adds the version's bytes to b.
func (v version) append(b []byte) []byte {
	b = binary.BigEndian.AppendUint64(b, uint64(v.origin))
	return binary.BigEndian.AppendUint64(append(b, v.span.bits, v.span.index), v.stamp)
}

// parseVersion reads versionLen bytes.
func parseVersion(b []byte) version {
	return version{
		trust.Number(binary.BigEndian.Uint64(b)), span{b[8], b[9]}, binary.BigEndian.Uint64(b[10:]),
	}
}

// sum is what the version adds to the digest of its bucket.
func (v version) sum() uint64 {
	hash := sha256.Sum256(v.append(make([]byte, 0, versionLen)))
	return binary.BigEndian.Uint64(hash[:])
}

// outdates reports whether a node that has v, and nothing else of that origin, has no use for o: it is of the same origin and range,
// or of a part of it, and not newer.
func (v version) outdates(o version) bool { return v.span.covers(o.span) && v.stamp >= o.stamp }

// outdated reports whether a node that has pages of these versions, all of o's origin, has no use for o: not for any part of its range.
func outdated(o version, have []version) bool {
	if slices.ContainsFunc(have, func(v version) bool { return v.outdates(o) }) {
		return true
	}
	finer := slices.ContainsFunc(have, func(v version) bool { return o.span.covers(v.span) && v.span != o.span })
	if !finer || o.span.bits >= maxBits {
		return false
	}
	for _, half := range o.span.halves() {
		if !outdated(version{o.origin, half, o.stamp}, have) {
			return false
		}
	}
	return true
}

// page is a node's signed statement of its links to the nodes of a range. It is immutable but for dropped.
type page struct {
	version
	policy Policy
	links  []stated // in ascending order of peers: all that are up, at most maxLinks

	raw     []byte    // signature and body
	digest  uint64    // sum of its version
	born    time.Time // when it was signed, by the local clock: when it came less the age that it came with
	refresh time.Time // of this node's own pages: when it is to be signed anew
	dropped bool      // it is not in the database any more
}

// age is how long ago the page was signed.
func (p *page) age(now time.Time) time.Duration { return max(0, now.Sub(p.born)) }

// to finds what the page says of the link to a peer.
func (p *page) to(peer trust.Number) (quality, bool) {
	i, found := slices.BinarySearchFunc(p.links, peer, func(l stated, n trust.Number) int { return cmp.Compare(l.peer, n) })
	if !found {
		return quality{}, false
	}
	return p.links[i].quality, true
}

// sameContent reports whether both say the same but for stamp.
func (p *page) sameContent(o *page) bool {
	return p.span == o.span && p.policy == o.policy && slices.Equal(p.links, o.links)
}
