package sim

import "github.com/weftnet/weft/mesh"

// Start starts a node that knows nothing but seeds. Without seeds it is the first one.
func (w *World) Start(i int, seeds ...int) { w.nodes[i].start(seeds, nil, nil) }

// start begins a run.
func (n *Node) start(seeds []int, before *gossip, kept mesh.Assignment) {
	n.begin()
	n.beginGossip(seeds, before, kept)
	n.turn()
}

// Kill ends a node without a word.
func (w *World) Kill(i int) { w.nodes[i].running = false }

// Stop ends a node in order: it says goodbye.
func (w *World) Stop(i int) {
	if n := w.nodes[i]; n.running {
		n.goodbye()
		n.running = false
	}
}

// Restart starts a node again, with its state directory.
func (w *World) Restart(i int) {
	n := w.nodes[i]
	w.Kill(i)
	before, kept := n.gossip, n.table.assignment
	n.start(before.seeds, &before, kept)
}

// Reinstall starts a node with a new identity, without a state directory: it has the name and the subnet of the one before.
func (w *World) Reinstall(i int, seeds ...int) {
	w.Kill(i)
	w.nodes[i].newIdentity()
	w.Start(i, seeds...)
}

// Move gives a node another address, which its peers are told.
func (w *World) Move(i int) {
	n := w.nodes[i]
	kind := Open
	if n.nat != nil {
		kind = n.nat.kind
	}
	w.net.leave(n)
	w.place(n, kind)
	if !n.running {
		return
	}
	for _, p := range n.sorted {
		p.seenAs = n.addr
	}
	n.claimSeen(nil)
	n.announce()
	n.turn()
}

// Running reports whether a node runs.
func (w *World) Running(i int) bool { return w.nodes[i].running }
