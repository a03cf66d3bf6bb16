package sim

import "slices"

// trail is the way of a frame through nodes. It is beside the frame, where no node can see it.
type trail struct {
	label string // what the frame is
	id    uint64 // of the frame that relays carry; 0: it goes straight
	from  *Node
	to    *Node // whom its sender means
	nodes []int // that it has visited, its sender the first
}

// visit is the trail after one more node; false: it was there before.
func (t trail) visit(n *Node) (trail, bool) {
	before := slices.Contains(t.nodes, n.index)
	t.nodes = append(slices.Clip(t.nodes), n.index)
	return t, !before
}
