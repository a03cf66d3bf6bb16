package main

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/weftnet/weft/encap"
	"github.com/weftnet/weft/lab"
	"github.com/weftnet/weft/lab/attack"
	"github.com/weftnet/weft/lab/cluster"
	"github.com/weftnet/weft/node/api"
	"github.com/weftnet/weft/router"
	"github.com/weftnet/weft/trust"
)

// insider is a siege with a member that breaks the rules: the keys of the third node, whose daemon is no more.
type insider struct {
	*siege
	*attack.Member
	id       *trust.Identity
	own      []netip.Prefix // what the member owns
	bystands *cluster.Node  // the second node
	pods     []*lab.Pod     // of the victim and the second node
	version  uint64         // of the latest claim
}

// corrupt makes the third node of a cluster a member that breaks the rules. It has a session with the victim.
func corrupt(t *testing.T) *insider {
	t.Helper()
	s := newSiege(t, 3)
	in := &insider{siege: s, bystands: s.Nodes[1], version: 1 << 40}
	for _, n := range s.Nodes[:2] { // a subnet with a pod in it is given up for nobody
		p, err := n.AddPod(within(t, patience), "pod")
		if err != nil {
			t.Fatal(err)
		}
		in.pods = append(in.pods, p)
	}
	in.own = status(t, s.Nodes[2]).Node.Subnets
	if err := s.Nodes[2].Kill(within(t, patience)); err != nil {
		t.Fatal(err)
	}
	in.id = identityOf(t, s.Nodes[2])
	in.Member = enlist(t, s.memberOf(t, in.id, endpoint(s.Nodes[2]), in.own...))
	return in
}

// memberOf is what a member with those keys is made of, whose socket is on the third node's host.
func (s *siege) memberOf(t *testing.T, id *trust.Identity, listen netip.AddrPort, own ...netip.Prefix) attack.MemberConfig {
	t.Helper()
	return attack.MemberConfig{
		Place: s.Nodes[2], Identity: id, Secret: stolenSecret(t, s.victim), Victim: identityOf(t, s.victim).Public(),
		At: endpoint(s.victim), Listen: listen, Settings: memberSettings(status(t, s.victim).Node.Network),
		Own: own,
	}
}

// memberSettings are those of a node of one lane.
func memberSettings(network []netip.Prefix) encap.Settings {
	return encap.Settings{
		Network: network, Encryption: true, MinVersion: encap.Version, MaxVersion: encap.Version, Lanes: 1,
		Ciphers: []encap.Cipher{encap.CipherAES256GCM, encap.CipherChaCha20Poly1305},
	}
}

// enlist makes a member, with a session.
func enlist(t *testing.T, cfg attack.MemberConfig) *attack.Member {
	t.Helper()
	m, err := attack.NewMember(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { m.Close() })
	if err := m.Handshake(within(t, patience)); err != nil {
		t.Fatal(err)
	}
	return m
}

func identityOf(t *testing.T, n *cluster.Node) *trust.Identity {
	t.Helper()
	seed, err := os.ReadFile(filepath.Join(n.StateDir(), trust.IdentityFile))
	if err != nil {
		t.Fatal(err)
	}
	id, err := trust.NewIdentity(seed)
	if err != nil {
		t.Fatal(err)
	}
	return id
}

// data is a sealed frame with a packet in it.
func (in *insider) data(t *testing.T, packet []byte) []byte {
	t.Helper()
	frame, err := in.Data(packet)
	if err != nil {
		t.Fatal(err)
	}
	return frame
}

// honest is a packet that the member may send: from its subnet to the victim's pod.
func (in *insider) honest() []byte { return datagram(in.own[0].Addr().Next(), in.pods[0].Addr4()) }

// arrives checks that frames of the member are delivered, each once.
func (in *insider) arrives(t *testing.T, frames ...[]byte) {
	t.Helper()
	inner, before := in.delivered(t), in.dropped(t)
	in.send(t, endpoint(in.Nodes[2]), frames...)
	await(t, func() (bool, string) {
		got := in.delivered(t) - inner
		return got == uint64(len(frames)), fmt.Sprintf("%d of %d packets are delivered, dropped %v", got, len(frames), in.dropped(t).since(before))
	})
	if got := in.dropped(t).since(before); len(got) != 0 {
		t.Errorf("dropped %v", got)
	}
}

// All that a member can do who has a session, and breaks the rules.
func TestNothingThatAMemberForgesIsDelivered(t *testing.T) {
	t.Parallel()
	in := corrupt(t)
	in.arrives(t, in.data(t, in.honest()))
	old := in.superseded(t)
	t.Run("inner sources of others", in.spoofSources)
	t.Run("inner sources in IPv4-mapped form", in.mapInner)
	t.Run("inner destinations of others", in.misdirect)
	t.Run("a bit flipped at every position", in.flipBits)
	t.Run("gossip frames, replayed", in.replayGossip)
	t.Run("a flood of valid initiations", in.floodInitiations)
	t.Run("a claim in another's name", in.claimAsAnother)
	t.Run("claims for what is others'", in.claimOthers)
	t.Run("frames of a key after the grace time", func(t *testing.T) { in.useOldKey(t, old) })
	awaitPing(t, in.pods[1], in.pods[0].Addr4())
	if n := in.Stolen(); n != 0 {
		t.Errorf("the member got %d packets of others", n)
	}
}

