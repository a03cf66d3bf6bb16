package router

import (
	"fmt"
	"testing"

	"github.com/weftnet/weft/encap"
	"github.com/weftnet/weft/packet"
	"github.com/weftnet/weft/tun"
)

// relayBatch is how many batches of a load are made at once, outside of the measurement: a frame is taken once only.
const relayBatch = 1000

// BenchmarkRelay tells what it costs in the lane to carry a frame on, without the kernel.
func BenchmarkRelay(b *testing.B) {
	for _, cipher := range []encap.Cipher{encap.CipherAES256GCM, encap.CipherChaCha20Poly1305} {
		for name, load := range relayLoads() {
			b.Run(fmt.Sprintf("%s, %s", cipher, name), func(b *testing.B) { benchmarkRelay(b, cipher, load) })
		}
	}
}

func benchmarkRelay(b *testing.B, cipher encap.Cipher, load []packet.Superpacket) {
	x := newChain(b, byHand{ciphers: []encap.Cipher{cipher}}, 1, tun.Joins{})
	relay := x.sides[1]
	relay.router.SetRelaying(Relaying{Frames: -1})
	relay.sink(0).keep = false
	var batches [][]encap.Datagram
	for b.Loop() {
		if len(batches) == 0 {
			b.StopTimer()
			for range relayBatch {
				batches = append(batches, x.trains(load))
			}
			b.StartTimer()
		}
		relay.lane(0).inbound(batches[0])
		batches = batches[1:]
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(relay.router.Counters().Relayed.Packets), "ns/frame")
}
