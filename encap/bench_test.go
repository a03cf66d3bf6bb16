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

// benchFrames runs f for one frame of the slab after the other, with each cipher.
func benchFrames(b *testing.B, f func(b *testing.B, k, peer *Keypair, frames [][]byte, i int)) {
	for _, c := range bothCiphers {
		b.Run(c.String(), func(b *testing.B) {
			k, peer := keypairs(b, c, true, 1)
			frames := benchSlab()
			b.SetBytes(benchPacket)
			for n := 0; b.Loop(); n++ {
				f(b, k, peer, frames, n%len(frames))
			}
		})
	}
}

// BenchmarkSealData tells what sealing a packet where it lies costs; BenchmarkAEAD is the part of it that is the cipher's.
func BenchmarkSealData(b *testing.B) {
	benchFrames(b, func(b *testing.B, k, _ *Keypair, frames [][]byte, i int) {
		f := frames[i]
		if _, err := k.SealData(f, 0, 0, f[sealedHead:sealedHead+benchPacket]); err != nil {
			b.Fatal(err)
		}
	})
}

func BenchmarkAEAD(b *testing.B) {
	benchFrames(b, func(b *testing.B, k, _ *Keypair, frames [][]byte, i int) {
		f := frames[i][:sealedHead]
		k.sealing(&k.data[0]).aead.Seal(f, f[nonceAt:], f[sealedHead:sealedHead+benchPacket], f)
	})
}

func BenchmarkOpenData(b *testing.B) {
	benchFrames(b, func(b *testing.B, k, peer *Keypair, frames [][]byte, i int) {
		if i == 0 {
			b.StopTimer()
			sealAll(b, k, frames)
			b.StartTimer()
		}
		if _, err := peer.OpenData(frames[i]); err != nil {
			b.Fatal(err)
		}
	})
}

func sealAll(b *testing.B, k *Keypair, frames [][]byte) {
	for i, f := range frames {
		var err error
		if frames[i], err = k.SealData(f[:0], 0, 0, f[:sealedHead+benchPacket][sealedHead:]); err != nil {
			b.Fatal(err)
		}
	}
}