// spoofSources sends packets from all whom the member is not.
func (in *insider) spoofSources(t *testing.T) {
	nodes := in.Nodes
	sources := []netip.Addr{
		in.pods[0].Addr4(), in.pods[1].Addr4(), nodes[0].Addr4(), nodes[1].Addr4(), nodes[2].Addr4(),
		netip.MustParseAddr("10.244.255.254"), netip.MustParseAddr("10.0.0.1"), netip.MustParseAddr("8.8.8.8"),
		netip.MustParseAddr("0.0.0.0"), netip.MustParseAddr("127.0.0.1"), netip.MustParseAddr("169.254.169.254"),
		netip.MustParseAddr("224.0.0.1"), netip.MustParseAddr("255.255.255.255"),
	}
	sources6 := []netip.Addr{
		in.pods[0].Addr6(), in.pods[1].Addr6(), nodes[0].Addr6(), nodes[1].Addr6(), nodes[2].Addr6(),
		netip.MustParseAddr("fd10:244:0:ffff::1"), netip.MustParseAddr("2001:db8::1"), netip.MustParseAddr("fe80::1"),
		netip.MustParseAddr("::"), netip.MustParseAddr("::1"), netip.MustParseAddr("ff02::1"),
	}
	var frames [][]byte
	for _, from := range sources {
		frames = append(frames, in.data(t, datagram(from, in.pods[0].Addr4())))
	}
	for _, from := range sources6 {
		frames = append(frames, in.data(t, datagram(from, in.pods[0].Addr6())))
	}
	in.repels(t, once(router.SpoofedSource, len(frames)), func() { in.send(t, endpoint(nodes[2]), frames...) })
}

// mapInner sends IPv6 packets whose source is an IPv4 address in IPv6 form, also one that the member owns.
func (in *insider) mapInner(t *testing.T) {
	var frames [][]byte
	for _, from := range []netip.Addr{in.own[0].Addr().Next(), in.pods[0].Addr4(), in.pods[1].Addr4(), in.bystands.Addr4()} {
		for _, to := range []netip.Addr{in.pods[0].Addr6(), netip.AddrFrom16(in.pods[0].Addr4().As16())} {
			frames = append(frames, in.data(t, datagram(netip.AddrFrom16(from.As16()), to)))
		}
	}
	in.repels(t, once(router.SpoofedSource, len(frames)), func() { in.send(t, endpoint(in.Nodes[2]), frames...) })
}

// misdirect sends packets to where the victim does not lead: it would have to carry them on, or take them for its own host.
func (in *insider) misdirect(t *testing.T) {
	own4, own6 := in.own[0].Addr().Next(), in.own[1].Addr().Next()
	var frames [][]byte
	for _, to := range []netip.Addr{
		in.pods[1].Addr4(), own4, in.victim.Addr4(), in.bystands.Addr4(), netip.MustParseAddr("10.244.255.254"),
		netip.MustParseAddr("8.8.8.8"), netip.MustParseAddr("127.0.0.1"), netip.MustParseAddr("224.0.0.1"), netip.MustParseAddr("255.255.255.255"),
	} {
		frames = append(frames, in.data(t, datagram(own4, to)))
	}
	for _, to := range []netip.Addr{
		in.pods[1].Addr6(), own6, in.victim.Addr6(), in.bystands.Addr6(), netip.MustParseAddr("::1"), netip.MustParseAddr("ff02::1"),
		netip.AddrFrom16(in.pods[0].Addr4().As16()),
	} {
		frames = append(frames, in.data(t, datagram(own6, to)))
	}
	in.repels(t, once(router.NotLocal, len(frames)), func() { in.send(t, endpoint(in.Nodes[2]), frames...) })
}

// flipBits damages a frame that has not been sent, one bit at a time. It is delivered in the end: none of those that were
// damaged has taken its place.
func (in *insider) flipBits(t *testing.T) {
	frame := in.data(t, in.honest())
	want := tally{}
	in.repels(t, want, func() {
		var list [][]byte
		for bit := range len(frame) * 8 {
			damaged := slices.Clone(frame)
			damaged[bit/8] ^= 1 << (bit % 8)
			list = append(list, damaged)
			want[flipped(frame, bit).String()]++
		}
		in.send(t, endpoint(in.Nodes[2]), list...)
	})
	in.arrives(t, frame)
}

