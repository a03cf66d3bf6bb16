package mesh

import (
	"crypto/sha256"
	"encoding/binary"
	"math/big"
	"net/netip"

	"github.com/weftnet/weft/trust"
)

// maxPick bounds the search for a free subnet. Every taken one that is met is skipped as a whole, so this many claims
// would have to lie in a row.
const maxPick = 1 << 16

// pickSubnet chooses a free subnet of the given length in network: the first choice is a hash of the fingerprint, so
// that nodes that start together mostly choose differently; then the next free one, around the end. taken returns a
// prefix that overlaps with its argument and may not be used, or the zero prefix. It reports false if the network is
// full. The very first subnet is used like any other.
func pickSubnet(self trust.Fingerprint, network netip.Prefix, bits int, taken func(netip.Prefix) netip.Prefix) (netip.Prefix, bool) {
	p := pool{network: network, bits: bits}
	if p.bits <= network.Bits() || p.bits > network.Addr().BitLen() {
		return netip.Prefix{}, false
	}
	size := p.size()
	start := p.first(self)
	for step, tries := new(big.Int), 0; step.Cmp(size) < 0 && tries < maxPick; tries++ {
		index := new(big.Int).Add(start, step)
		index.Mod(index, size)
		subnet := p.at(index)
		other := taken(subnet)
		if !other.IsValid() {
			return subnet, true
		}
		step.Add(step, p.skip(index, other))
	}
	return netip.Prefix{}, false
}

// pool is a network cut into subnets of one length, counted from 0.
type pool struct {
	network netip.Prefix
	bits    int
}

func (p pool) size() *big.Int {
	return new(big.Int).Lsh(big.NewInt(1), uint(p.bits-p.network.Bits()))
}

// first is the index where a node begins its search.
func (p pool) first(self trust.Fingerprint) *big.Int {
	text, _ := p.network.MarshalBinary() // never fails
	h := sha256.New()
	h.Write([]byte("weft 1 auto subnet\x00"))
	h.Write(self[:])
	h.Write(text)
	_ = binary.Write(h, binary.BigEndian, uint16(p.bits))
	return new(big.Int).Mod(new(big.Int).SetBytes(h.Sum(nil)), p.size())
}

// at is the subnet with that index.
func (p pool) at(index *big.Int) netip.Prefix {
	length := p.network.Addr().BitLen()
	base := new(big.Int).SetBytes(p.network.Addr().AsSlice())
	base.Or(base, new(big.Int).Lsh(index, uint(length-p.bits)))
	addr, _ := netip.AddrFromSlice(base.FillBytes(make([]byte, length/8)))
	return netip.PrefixFrom(addr, p.bits)
}

// skip is how many subnets to go from index to get behind other, which overlaps with that subnet.
func (p pool) skip(index *big.Int, other netip.Prefix) *big.Int {
	if other.Bits() >= p.bits {
		return big.NewInt(1)
	}
	run := new(big.Int).Lsh(big.NewInt(1), uint(p.bits-other.Bits()))
	within := new(big.Int).Mod(index, run)
	return run.Sub(run, within)
}
