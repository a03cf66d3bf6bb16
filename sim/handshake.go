package sim

import (
	"errors"
	"time"

	"github.com/weftnet/weft/encap"
)

// This file is router/handshake.go and router/resume.go. The curve work takes no time.

const (
	resumePause = time.Second
	answerPause = 100 * time.Millisecond
	freshTime   = time.Second
	strayPause  = 5 * time.Millisecond
)

// initiate calls a peer at those endpoints.
func (n *Node) initiate(p *peer, to []encap.Endpoint) {
	p.initiated = n.w.now
	frame, err := p.session.Initiate(n.w.now)
	if err != nil {
		n.drop("initiate")
		return
	}
	for _, index := range p.asked {
		delete(n.asked, index)
	}
	p.asked = p.session.AppendAsked(p.asked[:0])
	for _, index := range p.asked {
		n.asked[index] = p
	}
	n.touch(p)
	for _, e := range to {
		n.traffic.count(Handshakes, len(frame))
		n.transmit(frame, e, "initiation")
	}
}

// takeInitiation answers a call of a node that is known.
func (n *Node) takeInitiation(from encap.Endpoint, frame []byte) {
	m, err := n.local.ReadInitiation(frame)
	if err != nil {
		n.drop("initiation")
		return
	}
	p := n.peers[m.Static.Fingerprint()]
	if p == nil {
		n.drop("unknown peer")
		n.missing(m.Static.Fingerprint())
		return
	}
	n.touch(p)
	response, err := p.session.Accept(m, n.w.now)
	if err != nil {
		n.drop("initiation")
		if errors.Is(err, encap.ErrReplayedStamp) && !p.up && n.mayResume(p) {
			n.resumeAt(p, from)
		}
		return
	}
	n.traffic.count(Handshakes, len(response))
	n.transmit(response, from, "response")
}

// takeResponse takes the answer to a call of ours.
func (n *Node) takeResponse(from encap.Endpoint, h encap.Header, frame []byte) {
	p := n.asked[h.Index]
	if p == nil || p.session.Complete(frame, n.w.now) != nil {
		n.drop("response")
		return
	}
	n.touch(p)
	was := p.up
	n.heardFrom(p, from, concluded)
	if was {
		n.sendProbe(p, encap.Probe, from, p.probes.next(n.w.now))
	}
}

// resume calls the peer that may have sent a frame under keys of an earlier run of this node.
func (n *Node) resume(from encap.Endpoint) {
	now := n.w.now
	if now.Before(n.strays) {
		return
	}
	n.strays = now.Add(strayPause)
	p := n.sender(from)
	if p == nil || p.up && !n.questions(p) || !n.mayResume(p) {
		return
	}
	n.resumeAt(p, from)
}

func (n *Node) resumeAt(p *peer, at encap.Endpoint) {
	p.resumed, p.questioned = n.w.now, time.Time{}
	n.initiate(p, []encap.Endpoint{at})
}

func (n *Node) mayResume(p *peer) bool {
	now := n.w.now
	return !p.away && now.Sub(p.resumed) >= resumePause && now.Sub(p.initiated) >= answerPause
}

// questions asks a peer whose path is up for a sign that it has our keys, and reports whether it was asked before, and gave none.
func (n *Node) questions(p *peer) bool {
	now, heard := n.w.now, p.lastHeard()
	switch keys := p.session.Current(); {
	case keys == nil:
		return true
	case now.Sub(heard) < freshTime && p.confirmed[keys]:
		return false
	case p.questioned.After(heard):
		return now.Sub(p.questioned) >= answerPause+2*p.roundTrip()
	}
	p.questioned = now
	n.sendProbe(p, encap.Probe, p.endpoint(), p.probes.next(now))
	return false
}

// sender guesses whose a frame of an unknown index is; nil: nobody's who is known.
func (n *Node) sender(from encap.Endpoint) *peer {
	if number, relayed := from.Relayed(); relayed {
		return n.numbers[number]
	}
	for _, p := range n.sorted {
		for _, e := range p.candidates() {
			if e == from {
				return p
			}
		}
	}
	return nil
}
