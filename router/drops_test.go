package router

import (
	"maps"
	"math"
	"math/rand/v2"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"github.com/weftnet/weft/encap"
	"github.com/weftnet/weft/packet"
	"github.com/weftnet/weft/packet/packettest"
	"github.com/weftnet/weft/tun"
)

// scene is two routers that reach each other, and a third that only node 1 knows, and that is not there.
type scene struct {
	t       *testing.T
	w       *world
	a, b, c *side
}

// seal makes a data frame as a's lane does.
func (s *scene) seal(packet []byte) []byte { return s.sealWith(0, packet) }

func (s *scene) sealWith(flags uint8, packet []byte) []byte {
	s.t.Helper()
	frame, err := s.a.internal(s.b).session.Current().SealData(make([]byte, 0, 2000), 0, flags, packet)
	if err != nil {
		s.t.Fatal(err)
	}
	return frame
}

// control makes a control frame as a's control goroutine does.
func (s *scene) control(kind encap.ControlKind) []byte {
	s.t.Helper()
	frame, err := s.a.internal(s.b).session.Current().SealControl(nil, kind, nil)
	if err != nil {
		s.t.Fatal(err)
	}
	return frame
}

// header is the head of a data frame of a's session with b.
func (s *scene) header(flags, lane uint8) []byte {
	index := s.a.internal(s.b).session.Current().RemoteIndex
	return encap.Header{Type: encap.Data, Flags: flags, Lane: lane, Index: index}.Append(nil)
}

func (s *scene) send(frames ...[]byte) { s.a.sendRaw(s.b, 0, frames...) }

func (s *scene) good() []byte { return udp(pod(1), pod(2), "good") }

// drop is one way to provoke a drop reason, counted at a (outbound) or b (inbound).
type drop struct {
	name     string
	reason   Reason
	outbound bool
	mode     change
	provoke  func(s *scene)
}

func outbound(reason Reason, packet func() []byte) drop {
	return drop{name: reason.String(), reason: reason, outbound: true, provoke: func(s *scene) { s.a.inject(packet()) }}
}

// inbound sends b a frame from a.
func inbound(reason Reason, name string, frame func(s *scene) []byte) drop {
	return drop{name: reason.String() + " " + name, reason: reason, provoke: func(s *scene) { s.send(frame(s)) }}
}

func drops() []drop {
	return append(append(outboundDrops(), frameDrops()...), append(innerDrops(), append(controlDrops(), relayDrops()...)...)...)
}

func outboundDrops() []drop {
	return []drop{
		outbound(Malformed, func() []byte { return make([]byte, 40) }),
		outbound(Multicast, func() []byte { return udp(pod(1), netip.MustParseAddr("224.0.0.251"), "") }),
		outbound(Multicast, func() []byte { return udp(pod6(1), netip.MustParseAddr("ff02::1"), "") }),
		outbound(Multicast, func() []byte { return udp(pod6(1), netip.MustParseAddr("fe80::1"), "") }),
		outbound(Multicast, func() []byte { return udp(pod(1), netip.MustParseAddr("255.255.255.255"), "") }),
		outbound(ForeignSource, func() []byte { return udp(pod(2), pod(2), "") }),
		outbound(ForeignSource, func() []byte { return udp(addr4(1), pod(2), "") }),
		outbound(NoRoute, func() []byte { return udp(pod(1), pod(9), "") }),
		outbound(NoRoute, func() []byte { return udp(pod6(1), pod6(9), "") }),
		outbound(NoRoute, func() []byte { return udp(pod(1), netip.MustParseAddr("10.244.1.7"), "our own") }),
		{name: "peer-down", reason: PeerDown, outbound: true, provoke: func(s *scene) {
			time.Sleep(maxWait) // since the first call
			s.a.inject(udp(pod(1), pod(3), ""))
		}},
		{name: "queue-full", reason: QueueFull, outbound: true, provoke: func(s *scene) {
			for range maxWaiting + 1 {
				s.a.inject(udp(pod(1), pod(3), ""))
			}
		}},
		{name: "queue-stale", reason: QueueStale, outbound: true, provoke: func(s *scene) {
			s.a.inject(udp(pod(1), pod(3), ""))
			time.Sleep(maxWait)
		}},
		outbound(TooBig, func() []byte { return udp(pod(1), pod(2), string(make([]byte, 1500-60-28+1))) }),
		{name: "underlay-unreachable", reason: Unreachable, outbound: true, provoke: func(s *scene) {
			s.a.host.Readdress(addr6(1)) // no way to an IPv4 endpoint any more
			s.a.inject(s.good())
		}},
		{name: "key-exhausted", reason: KeyExhausted, outbound: true, provoke: func(s *scene) {
			exhaust(s.t, s.a.internal(s.b).session.Current(), 0, 0)
			s.a.inject(s.good())
		}},
		{name: "send-failed", reason: SendFailed, outbound: true, provoke: func(s *scene) {
			s.a.tap.fail(encap.SendResult{Failed: 1})
			s.a.inject(s.good())
		}},
		{name: "unreadable", reason: Unreadable, outbound: true, provoke: func(s *scene) {
			if err := s.a.router.Attach(blurred{tun.NewMemory("weft0", 1440)}); err != nil {
				s.t.Fatal(err)
			}
		}},
		{name: "malformed partial checksum", reason: Malformed, outbound: true, provoke: func(s *scene) {
			if err := s.a.dev.Inject(packet.Superpacket{Data: s.good(), ChecksumStart: 20, ChecksumOffset: 4000}); err != nil {
				s.t.Fatal(err)
			}
		}},
		{name: "malformed superpacket", reason: Malformed, outbound: true, provoke: func(s *scene) {
			icmp := packettest.IP{Src: pod(1), Dst: pod(2)}.Build(1, make([]byte, 3000))
			if err := s.a.dev.Inject(packet.Superpacket{Data: icmp, SegmentSize: 1000}); err != nil {
				s.t.Fatal(err)
			}
		}},
	}
}

