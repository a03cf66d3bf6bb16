package mesh

import (
	"testing"

	"github.com/weftnet/weft/trust/vectors"
)

func TestTheProtocolHasTheNumbersOfTheCode(t *testing.T) {
	timing := Timing{}.withDefaults()
	d := vectors.ReadDocument(t, "../docs/protocol.md")
	d.CheckConstants(t, "mesh", map[string]any{
		"messageClaim": messageClaim, "messageAnnounce": messageAnnounce, "messageFetch": messageFetch,
		"messageDeparture": messageDeparture, "messageGreeting": messageGreeting, "messageRevocation": messageRevocation,
		"messageForget": messageForget, "messageSighting": messageSighting, "tombstoneLen": tombstoneLen, "tombstoneTolerance": tombstoneTolerance,
		"maxTombstones": maxTombstones, "burialEvery": burialEvery,
		"sightingLen": sightingLen, "DefaultLease": DefaultLease, "company": company, "reclaimAfter": reclaimAfter,
		"KindStatic": KindStatic, "KindAuto": KindAuto, "KindK8s": KindK8s, "KindReleased": KindReleased, "releaseJump": releaseJump, "maxPredecessors": maxPredecessors, "predecessorLen": predecessorLen,
		"DefaultPort": DefaultPort, "maxGossipPacket": maxGossipPacket, "memberlistChecksum": memberlistChecksum,
		"retransmitMult": retransmitMult, "eager": eager, "maxGossipClaim": maxGossipClaim, "maxClaimLen": maxClaimLen,
		"signatureLen": signatureLen, "maxNetworks": maxNetworks, "MaxPrefixes": MaxPrefixes, "maxEndpoints": maxEndpoints,
		"maxUnixMillis": uint64(maxUnixMillis), "maxClaims": maxClaims, "maxMetaEndpoints": maxMetaEndpoints, "noticeLen": noticeLen,
		"departureLen": departureLen, "departureTolerance": departureTolerance, "stateVersion": stateVersion, "cloneTie": cloneTie,
		"raiseSpacing": raiseSpacing, "incumbency": incumbency, "keeping": keeping, "widestRoute4": widestRoute4, "widestRoute6": widestRoute6,
		"Timing.Gossip": timing.Gossip, "Timing.Probe": timing.Probe, "Timing.ProbeWait": timing.ProbeWait, "Timing.PushPull": timing.PushPull,
	})
	d.CheckKeys(t, claimBody{})
}
