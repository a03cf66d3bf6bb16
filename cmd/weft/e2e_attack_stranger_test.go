package main

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"testing"

	"github.com/weftnet/weft/encap"
	"github.com/weftnet/weft/lab/attack"
	"github.com/weftnet/weft/lab/cluster"
	"github.com/weftnet/weft/packet/packettest"
	"github.com/weftnet/weft/router"
	"github.com/weftnet/weft/trust"
)

// noise are random bytes, the same in every run.
func noise(seed byte, n int) []byte {
	b := make([]byte, n)
	_, _ = rand.NewChaCha8([32]byte{seed}).Read(b) // never fails
	return b
}

// forged is a frame of a type, with a random index and body.
func forged(kind encap.Type, seed byte, length int) []byte {
	b := noise(seed, length)
	copy(b, []byte{encap.Version<<4 | byte(kind), 0, 0, 0})
	return b
}

// forgedReasons say what becomes of a forged frame of each type.
var forgedReasons = [16]router.Reason{
	0: router.UnknownType, encap.Initiation: router.HandshakeRefused, encap.Response: router.HandshakeRefused,
	encap.Cookie: router.HandshakeRefused, encap.Data: router.UnknownIndex, encap.Control: router.UnknownIndex,
	encap.GossipType: router.GossipRefused, encap.Relay: router.UnknownIndex, encap.Part: router.UnknownIndex,
	9: router.UnknownType, 10: router.UnknownType, 11: router.UnknownType,
	12: router.UnknownType, 13: router.UnknownType, 14: router.UnknownType, 15: router.UnknownType,
}

// forgeries is how many frames of one kind come from one source: fewer than wait for control at a time, which none but its queue
// would drop.
const forgeries = 40

// All that somebody on the underlay can do who has no key.
func TestNothingOfAStrangerIsDelivered(t *testing.T) {
	t.Parallel()
	s := newSiege(t, 2)
	before := status(t, s.victim)
	t.Run("forged frames of every type", s.forgeTypes)
	t.Run("frames of other versions", s.forgeVersions)
	t.Run("relay headers", s.forgeRelays)
	t.Run("truncated frames", s.truncate)
	t.Run("oversized frames", s.oversize)
	t.Run("sources in IPv4-mapped form", s.mapSources)
	t.Run("frames with the index of a session", s.forgeIndex)
	t.Run("frames and streams under another secret", s.forgeSecret)
	s.stands(t, before)
}

func (s *siege) forgeTypes(t *testing.T) {
	for kind, reason := range forgedReasons {
		for from, source := range s.origins() {
			t.Run(fmt.Sprintf("type %d %s", kind, from), func(t *testing.T) {
				s.repels(t, once(reason, forgeries), func() {
					for i := range forgeries {
						s.send(t, source, forged(encap.Type(kind), byte(i), 40+i*20))
					}
				})
			})
		}
	}
}

func (s *siege) forgeVersions(t *testing.T) {
	for from, source := range s.origins() {
		t.Run(from, func(t *testing.T) {
			s.repels(t, once(router.UnknownVersion, 15*16), func() {
				for first := range 256 {
					if first>>4 != encap.Version {
						s.send(t, source, append([]byte{byte(first)}, noise(1, 99)...))
					}
				}
			})
		})
	}
}

// forgeRelays sends frames that look as if they were to be carried on: to the other node, to the victim itself and to nobody. No
// node carries any on.
func (s *siege) forgeRelays(t *testing.T) {
	heard, err := attack.Listen(s.Lab)
	if err != nil {
		t.Fatal(err)
	}
	inside := forged(encap.Data, 3, 200)
	for from, source := range s.origins() {
		t.Run(from, func(t *testing.T) {
			s.repels(t, once(router.UnknownIndex, 2*len(s.Nodes)+1), func() {
				for _, n := range s.Nodes {
					id, to := status(t, n).Node.ID, endpoint(n).Addr().As16()
					s.send(t, source,
						append(append(forged(encap.Relay, 1, 8), id...), inside...),
						append(append(forged(encap.Relay, 2, 8), to[:]...), inside...))
				}
				s.send(t, source, append(forged(encap.Relay, 3, 200), inside...))
			})
		})
	}
	if err := heard.Stop(); err != nil {
		t.Fatal(err)
	}
	if n := heard.Find(inside[8:]); n != 0 {
		t.Errorf("%d frames were carried on", n)
	}
}

