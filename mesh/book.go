package mesh

import (
	"net/netip"
	"sync/atomic"

	"github.com/weftnet/weft/trust"
)

// book is the address book of the transport: where each node may be reached. The owner replaces it as a whole; everybody
// may read.
type book struct {
	pages atomic.Pointer[map[trust.Fingerprint][]netip.AddrPort]
}

func (b *book) set(pages map[trust.Fingerprint][]netip.AddrPort) { b.pages.Store(&pages) }

// at returns the candidates for a node; the caller must not change them.
func (b *book) at(id trust.Fingerprint) []netip.AddrPort {
	pages := b.pages.Load()
	if pages == nil {
		return nil
	}
	return (*pages)[id]
}
