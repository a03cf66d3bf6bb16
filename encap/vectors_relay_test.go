package encap

import (
	"encoding/binary"
	"fmt"
	"slices"
	"testing"

	"github.com/weftnet/weft/trust/vectors"
)

// relayVector is the front of a relay frame.
type relayVector struct {
	Lane        laneVector  `json:"key_of_lane"`
	Cipher      uint8       `json:"cipher"`
	Number      uint8       `json:"lane"`
	Index       uint32      `json:"index"` // of the receiver
	Counter     uint64      `json:"counter"`
	HopLimit    uint8       `json:"hop_limit"`
	Source      uint64      `json:"source"`
	Destination uint64      `json:"destination"`
	Further     []uint64    `json:"further"`
	Front       vectors.Hex `json:"front"`
}

func TestVectorsOfRelayFronts(t *testing.T) {
	var list []relayVector
	for i, further := range []int{0, 1, 2} {
		for _, c := range bothCiphers {
			a, _ := keypairs(t, c, c == CipherAES256GCM, 2)
			h := testFront(t, uint8(i%2), further)
			h.Source, h.Destination = 0x0102030405060708, 0xa1a2a3a4a5a6a7a8
			a.sealing(&a.relay[h.Lane]).sent.Store(0x0102030405 + uint64(i))
			v := relayVector{
				Lane:   laneVector{Root: rootOfA[:], Label: fmt.Sprintf("weft 1 relay lane %d cipher %d", h.Lane, c)},
				Cipher: uint8(c), Number: h.Lane, Index: a.RemoteIndex, Counter: 0x0102030405 + uint64(i),
				HopLimit: h.HopLimit, Source: uint64(h.Source), Destination: uint64(h.Destination), Further: []uint64{},
			}
			for _, n := range h.Further.Numbers() {
				v.Further = append(v.Further, uint64(n))
			}
			v.Lane.Key = vectors.Expand(v.Lane.Root, v.Lane.Label, 32)
			front, err := a.SealRelay(make([]byte, 0, MaxRelayFront), &h)
			if err != nil {
				t.Fatal(err)
			}
			v.Front = front
			list = append(list, v)
		}
	}
	for _, v := range vectors.Check(t, "relay", list) {
		v.check(t)
	}
}

// check makes the front anew.
func (v *relayVector) check(t *testing.T) {
	head := []byte{1<<4 | 7, 0, v.Number, 0}
	head = binary.BigEndian.AppendUint64(binary.BigEndian.AppendUint32(head, v.Index), v.Counter)
	nonce := slices.Clone(head[4:16])
	head = append(head, v.HopLimit, uint8(len(v.Further)), 0, 0)
	for _, n := range append([]uint64{v.Source, v.Destination}, v.Further...) {
		head = binary.BigEndian.AppendUint64(head, n)
	}
	seal := map[uint8]func(key, nonce, plain, data []byte) []byte{1: vectors.SealAES, 2: vectors.SealChaCha}[v.Cipher]
	vectors.Equal(t, v.Lane.Label, v.Front, append(slices.Clone(head), seal(v.Lane.Key, nonce, nil, head)...))
}