// truncate sends the first bytes of a frame of each type. One byte alone may be the end of a train.
func (s *siege) truncate(t *testing.T) {
	source := endpoint(s.Nodes[1])
	want := tally{}
	var frames [][]byte
	for kind, reason := range forgedReasons {
		for n := 2; n <= 28; n++ {
			if n < encap.HeaderLen {
				reason = router.BadFrame
			} else {
				reason = forgedReasons[kind]
			}
			frames = append(frames, forged(encap.Type(kind), byte(n), 28)[:n])
			want[reason.String()]++
		}
	}
	s.repels(t, want, func() { s.send(t, source, frames...) })
}

// oversize sends datagrams up to the largest of all, which arrive in fragments. Data frames have no length that is too long: they
// are refused for what they are.
func (s *siege) oversize(t *testing.T) {
	stranger, err := s.Host("stranger")
	if err != nil {
		t.Fatal(err)
	}
	awaitPing(t, stranger, s.victim.Addr4()) // few fragments wait for an answer of ARP
	var conn net.Conn
	err = stranger.Do(func() (err error) {
		conn, err = net.Dial("udp", endpoint(s.victim).String())
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	want := tally{}
	s.repels(t, want, func() {
		for _, size := range []int{1233, 1500, 9000, 65507} {
			for kind, reason := range forgedReasons {
				switch encap.Type(kind) {
				case encap.Initiation, encap.Response, encap.Cookie, encap.GossipType:
					reason = router.BadFrame
				}
				want[reason.String()]++
				if _, err := conn.Write(forged(encap.Type(kind), 5, size)); err != nil {
					t.Fatal(err)
				}
			}
		}
	})
}

// mapSources sends IPv6 packets whose source is an IPv4 address in IPv6 form. Kernels that refuse them before any socket
// (draft-itojun-v6ops-v4mapped-harmful-02) count them; from others they come to weft.
func (s *siege) mapSources(t *testing.T) {
	count := func() uint64 {
		n, err := attack.IPCounter(s.victim, "Ip6InHdrErrors")
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	source := netip.AddrPortFrom(netip.AddrFrom16(s.Nodes[1].Addr4().As16()), 9338)
	want, before := once(router.UnknownIndex, forgeries), count()
	s.repels(t, want, func() {
		for i := range forgeries {
			d := attack.Datagram{From: source, To: endpoint6(s.victim), Payload: forged(encap.Data, byte(i), 100)}
			if err := s.wire.Send(d); err != nil {
				t.Fatal(err)
			}
		}
		s.send(t, endpoint6(s.Nodes[1]), forged(encap.Data, 1, 100)) // arrives behind them
		want[router.UnknownIndex.String()] += 1 - (count() - before)
	})
}

// forgeIndex sends what somebody can make who sees the sessions' frames.
func (s *siege) forgeIndex(t *testing.T) {
	index := s.overhear(t)
	header := func(kind encap.Type, flags, lane uint8) []byte {
		return encap.Header{Type: kind, Flags: flags, Lane: lane, Index: index}.Append(nil)
	}
	counter := binary.BigEndian.AppendUint64(nil, 1<<30)
	for name, test := range map[string]struct {
		reason router.Reason
		frame  []byte
	}{
		"data":                     {router.AuthFailed, append(append(header(encap.Data, 0, 0), counter...), noise(1, 100)...)},
		"data of the last counter": {router.Replayed, append(append(header(encap.Data, 0, 0), 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff), noise(1, 100)...)},
		"data in clear":            {router.ClearRefused, append(header(encap.Data, encap.FlagClear, 0), innerPacket(s, s.Nodes[1], t)...)},
		"data without a tag":       {router.BadFrame, append(header(encap.Data, 0, 0), counter...)},
		"data of no lane":          {router.WrongLane, append(append(header(encap.Data, 0, encap.MaxLanes), counter...), noise(1, 100)...)},
		"control":                  {router.AuthFailed, append(append(header(encap.Control, 0, 0), counter...), noise(1, 100)...)},
		"control without a tag":    {router.BadFrame, append(header(encap.Control, 0, 0), counter...)},
		"response":                 {router.HandshakeRefused, append(header(encap.Response, 0, 0), noise(1, 200)...)},
		"cookie":                   {router.HandshakeRefused, append(header(encap.Cookie, 0, 0), noise(1, 56)...)},
	} {
		for from, source := range s.origins() {
			t.Run(name+" "+from, func(t *testing.T) {
				s.repels(t, once(test.reason, forgeries), func() {
					for range forgeries {
						s.send(t, source, test.frame)
					}
				})
			})
		}
	}
}

// overhear is the index that the victim has chosen for its session with the other node.
func (s *siege) overhear(t *testing.T) uint32 {
	t.Helper()
	heard, err := attack.Listen(s.Lab)
	if err != nil {
		t.Fatal(err)
	}
	awaitPing(t, s.Nodes[1], status(t, s.victim).Node.Addresses[0])
	if err := heard.Stop(); err != nil {
		t.Fatal(err)
	}
	frames := heard.Datagrams(s.carries(encap.Data))
	if len(frames) == 0 {
		t.Fatal("no frame is overheard")
	}
	return binary.BigEndian.Uint32(frames[0].Payload[4:])
}

// carries approves the frames of a type that the other node sends to the victim.
func (s *siege) carries(kind encap.Type) func(attack.Datagram) bool {
	return func(d attack.Datagram) bool {
		h, err := encap.ParseHeader(d.Payload)
		return err == nil && h.Type == kind && d.To == endpoint(s.victim) && d.From.Addr() == s.Nodes[1].Addr4()
	}
}

// innerPacket is a packet from one node's overlay address to the victim's.
func innerPacket(s *siege, from *cluster.Node, t *testing.T) []byte {
	t.Helper()
	return datagram(status(t, from).Node.Addresses[0], status(t, s.victim).Node.Addresses[0])
}

// datagram is a UDP packet between two addresses of the overlay.
func datagram(from, to netip.Addr) []byte {
	return packettest.UDP{
		IP: packettest.IP{Src: from, Dst: to}, SrcPort: 9, DstPort: 9, Payload: []byte("nobody may get this"),
	}.Build()
}

// forgeSecret sends what a member of another cluster would.
func (s *siege) forgeSecret(t *testing.T) {
	place, err := s.Host("neighbour")
	if err != nil {
		t.Fatal(err)
	}
	id, other := newIdentity(t), trust.Secret{1, 2, 3}
	m, err := attack.NewMember(attack.MemberConfig{
		Place: place, Identity: id, Secret: other, Victim: identityOf(t, s.victim).Public(), At: endpoint(s.victim),
		Listen: netip.AddrPortFrom(place.Addr4(), 0), Settings: memberSettings(status(t, s.victim).Node.Network),
	})
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	s.repels(t, once(router.HandshakeRefused, forgeries), func() {
		for range forgeries {
			frame, err := m.Initiation()
			if err != nil {
				t.Fatal(err)
			}
			s.send(t, m.Addr(), frame)
		}
	})
	frames := hearsay(t, id, other)
	s.repels(t, once(router.GossipRefused, len(frames)), func() { s.send(t, m.Addr(), frames...) })
	s.dialStreams(t, s.stream(t, place, id, other, nil))
}