// frameDrops are frames that are refused before anybody looks into the packet.
func frameDrops() []drop {
	return []drop{
		inbound(BadFrame, "short", func(*scene) []byte { return []byte{0x14, 0, 0} }),
		inbound(BadFrame, "reserved byte", func(*scene) []byte { return []byte{0x14, 0, 0, 1, 0, 0, 0, 1} }),
		inbound(BadFrame, "data without tag", func(s *scene) []byte { return s.header(0, 0) }),
		inbound(BadFrame, "handshake too long", func(*scene) []byte {
			return append(encap.Header{Type: encap.Initiation}.Append(nil), make([]byte, maxControlFrame)...)
		}),
		inbound(UnknownVersion, "", func(*scene) []byte { return []byte{0x24, 0, 0, 0, 0, 0, 0, 1} }),
		inbound(UnknownType, "", func(*scene) []byte { return []byte{0x1f, 0, 0, 0, 0, 0, 0, 1} }),
		inbound(UnknownType, "control kind", func(s *scene) []byte { return s.control(99) }),
		inbound(UnknownIndex, "data", func(*scene) []byte { return encap.Header{Type: encap.Data, Index: 1}.Append(nil) }),
		inbound(UnknownIndex, "relay", func(*scene) []byte { return encap.Header{Type: encap.Relay, Index: 1}.Append(nil) }),
		inbound(UnknownIndex, "control", func(*scene) []byte { return encap.Header{Type: encap.Control, Index: 1}.Append(nil) }),
		inbound(WrongLane, "", func(s *scene) []byte {
			f := s.seal(s.good())
			f[2] = 5
			return f
		}),
		inbound(ClearRefused, "", func(s *scene) []byte { return append(s.header(encap.FlagClear, 0), s.good()...) }),
		inbound(AuthFailed, "data", func(s *scene) []byte { return flip(s.seal(s.good())) }),
		inbound(AuthFailed, "flags", func(s *scene) []byte {
			f := s.seal(s.good())
			f[1] |= 1
			return f
		}),
		inbound(AuthFailed, "control", func(s *scene) []byte { return flip(s.control(encap.Goodbye)) }),
		{name: "replayed data", reason: Replayed, provoke: func(s *scene) {
			f := s.seal(s.good())
			s.send(f, f)
		}},
		{name: "replayed control", reason: Replayed, provoke: func(s *scene) {
			f := s.control(encap.Gossip + 100)
			f2 := append([]byte(nil), f...)
			s.send(f2)
			time.Sleep(10 * time.Millisecond)
			s.b.router.ctl.dropped[UnknownType].Add(^uint64(0)) // the first one, which only had to be taken
			s.send(f)
		}},
		{name: "wrong-endpoint", reason: WrongEndpoint, mode: clear4, provoke: func(s *scene) {
			s.c.sendRaw(s.b, 0, append(s.header(encap.FlagClear, 0), s.good()...))
		}},
		{name: "part-missing", reason: PartMissing, provoke: func(s *scene) {
			index := s.a.internal(s.b).session.Current().RemoteIndex
			s.send(cut(s.t, make([]byte, 100), index)[0])
			time.Sleep(time.Second)
			s.send(s.seal(s.good()))
		}},
		{name: "unknown-flags", reason: UnknownFlags, mode: clear4, provoke: func(s *scene) {
			s.send(append(s.header(encap.FlagClear|1, 0), s.good()...))
		}},
		inbound(BadChecksum, "partial checksum of a packet that is not TCP or UDP", func(s *scene) []byte {
			p := s.good()
			p[9] = 1 // ICMP
			return s.sealWith(encap.FlagPartial, p)
		}),
		{name: "auth-failed sealed frame in a clear session", reason: AuthFailed, mode: clear4, provoke: func(s *scene) {
			s.send(append(s.header(0, 0), make([]byte, 64)...))
		}},
	}
}

