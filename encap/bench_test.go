package encap

import "testing"

const benchPacket = 1400

// benchSlab is memory for many frames; one alone would make the replay window refuse it the second time.
func benchSlab() (frames [][]byte) {
	const count, room = 256, 1536
	slab := make([]byte, count*room)
	for i := range count {
		frames = append(frames, slab[i*room:i*room:(i+1)*room])
	}
	return frames
}

// BenchmarkSealData tells what sealing a packet where it lies costs; BenchmarkAEAD is the part of it that is the cipher's.
func BenchmarkSealData(b *testing.B) {
	for _, c := range bothCiphers {
		b.Run(c.String(), func(b *testing.B) {
			k, _ := keypairs(b, c, true, 1)
			frames := benchSlab()
			b.SetBytes(benchPacket)
			for i := 0; b.Loop(); i++ {
				f := frames[i%len(frames)]
				if _, err := k.SealData(f, 0, 0, f[sealedHead:sealedHead+benchPacket]); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkAEAD(b *testing.B) {
	for _, c := range bothCiphers {
		b.Run(c.String(), func(b *testing.B) {
			k, _ := keypairs(b, c, true, 1)
			frames := benchSlab()
			b.SetBytes(benchPacket)
			for i := 0; b.Loop(); i++ {
				f := frames[i%len(frames)][:sealedHead]
				k.data[0].seal.Seal(f, f[nonceAt:], f[sealedHead:sealedHead+benchPacket], f)
			}
		})
	}
}

func BenchmarkOpenData(b *testing.B) {
	for _, c := range bothCiphers {
		b.Run(c.String(), func(b *testing.B) {
			k, peer := keypairs(b, c, true, 1)
			frames := benchSlab()
			b.SetBytes(benchPacket)
			for i := 0; b.Loop(); i++ {
				if i%len(frames) == 0 {
					b.StopTimer()
					sealAll(b, k, frames)
					b.StartTimer()
				}
				if _, err := peer.OpenData(frames[i%len(frames)]); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func sealAll(b *testing.B, k *Keypair, frames [][]byte) {
	for i, f := range frames {
		var err error
		if frames[i], err = k.SealData(f[:0], 0, 0, f[:sealedHead+benchPacket][sealedHead:]); err != nil {
			b.Fatal(err)
		}
	}
}
