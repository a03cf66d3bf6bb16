package metrics

import (
	"time"

	"github.com/weftnet/weft/node/api"
)

// PerPeer is how many series there are for each peer, at most.
const PerPeer = 15

// peerFamilies say how it goes with each peer.
var peerFamilies = []*Family{
	peerGauge("weft_peer_info", "Always 1. Where the peer is reached, and with which cipher; empty while it is not.",
		func(p *api.Peer, e emit) { e(1, p.Endpoint, p.Cipher) }, "endpoint", "cipher"),
	peerGauge("weft_peer_path", "1 for how packets reach the peer now, 0 for the other ways: straight (udp), through another peer (relay), not at all (down).",
		collectPath, "path"),
	peerGauge("weft_peer_away", "1 for a peer that is not reached because it said goodbye, else 0.",
		func(p *api.Peer, e emit) { e(truth(p.State == api.StateAway)) }),
	peerCounter("weft_peer_packets_total", "Packets that were sealed for the peer (out), or accepted from it (in).",
		peerWays(func(p *api.Peer) (out, in uint64) { return p.Sent.Packets, p.Received.Packets }), "direction"),
	peerCounter("weft_peer_bytes_total", "Bytes of these packets, from the inner IP header on.",
		peerWays(func(p *api.Peer) (out, in uint64) { return p.Sent.Bytes, p.Received.Bytes }), "direction"),
	peerGauge("weft_peer_rtt_seconds", "Smoothed round trip of probes; no series while it is not measured.", collectRTT),
	peerGauge("weft_peer_loss_ratio", "Share of the probes of the peer's path, straight or through relays, that were lost lately, 0 to 1; no series while it is not measured.", collectLoss),
	peerGauge("weft_peer_mtu_bytes", "MTU of the overlay towards the peer; no series while it is not reached.", collectMTU),
	peerCounter("weft_peer_handshakes_total", "Handshakes that brought keys into force.",
		func(p *api.Peer, e emit) { e(float64(p.Handshakes)) }),
	peerCounter("weft_peer_rekeys_total", "Those handshakes that replaced keys still in force.",
		func(p *api.Peer, e emit) { e(float64(p.Rekeys)) }),
	peerGauge("weft_peer_last_handshake_timestamp_seconds", "When the newest keys were made, in Unix time; no series before the first.", collectHandshake),
}

func peerGauge(name, help string, collect func(*api.Peer, emit), labels ...string) *Family {
	return gauge(name, help, ofPeers(collect), append([]string{"peer", "id"}, labels...)...)
}

func peerCounter(name, help string, collect func(*api.Peer, emit), labels ...string) *Family {
	return counter(name, help, ofPeers(collect), append([]string{"peer", "id"}, labels...)...)
}

// ofPeers calls collect for each peer; what it emits is labelled with the peer's name and fingerprint.
func ofPeers(collect func(*api.Peer, emit)) func(*api.Status, emit) {
	return func(s *api.Status, e emit) {
		for i := range s.Peers {
			p := &s.Peers[i]
			collect(p, func(value float64, labels ...string) { e(value, append([]string{p.Name, p.ID}, labels...)...) })
		}
	}
}

func peerWays(counts func(*api.Peer) (out, in uint64)) func(*api.Peer, emit) {
	return func(p *api.Peer, e emit) {
		out, in := counts(p)
		e(float64(out), directionOut)
		e(float64(in), directionIn)
	}
}

func collectPath(p *api.Peer, e emit) {
	up := p.State == api.StateUp
	e(truth(up && p.Path == api.PathUDP), "udp")
	e(truth(up && p.Path == api.PathRelay), "relay")
	e(truth(!up), "down")
}

func collectRTT(p *api.Peer, e emit) {
	if p.RTT > 0 {
		e((time.Duration(p.RTT) * time.Microsecond).Seconds())
	}
}

func collectLoss(p *api.Peer, e emit) {
	if p.Loss != nil {
		e(*p.Loss)
	}
}

func collectMTU(p *api.Peer, e emit) {
	if p.State == api.StateUp && p.MTU > 0 {
		e(float64(p.MTU))
	}
}

func collectHandshake(p *api.Peer, e emit) {
	if !p.LastHandshake.IsZero() {
		e(seconds(p.LastHandshake))
	}
}

// seconds is Unix time.
func seconds(t time.Time) float64 { return float64(t.UnixMilli()) / 1000 }