// flip damages the last bit.
func flip(f []byte) []byte {
	f[len(f)-1] ^= 1
	return f
}

// innerDrops are frames of a's session with a packet in them that b does not take.
func innerDrops() []drop {
	sealed := func(reason Reason, name string, packet []byte) drop {
		return inbound(reason, name, func(s *scene) []byte { return s.seal(packet) })
	}
	unsealed := func(reason Reason, packet []byte) drop {
		d := inbound(reason, "in clear", func(s *scene) []byte { return append(s.header(encap.FlagClear, 0), packet...) })
		d.mode = clear4
		return d
	}
	short := udp(pod(1), pod(2), "cut off")
	return []drop{
		sealed(InnerMalformed, "garbage", []byte("this is no packet, though it was sealed")),
		{name: "inner-malformed header longer than the packet", reason: InnerMalformed, provoke: func(s *scene) {
			b := packettest.IP{Src: pod(1), Dst: pod(2), TOS: 2}.Build(59, nil)
			b[0] = 0x4f
			s.a.sendRaw(s.b, 3, s.seal(b)) // marked, so that the header's checksum is to be made anew
		}},
		sealed(InnerMalformed, "cut off", short[:len(short)-1]),
		sealed(InnerMalformed, "nothing", nil),
		unsealed(InnerMalformed, []byte("x")),
		sealed(SpoofedSource, "of b", udp(pod(2), pod(2), "")),
		sealed(SpoofedSource, "of nobody", udp(pod(9), pod(2), "")),
		sealed(SpoofedSource, "of the underlay", udp(addr4(1), pod(2), "")),
		unsealed(SpoofedSource, udp(pod(2), pod(2), "")),
		sealed(NotLocal, "of nobody", udp(pod(1), pod(9), "")),
		sealed(NotLocal, "of c", udp(pod(1), pod(3), "")),
		sealed(NotLocal, "of a itself", udp(pod(1), pod(1), "")),
		unsealed(NotLocal, udp(pod6(1), pod6(9), "")),
		{name: "congestion-lost", reason: CongestionLost, provoke: func(s *scene) { s.a.sendRaw(s.b, 3, s.seal(s.good())) }},
		{name: "device-refused", reason: DeviceRefused, provoke: func(s *scene) {
			s.b.dev.Close()
			s.send(s.seal(s.good()))
		}},
	}
}