// flipped is why a data frame of one lane is dropped in which a bit was flipped.
func flipped(frame []byte, bit int) router.Reason {
	switch at := bit / 8; {
	case at == 0 && bit >= 4:
		return router.UnknownVersion
	case at == 0 && 1<<bit^uint8(encap.Data) == uint8(encap.Control):
		return router.AuthFailed
	case at == 0 && 1<<bit^uint8(encap.Data) == uint8(encap.GossipType):
		return router.GossipRefused
	case at == 0:
		return router.UnknownType
	case at == 1 && bit%8 == 7:
		return router.ClearRefused
	case at == 2:
		return router.WrongLane
	case at == 3:
		return router.BadFrame
	case at >= 4 && at < 8:
		return router.UnknownIndex
	case at == 8 || at == 9 || at == 10: // a counter of 2^40 or more, where all end
		return router.Replayed
	case at < 16 && frame[at]>>(bit%8)&1 == 1: // a smaller counter; all of those have come
		return router.Replayed
	}
	return router.AuthFailed
}

// replayGossip sends gossip frames without a session, which are good once.
func (in *insider) replayGossip(t *testing.T) {
	frames := hearsay(t, in.id, stolenSecret(t, in.victim))
	in.repels(t, tally{}, func() { in.send(t, endpoint(in.Nodes[2]), frames...) })
	in.repels(t, once(router.Replayed, len(frames)), func() { in.send(t, endpoint(in.Nodes[2]), frames...) })
}

// oldFrames are frames under keys that others have taken the place of.
type oldFrames struct {
	unseen   [][]byte // were never sent
	seen     []byte
	replaced time.Time
}

// superseded makes frames, and then a new session. For the grace time the keys before open frames, once.
func (in *insider) superseded(t *testing.T) (old oldFrames) {
	t.Helper()
	for range forgeries {
		old.unseen = append(old.unseen, in.data(t, in.honest()))
	}
	old.seen = in.data(t, in.honest())
	if err := in.Handshake(within(t, patience)); err != nil {
		t.Fatal(err)
	}
	old.replaced = time.Now()
	in.arrives(t, old.seen) // the grace time
	in.repels(t, once(router.Replayed, 1), func() { in.send(t, endpoint(in.Nodes[2]), old.seen) })
	return old
}

// graceTime is how long keys that were replaced still open frames.
const graceTime = 30 * time.Second

// useOldKey sends frames under keys that were replaced longer ago than the grace time.
func (in *insider) useOldKey(t *testing.T, old oldFrames) {
	await(t, func() (bool, string) { return time.Since(old.replaced) > graceTime, "the grace time is not over" })
	await(t, func() (bool, string) {
		before := in.dropped(t)
		in.send(t, endpoint(in.Nodes[2]), old.seen)
		var got tally
		await(t, func() (bool, string) {
			got = in.dropped(t).since(before)
			return got.total() > 0, "a replayed frame is not counted"
		})
		return got[router.UnknownIndex.String()] > 0, "the keys before are still in use"
	})
	in.repels(t, once(router.UnknownIndex, len(old.unseen)), func() { in.send(t, endpoint(in.Nodes[2]), old.unseen...) })
}

// floodInitiations sends valid initiations: of keys that nobody knows, which whoever has the secret can make, and of the member's
// own. The bystander starts anew meanwhile, and is reached.
func (in *insider) floodInitiations(t *testing.T) {
	var frames [][]byte
	for range floodKeys {
		frames = append(frames, in.initiations(t, newIdentity(t), floodKeys)...)
	}
	reasons := []router.Reason{router.UnknownPeer, router.HandshakeLimited, router.HandshakeRefused, router.ControlFull}
	log, inner, before := markLog(t, in.victim), in.delivered(t), in.dropped(t)
	if err := in.bystands.Kill(within(t, patience)); err != nil {
		t.Fatal(err)
	}
	if err := in.bystands.Up(); err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(frames); i += floodKeys {
		in.send(t, netip.AddrPortFrom(netip.MustParseAddr("192.0.2.128").Next(), uint16(1024+i)), frames[i:i+floodKeys]...)
	}
	await(t, func() (bool, string) {
		var n uint64
		got := in.dropped(t).since(before)
		for _, r := range reasons {
			n += got[r.String()]
		}
		return n >= uint64(len(frames)), fmt.Sprintf("dropped %v of %d", got, len(frames))
	})
	awaitPeer(t, in.victim, in.bystands.Name(), api.StateUp)
	awaitPeer(t, in.bystands, in.victim.Name(), api.StateUp)
	if n := in.delivered(t) - inner; n != 0 {
		t.Errorf("%d packets were delivered", n)
	}
	in.checkLog(t, log)
}

// floodKeys is how many keys make initiations, and how many each makes.
const floodKeys = 32

func newIdentity(t *testing.T) *trust.Identity {
	t.Helper()
	id, err := trust.NewIdentity(noise(byte(rand.Uint32()), 32))
	if err != nil {
		t.Fatal(err)
	}
	return id
}

// initiations are valid ones of a key.
func (s *siege) initiations(t *testing.T, id *trust.Identity, n int) (frames [][]byte) {
	t.Helper()
	m, err := attack.NewMember(s.memberOf(t, id, netip.AddrPortFrom(s.Nodes[2].Addr4(), 0)))
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	for range n {
		f, err := m.Initiation()
		if err != nil {
			t.Fatal(err)
		}
		frames = append(frames, f)
	}
	return frames
}
