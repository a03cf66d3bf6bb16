package mesh

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/hashicorp/memberlist"

	"github.com/weftnet/weft/trust"
)

// message takes a user message from gossip.
func (o *owner) message(b []byte) {
	if len(b) == 0 {
		o.refuse(errEmpty)
		return
	}
	var err error
	switch body := b[1:]; messageType(b[0]) {
	case messageClaim:
		err = o.merge(body)
	case messageAnnounce:
		err = o.announced(body)
	case messageFetch:
		err = o.asked(body)
	case messageDeparture:
		err = o.departed(body)
	case messageGreeting:
		err = o.greeted(body)
	case messageRevocation:
		err = o.revoked(body)
	case messageForget:
		err = o.forgotten(body)
	}
	o.refuse(err)
}

var errEmpty = errors.New("mesh: empty message")

// refuse counts a message that is not in order; nil: it is.
func (o *owner) refuse(err error) {
	if err == nil {
		return
	}
	o.badMessages.Add(1)
	o.log.Debug("mesh.message.bad", "error", err)
}

// mergeState takes the other side's half of a push/pull. What is new to us is passed on, also when we join: others may
// have joined us meanwhile.
func (o *owner) mergeState(b []byte) {
	if !o.self.heard {
		o.self.heard, o.heardAt, o.changed = true, time.Now(), true
	}
	err := decodeState(b, func(t messageType, body []byte) {
		var err error
		switch t {
		case messageClaim:
			err = o.merge(body)
		case messageDeparture:
			err = o.departed(body)
		case messageRevocation:
			err = o.revoked(body)
		case messageForget:
			err = o.forgotten(body)
		case messageSighting:
			err = o.sighted(body)
		}
		o.refuse(err)
	})
	o.refuse(err)
}

// merge takes a claim into the set, and passes it on if it is news.
func (o *owner) merge(raw []byte) error {
	if o.set.Has(digestOf(raw)) {
		return nil
	}
	c, err := DecodeClaim(raw)
	if err != nil {
		return err
	}
	delete(o.fetches.asked, c.digest)
	if c.id == o.me.id {
		o.hearOurs(c)
		return nil
	}
	if o.set.Get(c.id) == nil && o.set.Len() >= maxClaims {
		o.log.Warn("mesh.claims.full", "refused", c.Name, "limit", maxClaims)
		return nil
	}
	if !o.vouched(c) || !o.present(c.id) && o.dropped.bars(c) || !o.set.Add(c) {
		return nil
	}
	o.took(c)
	if m := o.member(c.id); !m.alive() { // it was alive when it signed that
		m.seen, m.told = time.Now(), false
	}
	o.announce(o.set.Get(c.id))
	o.changed, o.peersChanged = true, true
	return nil
}

// hearOurs takes a claim of our own key that we did not just publish: of an earlier run, or of a clone.
func (o *owner) hearOurs(c *Claim) {
	if o.self.hear(c, o.rules()) {
		o.log.Info("mesh.claim.jump", "heard", c.Version)
		o.callClone(c.Endpoints, time.Now())
	}
}

// eager is to how many members a claim that is news is sent at once. The next round of gossip, which is seldom so that an
// idle node sleeps, reaches those that this misses.
const eager = 3

// announce sends a claim to a few members at once, and queues it for gossip.
func (o *owner) announce(c *Claim) {
	payload := o.claimMessage(c)
	o.delegate.queue.QueueBroadcast(broadcast{name: "claim " + c.id.String(), payload: payload})
	for _, id := range o.live(eager, c.id) {
		o.tell(id, payload)
	}
}

// live chooses up to n members that gossip reaches, but for one.
func (o *owner) live(n int, but trust.Fingerprint) []trust.Fingerprint {
	var list []trust.Fingerprint
	for id, m := range o.members {
		if m.alive() && id != but {
			list = append(list, id)
		}
	}
	rand.Shuffle(len(list), func(i, j int) { list[i], list[j] = list[j], list[i] })
	return list[:min(len(list), n)]
}

// claimMessage holds a claim, or its digest if it is too long for a packet.
func (o *owner) claimMessage(c *Claim) []byte {
	if len(c.raw) > maxGossipClaim {
		return message(messageAnnounce, notice{id: c.id, digest: c.digest, by: o.me}.append(nil))
	}
	return message(messageClaim, c.raw)
}

// greet sends our own claim to a node that can be reached again, and asks for its: what gossip said meanwhile may have been
// lost in either direction, also where the other node did not notice.
func (o *owner) greet(id trust.Fingerprint) {
	if c := o.self.current; c != nil {
		o.tell(id, message(messageGreeting, append(o.me.id[:], o.claimMessage(c)...)))
	}
}

// greeted takes a greeting: the fingerprint of who greets, and a message with its claim. The answer is our own claim.
func (o *owner) greeted(body []byte) error {
	var from trust.Fingerprint
	if len(body) <= len(from) || messageType(body[len(from)]) == messageGreeting {
		return fmt.Errorf("mesh: greeting of %d bytes without a claim", len(body))
	}
	copy(from[:], body)
	o.message(body[len(from):])
	if c := o.self.current; c != nil {
		o.tell(from, o.claimMessage(c))
	}
	return nil
}

// tell sends a message to every boot of a node that gossip has as alive.
func (o *owner) tell(id trust.Fingerprint, b []byte) {
	m := o.members[id]
	if m == nil || o.list == nil {
		return
	}
	for boot := range m.boots {
		to := memberName{id, boot}
		node := &memberlist.Node{Name: to.String(), Addr: syntheticIP(id), Port: DefaultPort}
		if err := o.list.SendBestEffort(node, b); err != nil {
			o.log.Debug("mesh.send.failed", "to", id.Short(), "error", err)
		}
	}
}

// departed takes a goodbye, and passes it on if it is news.
func (o *owner) departed(raw []byte) error {
	d, err := parseDeparture(raw)
	if err != nil {
		return err
	}
	c := o.set.Get(d.id)
	if c == nil || d.id == o.me.id {
		return nil
	}
	m := o.member(d.id)
	if !m.superseded(d, time.Now()) {
		return nil
	}
	if !d.verify(c.Keys) {
		return fmt.Errorf("mesh: departure of %s: signature does not match", d.id.Short())
	}
	m.departed = d.clone()
	o.sayGoodbye(m.departed)
	o.changed = true
	if m.boots[d.boot] { // memberlist finds out later
		m.presence(d.boot, false, time.Now())
		o.logPresence(d.id, m)
	}
	return nil
}

func (o *owner) sayGoodbye(d departure) {
	o.delegate.queue.QueueBroadcast(broadcast{name: "departure " + d.id.String(), payload: message(messageDeparture, d.raw)})
}