// controlDrops are frames that the control goroutine has to judge.
func controlDrops() []drop {
	return []drop{
		inbound(HandshakeRefused, "garbage", func(*scene) []byte {
			return append(encap.Header{Type: encap.Initiation}.Append(nil), make([]byte, 200)...)
		}),
		inbound(HandshakeRefused, "response to nothing", func(*scene) []byte {
			return append(encap.Header{Type: encap.Response, Index: 77}.Append(nil), make([]byte, 200)...)
		}),
		{name: "handshake-refused replayed initiation", reason: HandshakeRefused, provoke: func(s *scene) {
			f := s.initiation(s.a)
			s.send(f)
			time.Sleep(10 * time.Millisecond)
			s.send(f)
		}},
		inbound(HandshakeRefused, "cookie for nothing", func(*scene) []byte {
			return append(encap.Header{Type: encap.Cookie, Index: 77}.Append(nil), make([]byte, 56)...)
		}),
		{name: "handshake-limited", reason: HandshakeLimited, provoke: func(s *scene) {
			s.b.router.limiter.loaded.Store(math.MaxInt64)
			s.send(s.initiation(s.a))
		}},
		{name: "trace-limited", reason: TraceLimited, provoke: func(s *scene) {
			check(s.t, s.a.router.call(func() {
				for range traceBurst + 1 {
					s.a.router.sendControl(s.a.known(s.b), encap.Trace, encap.TraceQuestion{ID: 1}.Append(nil), s.b.endpoint())
				}
			}))
		}},
		{name: "unknown-peer", reason: UnknownPeer, provoke: func(s *scene) { s.c.sendRaw(s.b, 0, s.initiation(s.c)) }},
		inbound(GossipRefused, "", func(*scene) []byte {
			return append(encap.Header{Type: encap.GossipType}.Append(nil), make([]byte, 100)...)
		}),
		inbound(GossipMisdated, "", func(s *scene) []byte {
			return s.a.router.gossip.Seal(nil, []byte("of next week"), time.Now().AddDate(0, 0, 7))
		}),
		{name: "gossip-barred", reason: GossipBarred, provoke: func(s *scene) {
			s.b.router.cfg.Admission.Ban(s.c.id(), time.Now())
			s.c.sendRaw(s.b, 0, s.c.router.gossip.Seal(nil, []byte("of one that is shut out"), time.Now()))
		}},
		{name: "public-in-clear", reason: PublicInClear, provoke: func(s *scene) {
			check(s.t, s.b.router.call(func() { s.b.router.cfg.Bars = barsAll }))
			s.send(s.control(encap.Gossip))
		}},
		{name: "control-full", reason: ControlFull, provoke: func(s *scene) {
			release := make(chan struct{})
			go s.b.router.call(func() { <-release })
			synctest.Wait()
			for range maxControlOf + 1 {
				s.send(s.control(encap.Gossip + 1)) // a goodbye; harmless, as a does not stop
			}
			time.Sleep(10 * time.Millisecond)
			close(release)
		}},
	}
}

// blurred is a device whose driver could not make sense of one packet.
type blurred struct{ *tun.Memory }

func (blurred) Unreadable() uint64 { return 1 }

// initiation is a frame with which a node would begin a session with b.
func (s *scene) initiation(from *side) []byte {
	s.t.Helper()
	session := encap.NewSession(encap.SessionConfig{
		Local: from.local, Peer: s.b.config.Keys, Indexes: noIndexes{}, Stamp: encap.Stamps(from.epoch + 1),
		Rand: rand.NewChaCha8([32]byte{99}),
	})
	frame, err := session.Initiate(time.Now())
	if err != nil {
		s.t.Fatal(err)
	}
	return frame
}

type noIndexes struct{}

func (noIndexes) Bind(uint32, *encap.Keypair) {}
func (noIndexes) Release(uint32)              {}

// fail lets every send end with that result.
func (p *tap) fail(r encap.SendResult) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.broken = &r
}

func TestEveryDropIsCountedOnceUnderItsReasonAndUnderNoOther(t *testing.T) {
	for _, d := range drops() {
		t.Run(d.name, func(t *testing.T) {
			bubble(t, lan, func(t *testing.T, w *world) {
				if d.mode == nil {
					d.mode = func(*side) {}
				}
				s := &scene{t: t, w: w, a: w.side(1, d.mode), b: w.side(2, d.mode), c: w.side(3, d.mode)}
				s.a.set(s.b, s.c)
				s.b.set(s.a)
				within(t, time.Second, "both up", func() bool { return allUp(s.a, s.b) })
				time.Sleep(100 * time.Millisecond)
				counted := s.b
				if d.outbound {
					counted = s.a
				}
				before := counted.router.Counters().Dropped
				d.provoke(s)
				time.Sleep(20 * time.Millisecond)
				synctest.Wait()
				after := counted.router.Counters().Dropped
				if got := grown(before, after); !maps.Equal(got, map[Reason]uint64{d.reason: 1}) {
					t.Errorf("dropped %v, want %v once", got, d.reason)
				}
			})
		})
	}
}

// grown is what was counted in between.
func grown(before, after map[Reason]uint64) map[Reason]uint64 {
	diff := map[Reason]uint64{}
	for r, n := range after {
		if n != before[r] {
			diff[r] = n - before[r]
		}
	}
	return diff
}

func TestEveryReasonIsProvokedByATestAndHasAName(t *testing.T) {
	provoked := map[Reason]bool{}
	for _, d := range drops() {
		provoked[d.reason] = true
	}
	names := map[string]bool{}
	for _, r := range Reasons() {
		if !provoked[r] {
			t.Errorf("%v is provoked by no test", r)
		}
		if r.String() == "" || names[r.String()] {
			t.Errorf("reason %d is called %q, which is nothing or taken", r, r)
		}
		names[r.String()] = true
	}
}
