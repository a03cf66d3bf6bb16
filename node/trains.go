package node

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"sync/atomic"

	"github.com/weftnet/weft/encap"
	"github.com/weftnet/weft/node/api"
	"github.com/weftnet/weft/router"
)

// trains remembers of which peers it was said that the kernel refuses trains to them.
type trains struct {
	renewed atomic.Bool             // links or routes have changed: what was said is old
	told    map[netip.AddrPort]bool // owned by the keeper
}

// renew makes the port try trains again where the kernel has refused them: another link may take them.
func (t *trains) renew(port encap.Port) {
	port.Renew()
	t.renewed.Store(true)
}

// noteRefusedTrains says to which peers frames go one by one.
func (n *Node) noteRefusedTrains(peers []router.PeerStatus) {
	if n.trains.told == nil || n.trains.renewed.Swap(false) {
		n.trains.told = map[netip.AddrPort]bool{}
	}
	port, ok := n.port.(encap.Refuser)
	if !ok {
		return
	}
	refused := []api.Note{}
	for _, at := range port.Refusals() {
		name := peerAt(peers, at)
		refused = append(refused, api.Note{What: name, Reason: fmt.Sprintf("the kernel refused a train of frames to %v", at)})
		if !n.trains.told[at] {
			n.trains.told[at] = true
			n.log.Warn("node.gso.refused", "peer", name, "endpoint", at, "now", "frames are sent one by one")
		}
	}
	slices.SortFunc(refused, func(a, b api.Note) int { return cmp.Or(cmp.Compare(a.What, b.What), cmp.Compare(a.Reason, b.Reason)) })
	n.state.refuseTrains(refused)
}

// peerAt is the name of the peer that is reached there, or else the address.
func peerAt(peers []router.PeerStatus, at netip.AddrPort) string {
	for _, p := range peers {
		if p.Endpoint == at || p.Last == at {
			return p.Name
		}
	}
	return at.String()
}

// trainless is what status says of peers to which the kernel refuses trains; empty: there are none.
func trainless(refused []api.Note) string {
	if len(refused) == 0 {
		return ""
	}
	names := make([]string, len(refused))
	for i, r := range refused {
		names[i] = r.What
	}
	return fmt.Sprintf("frames to %s are sent one by one, because the kernel refused a train of them", strings.Join(names, ", "))
}
