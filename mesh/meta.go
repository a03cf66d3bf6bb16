package mesh

import (
	"net/netip"

	"github.com/hashicorp/memberlist"
)

// maxMetaEndpoints keeps the metadata small: it goes with every message that says that a node is alive.
const maxMetaEndpoints = 6

// encodeMeta is the metadata that memberlist carries for a node: the endpoints with which it started, in CBOR. Claims say
// more and are signed, but a clone's claim and its original's stand in each other's way; the metadata of two boots of
// one key do not.
func encodeMeta(endpoints []netip.AddrPort) []byte {
	raw, err := claimEncoder.Marshal(endpoints[:min(len(endpoints), maxMetaEndpoints)])
	if err != nil || len(raw) > memberlist.MetaMaxSize {
		return nil
	}
	return raw
}

// decodeMeta reads metadata; what is not ours gives no endpoints. It is not signed: endpoints are left out as in a claim.
func decodeMeta(raw []byte) []netip.AddrPort {
	var endpoints []netip.AddrPort
	if claimDecoder.Unmarshal(raw, &endpoints) != nil || len(endpoints) > maxMetaEndpoints {
		return nil
	}
	return callable(endpoints)
}
