package node

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/weftnet/weft/router"
)

const (
	// farSkew is how far apart clocks may be without a word. Time synchronisation keeps within a second, and nothing in weft needs that.
	farSkew = 10 * time.Minute
	// gossipSkew is from when on gossip without a session may be of a day that the other end does not take: it takes its own, and the
	// two around it.
	gossipSkew = 24 * time.Hour
)

// noteSkew says, in status and once in the log, whose clock is far from ours, how far, and what that affects.
func (n *Node) noteSkew(peers []router.PeerStatus) {
	var far []string
	most := time.Duration(0)
	for _, p := range peers {
		switch {
		case !p.Up || !p.SkewSaid:
		case p.Skew.Abs() < farSkew:
			delete(n.skewed, p.ID)
		default:
			far, most = append(far, p.Name+" is "+skewText(p.Skew)), max(most, p.Skew.Abs())
			n.logSkew(p)
		}
	}
	reason := ""
	if len(far) > 0 {
		slices.Sort(far)
		reason = fmt.Sprintf("clocks differ: %s; that affects %s: set the clock that is wrong ('timedatectl set-ntp true')", strings.Join(far, ", "), n.skewAffects(most))
	}
	n.state.problem("clock", reason)
}

// logSkew logs a clock that is far from ours, unless it was as far before.
func (n *Node) logSkew(p router.PeerStatus) {
	apart := skewText(p.Skew)
	if n.skewed[p.ID] == apart {
		return
	}
	n.skewed[p.ID] = apart
	n.log.Warn("node.clock.apart", "peer", p.Name, "clock", apart, "affects", n.skewAffects(p.Skew))
}

// skewText says how far a clock is from ours, in steps so coarse that drift and round trips are no news.
func skewText(skew time.Duration) string {
	text, side := skew.Abs().Round(farSkew).String(), "ahead"
	if skew < 0 {
		side = "behind"
	}
	return strings.TrimSuffix(text, "0s") + " " + side
}

// skewAffects is what clocks so far apart disturb. Sessions and streams do not go by the clock.
func (n *Node) skewAffects(skew time.Duration) string {
	var list []string
	if skew.Abs() >= gossipSkew {
		list = append(list, "gossip without a session, which is dropped")
	}
	if n.admission.Strict() {
		list = append(list, "the beginning and end of certificates")
	}
	return strings.Join(append(list, "times in logs"), ", ")
}
