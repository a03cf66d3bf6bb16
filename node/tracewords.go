package node

import (
	"cmp"
	"fmt"

	"github.com/weftnet/weft/node/api"
	"github.com/weftnet/weft/node/config"
	"github.com/weftnet/weft/router"
)

// meaning says what a drop reason of this node means for the packet.
func (t *tracing) meaning(reason string) string {
	switch reason {
	case router.ForeignSource.String():
		if t.Masqueraded {
			return fmt.Sprintf("%s is not in the overlay; but the firewall rules of this host give its packets the node's address before weft has them", t.src)
		}
		return fmt.Sprintf("%s is not in what this node owns (%s)", t.src, cmp.Or(config.Joined(t.own), "nothing"))
	case router.NoRoute.String():
		return fmt.Sprintf("no peer owns %s", t.Destination)
	case router.Multicast.String():
		return "multicast, broadcast and link-local destinations are not carried"
	case router.PeerDown.String():
		return "the owner has no working path or no session"
	case router.RelayDown.String():
		return "the way is through relays, and the first of them is not reached"
	case router.SpoofedSource.String():
		return fmt.Sprintf("%s is not in what the sender owns", t.src)
	case router.NotLocal.String():
		return fmt.Sprintf("%s is not in what this node owns (%s)", t.Destination, cmp.Or(config.Joined(t.own), "nothing"))
	}
	return ""
}

// meaningAt says what the verdict of a node on the way means.
func (t *tracing) meaningAt(hops []router.TraceHop, i int) string {
	next := "the next node"
	if i+1 < len(hops) {
		next = hops[i+1].Name
	}
	switch hops[i].Verdict {
	case "":
		return ""
	case router.RelayRefused.String():
		return "it relays nothing for others"
	case router.RelayNoWay.String():
		return fmt.Sprintf("it does not reach %s straight", next)
	case router.SpoofedSource.String():
		return fmt.Sprintf("by its tables %s is not this node's", t.src)
	case router.NotLocal.String():
		return fmt.Sprintf("by its tables %s is not its own", t.Destination)
	}
	return "it says so"
}

// conclude says what becomes of the packet, when all else is known.
func (t *tracing) conclude() {
	switch t.Where {
	case api.TraceSelf:
		t.End = fmt.Sprintf("%s is at this node: the kernel delivers it here", t.Destination)
		t.Reached = t.Kernel.Error == ""
		if !t.Reached {
			t.End = fmt.Sprintf("%s is in a subnet of this node, and the kernel has no way to it: there is no such pod", t.Destination)
		}
	case api.TraceOutside:
		t.End = t.endOutside()
	case api.TraceNobody:
		t.End = t.endAtNobody()
	default:
		t.Reached, t.End = t.endAtPeer()
	}
}

// endAtNobody says what becomes of a packet to an address of the overlay that is nobody's.
func (t *tracing) endAtNobody() string {
	switch k := t.Kernel; {
	case k.Error != "":
		return "nobody owns the destination, and the kernel does not send it: " + k.Error
	case k.Overlay:
		return "nobody owns the destination: it is dropped, " + t.Drop
	default:
		return fmt.Sprintf("nobody owns the destination: the kernel sends it by %s, without weft", k.Interface)
	}
}

// endOutside says what becomes of a packet that weft has nothing to do with.
func (t *tracing) endOutside() string {
	switch k := t.Kernel; {
	case k.Error != "":
		return "the destination is not in the overlay, and the kernel has no route to it: " + k.Error
	case k.Overlay:
		return fmt.Sprintf("the destination is not in the overlay, but the kernel leads it to %s, where it is dropped", k.Interface)
	default:
		return fmt.Sprintf("the destination is not in the overlay: the kernel sends it by %s, without weft", k.Interface)
	}
}

// endAtPeer says how far a packet gets on its way to a peer, and whether that is all of it.
func (t *tracing) endAtPeer() (reached bool, end string) {
	if t.Drop != "" && !t.Masqueraded {
		end = fmt.Sprintf("this node drops it, %s: %s", t.Drop, t.Why)
		if t.Peer != nil && t.Peer.Reason != "" && t.Drop == router.PeerDown.String() {
			end = fmt.Sprintf("this node drops it, %s: %s", t.Drop, t.Peer.Reason)
		}
		return false, end
	}
	if !t.Kernel.Overlay {
		return false, t.endBeforeWeft()
	}
	if t.Unprobed != "" {
		return false, "nobody was asked: " + t.Unprobed
	}
	last, reached := -1, false
	for i, h := range t.Hops {
		if h.Drop != "" {
			return false, fmt.Sprintf("%s drops it, %s: %s", h.Name, h.Drop, h.Why)
		}
		if len(h.Times) > 0 {
			last = i
		}
	}
	if reached = last == len(t.Hops)-1; reached {
		return true, fmt.Sprintf("it gets to %s, which takes it", t.Hops[last].Name)
	}
	return false, t.endBehind(last)
}

// endBeforeWeft says why a packet for a peer never comes to weft.
func (t *tracing) endBeforeWeft() string {
	if t.Kernel.Error != "" {
		return "the kernel does not send it: " + t.Kernel.Error
	}
	return fmt.Sprintf("the kernel sends it by %s, by a way of this host's own, and not through weft", t.Kernel.Interface)
}

// endBehind says what is behind the last node that answered; -1: none did.
func (t *tracing) endBehind(last int) string {
	next, before := t.Hops[last+1], "this node"
	if last >= 0 {
		before = t.Hops[last].Name
	}
	if next.Asked == 0 {
		return fmt.Sprintf("%s was not asked: %s", next.Name, next.Why)
	}
	return fmt.Sprintf("%s does not answer: the questions, or its answers, get lost between %s and %s", next.Name, before, next.Name)
}
