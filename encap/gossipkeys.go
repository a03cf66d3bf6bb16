package encap

import (
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/weftnet/weft/trust"
)

// A gossip frame has a random nonce, and one key is good for 2^32 of those (NIST SP 800-38D, section 8.3), which 500 nodes use up in a
// week. So each day has a key of its own, its epoch: the days since 1970, UTC. Frames of our day and of the two around it are taken, so
// that clocks may differ by a day; and no frame can be replayed later than that.
//
// The index of a frame says which key it is under: 0 the one that never changes, of builds that know no epochs. Otherwise the highest
// bit is set, 15 bits are the beginning of the secret's public id, and 16 the end of the epoch.
const (
	gossipUndated  = 0
	gossipDated    = 1 << 31
	gossipNameBits = 0x7fff << 16

	gossipDay     = 24 * 60 * 60 // seconds of an epoch
	gossipMisdate = 1            // epochs around ours that are taken
)

// gossipEpoch is the epoch of a time.
func gossipEpoch(now time.Time) int64 { return now.Unix() / gossipDay }

// gossipIndex is the index of frames under that epoch's key of a secret.
func gossipIndex(k *trust.Keys, epoch int64) uint32 {
	name := uint32(binary.BigEndian.Uint16(k.ClusterID[:])>>1) << 16
	return gossipDated | name | uint32(uint16(epoch))
}

// gossipEpochOf is the epoch that an index stands for if it is of that secret: of those that end alike the one nearest to now.
func gossipEpochOf(index uint32, k *trust.Keys, now time.Time) (epoch int64, ok bool) {
	own := gossipEpoch(now)
	if same := gossipIndex(k, own); (index^same)&(gossipDated|gossipNameBits) != 0 {
		return 0, false
	}
	return own + int64(int16(uint16(index)-uint16(own))), true
}

// newGossipKey makes the key of a secret for an epoch.
func newGossipKey(k *trust.Keys, epoch int64) gossipKey {
	key, err := hkdf.Expand(sha256.New, k.Gossip[:], fmt.Sprintf("weft 1 gossip epoch %d", epoch), 32)
	if err != nil { // only for lengths over 255 hashes
		panic("encap: hkdf: " + err.Error())
	}
	return sealerOf(gossipIndex(k, epoch), key)
}

// sealerOf is a key with its cipher. key has 32 bytes.
func sealerOf(index uint32, key []byte) gossipKey {
	aead, err := CipherAES256GCM.aead(key)
	if err != nil { // only for keys of another length
		panic("encap: gossip: " + err.Error())
	}
	return gossipKey{index, aead}
}

// gossipKeys are the keys of gossip frames at one time.
type gossipKeys struct {
	held    []trust.Keys // of the ring
	epoch   int64
	seal    gossipKey
	undated gossipKey
	open    []gossipKey
}

// gossipKeyring makes the keys when the secrets or the epoch change. It may be used from any goroutine.
type gossipKeyring struct{ made atomic.Pointer[gossipKeys] }

// at are the keys at a time.
func (r *gossipKeyring) at(ring *trust.Ring, now time.Time) *gossipKeys {
	held, epoch := ring.All(), gossipEpoch(now)
	if k := r.made.Load(); k != nil && &k.held[0] == &held[0] && k.epoch == epoch {
		return k
	}
	k := &gossipKeys{held: held, epoch: epoch}
	for i := range held {
		for e := epoch - gossipMisdate; e <= epoch+gossipMisdate; e++ {
			k.open = append(k.open, newGossipKey(&held[i], e))
		}
		k.open = append(k.open, sealerOf(gossipUndated, held[i].Gossip[:]))
	}
	k.seal, k.undated = k.open[gossipMisdate], k.open[2*gossipMisdate+1]
	r.made.Store(k)
	return k
}
