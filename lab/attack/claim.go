package attack

import (
	"fmt"
	"net/netip"
	"time"

	"github.com/fxamacker/cbor/v2"

	"github.com/weftnet/weft/trust"
)

// Kinds of claims, and types of gossip messages, as docs/protocol.md has them.
const (
	KindStatic = 1
	KindAuto   = 2
	KindK8s    = 3

	claimMessage = 1
)

// Claim is what a member says that it is and owns: nobody looks at it before it is signed.
type Claim struct {
	Keys      trust.PublicKeys // whose claim it pretends to be
	Version   uint64
	Name      string
	Kind      uint8
	Network   []netip.Prefix
	Subnets   []netip.Prefix
	Routes    []netip.Prefix
	Endpoints []netip.AddrPort
	Since     time.Time // of the first claim, as it says
}

// Message is the gossip message with the claim, signed with the keys of id, whose claim it need not be.
func (c Claim) Message(id *trust.Identity) ([]byte, error) {
	body, err := cbor.Marshal(map[int]any{
		1: c.Keys.DH[:], 2: c.Keys.Sign[:], 3: c.Version, 4: c.Name, 5: c.Kind, 6: c.Network, 7: c.Subnets, 8: c.Routes,
		9: c.Endpoints, 11: []int{1, 1}, 13: uint64(max(0, c.Since.UnixMilli())),
	})
	if err != nil {
		return nil, fmt.Errorf("attack: encode claim: %w", err)
	}
	sig := id.Sign(append([]byte("weft 1 claim\x00"), body...))
	return append(append([]byte{claimMessage}, sig...), body...), nil
}
