package mesh

import (
	"encoding/binary"
	"fmt"
	"time"

	"github.com/weftnet/weft/trust"
)

// messageType is the first byte of a memberlist user message, and of an item of a push/pull state.
type messageType byte

const (
	messageClaim     messageType = 1 // a claim's raw bytes
	messageAnnounce  messageType = 2 // a claim that is too long for a packet: who has it
	messageFetch     messageType = 3 // asks for a claim
	messageDeparture messageType = 4
	messageGreeting  messageType = 5 // who greets, and its claim; asks for the other's

	messageRevocation messageType = 6 // an authority's, as it was signed
	messageForget     messageType = 7 // a member's word that a node is to be forgotten, as it was signed
	messageSighting   messageType = 8 // in a state only: how long ago its sender saw a node alive that is dead
)

// maxGossipClaim is the longest claim that is sent in a gossip packet. Longer ones are announced by digest and fetched.
const maxGossipClaim = 1000

// notice is the body of an announcement (by: who has the claim) and of a fetch (by: who wants it).
type notice struct {
	id     trust.Fingerprint
	digest Digest
	by     memberName
}

const noticeLen = 32 + 32 + 32 + 8

func (n notice) append(b []byte) []byte {
	b = append(append(b, n.id[:]...), n.digest[:]...)
	return append(append(b, n.by.id[:]...), n.by.boot[:]...)
}

func parseNotice(b []byte) (notice, error) {
	if len(b) != noticeLen {
		return notice{}, fmt.Errorf("mesh: notice of %d bytes", len(b))
	}
	var n notice
	copy(n.id[:], b)
	copy(n.digest[:], b[32:])
	copy(n.by.id[:], b[64:])
	copy(n.by.boot[:], b[96:])
	return n, nil
}

func message(t messageType, body []byte) []byte {
	return append([]byte{byte(t)}, body...)
}

// stateVersion opens the state of a push/pull; then come items: type, length (32 bits, big endian), bytes.
const stateVersion = 1

// state is what a push/pull sends besides memberlist's own.
type state struct {
	claims      []*Claim
	departures  []departure
	revocations []*trust.Revocation
	tombstones  []tombstone
	sightings   []sighting
}

// encode is the state at that time.
func (s *state) encode(now time.Time) []byte {
	size := 1
	for _, c := range s.claims {
		size += 5 + len(c.raw)
	}
	size += len(s.departures)*(5+departureLen) + len(s.revocations)*(5+trust.MaxRevocation)
	size += len(s.tombstones)*(5+tombstoneLen) + len(s.sightings)*(5+sightingLen)
	b := append(make([]byte, 0, size), stateVersion)
	for _, c := range s.claims {
		b = appendItem(b, messageClaim, c.raw)
	}
	for _, d := range s.departures {
		b = appendItem(b, messageDeparture, d.raw)
	}
	for _, r := range s.revocations {
		b = appendItem(b, messageRevocation, r.Raw())
	}
	for _, t := range s.tombstones {
		b = appendItem(b, messageForget, t.raw)
	}
	for _, seen := range s.sightings {
		b = appendItem(b, messageSighting, seen.append(nil, now))
	}
	return b
}

func appendItem(b []byte, t messageType, body []byte) []byte {
	b = binary.BigEndian.AppendUint32(append(b, byte(t)), uint32(len(body)))
	return append(b, body...)
}

// decodeState calls item for each item of a push/pull state. The bytes are borrowed from b.
func decodeState(b []byte, item func(messageType, []byte)) error {
	if len(b) == 0 || b[0] != stateVersion {
		return fmt.Errorf("mesh: state of an unknown version")
	}
	for b = b[1:]; len(b) > 0; {
		if len(b) < 5 {
			return fmt.Errorf("mesh: state ends within an item")
		}
		t, size := messageType(b[0]), binary.BigEndian.Uint32(b[1:])
		b = b[5:]
		if uint64(size) > uint64(len(b)) {
			return fmt.Errorf("mesh: state ends within an item")
		}
		item(t, b[:size])
		b = b[size:]
	}
	return nil
}
