package router

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net/netip"
	"os"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/weftnet/weft/encap"
	"github.com/weftnet/weft/encap/simnet"
	"github.com/weftnet/weft/packet"
	"github.com/weftnet/weft/packet/packettest"
	"github.com/weftnet/weft/trust"
	"github.com/weftnet/weft/tun"
)

const testPort = 9338

// world is an underlay with routers on it, in a synctest bubble.
type world struct {
	t     *testing.T
	net   *simnet.Network
	sides []*side
}

// side is one router with its device, its port and what it was told.
type side struct {
	t      testing.TB
	number int
	name   string
	host   *simnet.Host
	tap    *tap
	dev    *tun.Memory
	local  *encap.Local
	boot   trust.BootNonce
	config PeerConfig // as the others know it
	timing Timing
	probes bool // of the MTU
	log    *slog.Logger
	router *Router
	epoch  uint64
	cancel context.CancelFunc
	ended  chan error

	mu     sync.Mutex // guards what follows
	events []event
	gossip []gossiped
	dials  []DialMessage

	secrets []SecretMessage
	splices []spliced

	authorities trust.AuthorityKeys // none: the side is not strict
}

// event is an Event and when it was told.
type event struct {
	Event
	at time.Time
}

type gossiped struct {
	from   trust.Fingerprint
	boot   trust.BootNonce
	packet string
}

// bubble runs a test on a fresh underlay in virtual time. What still runs at its end is stopped; a goroutine that is
// left then makes the bubble fail.
func bubble(t *testing.T, o simnet.Options, test func(t *testing.T, w *world)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w := &world{t: t, net: simnet.New(o)}
		defer func() {
			for _, s := range w.sides {
				s.stop()
			}
		}()
		test(t, w)
	})
}

func addr4(i int) netip.Addr { return netip.AddrFrom4([4]byte{192, 0, 2, byte(i)}) }

func addr6(i int) netip.Addr { return netip.MustParseAddr(fmt.Sprintf("2001:db8::%d", i)) }

func subnet4(i int) netip.Prefix {
	return netip.PrefixFrom(netip.AddrFrom4([4]byte{10, 244, byte(i), 0}), 24)
}

func subnet6(i int) netip.Prefix {
	return netip.MustParsePrefix(fmt.Sprintf("fd00:244:0:%d::/64", i))
}

// pod is an overlay address of node i.
func pod(i int) netip.Addr { return netip.AddrFrom4([4]byte{10, 244, byte(i), 9}) }

func pod6(i int) netip.Addr { return netip.MustParseAddr(fmt.Sprintf("fd00:244:0:%d::9", i)) }

// change alters a side before its router is made.
type change func(*side)

func clear4(s *side) { s.local.Settings.Encryption = false }

// older makes the side one that knows nothing of relays and link state, and so is quiet.
func older(s *side) { s.local.Settings.Capabilities, s.config.Capabilities = 0, 0 }

// at puts the side's host at these addresses, all of which it claims.
func at(addrs ...netip.Addr) change {
	return func(s *side) {
		s.host.Readdress(addrs...)
		s.config.Endpoints = nil
		for _, a := range addrs {
			s.config.Endpoints = append(s.config.Endpoints, netip.AddrPortFrom(a, testPort))
		}
	}
}

func timing(t Timing) change { return func(s *side) { s.timing = t } }

// side makes node i with a running router that knows nobody.
func (w *world) side(i int, changes ...change) *side {
	w.t.Helper()
	s := newSide(w.t, i)
	s.host = w.net.Host(addr4(i))
	for _, c := range changes {
		c(s)
	}
	w.sides = append(w.sides, s)
	s.start()
	return s
}

// lockedRandom is a source that may be read from any goroutine.
type lockedRandom struct {
	mu   sync.Mutex // guards from
	from *rand.ChaCha8
}

func (r *lockedRandom) Read(p []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.from.Read(p)
}

// newLocal is node i as its handshakes show it.
func newLocal(t testing.TB, i int) *encap.Local {
	t.Helper()
	identity, err := trust.NewIdentity(bytes.Repeat([]byte{byte(i)}, 32))
	if err != nil {
		t.Fatal(err)
	}
	return &encap.Local{
		Identity: identity, Ring: trust.NewRing(trust.Secret(bytes.Repeat([]byte{7}, trust.SecretLen)).Derive()), Name: fmt.Sprint("node-", i),
		Rand: &lockedRandom{from: rand.NewChaCha8([32]byte{byte(i)})},
		Settings: encap.Settings{
			Network: []netip.Prefix{netip.MustParsePrefix("10.244.0.0/16"), netip.MustParsePrefix("fd00:244::/48")}, Encryption: true,
			MinVersion: encap.Version, MaxVersion: encap.Version, Capabilities: encap.CapRelay, Lanes: 1, Ciphers: encap.PreferredCiphers(), MTU: 1500,
		},
	}
}

// newSide is node i, on no underlay yet. Its identity depends on i alone.
func newSide(t testing.TB, i int) *side {
	t.Helper()
	local := newLocal(t, i)
	s := &side{t: t, number: i, name: local.Name, local: local, log: testLogger(t)}
	s.config = PeerConfig{
		Keys: local.Identity.Public(), Capabilities: local.Settings.Capabilities, Name: s.name, Prefixes: []netip.Prefix{subnet4(i), subnet6(i)},
		Endpoints: []netip.AddrPort{netip.AddrPortFrom(addr4(i), testPort)},
	}
	return s
}

// start makes a router with a device and a port of its own and runs it.
func (s *side) start(edit ...func(*Config)) {
	s.dev = tun.NewMemory("weft0", 9000)
	s.tap = &tap{port: s.host.ListenUDP(testPort)}
	s.run(s.dev, s.tap, edit...)
}

// run makes a router and runs it. Each run is one of a later epoch.
func (s *side) run(dev tun.Device, port encap.Port, edit ...func(*Config)) {
	s.epoch++
	s.boot = trust.BootNonce{byte(s.number), byte(s.epoch)}
	cfg := Config{
		Admission: trust.NewAdmission(s.authorities),
		Local:     s.local, Boot: s.boot, Device: dev, Port: port, Stamp: encap.Stamps(s.epoch), Log: s.log,
		Timing: s.timing, MTUProbes: s.probes, Events: s.onEvent, Gossip: s.onGossip, Dial: s.onDial, Secret: s.onSecret, Splice: s.onSplice,
	}
	for _, e := range edit {
		e(&cfg)
	}
	s.router = New(cfg)
	ctx, cancel := context.WithCancel(context.Background())
	s.cancel, s.ended = cancel, make(chan error, 1)
	go func(r *Router, ended chan<- error) { ended <- r.Run(ctx) }(s.router, s.ended)
}

// stop ends the router in order: it says goodbye.
func (s *side) stop() {
	if s.cancel == nil {
		return
	}
	s.cancel()
	s.cancel = nil
	if err := <-s.ended; err != nil {
		s.t.Errorf("%s: Run = %v", s.name, err)
	}
}

// crash ends the router without a word.
func (s *side) crash() {
	s.host.Crash()
	s.stop()
}

// testLogger shows everything when WEFT_TEST_LOG is set.
func testLogger(t testing.TB) *slog.Logger {
	out := io.Discard
	if os.Getenv("WEFT_TEST_LOG") != "" {
		out = t.Output()
	}
	return slog.New(slog.NewTextHandler(out, &slog.HandlerOptions{Level: slog.LevelDebug}))
}

func (s *side) onEvent(e Event) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.events = append(s.events, event{e, time.Now()})
}

func (s *side) onGossip(from trust.Fingerprint, boot trust.BootNonce, packet []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.gossip = append(s.gossip, gossiped{from, boot, string(packet)})
}

func (s *side) onDial(m DialMessage) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.dials = append(s.dials, m)
}

// dialed are the frames of dial-backs that came so far.
func (s *side) dialed() []DialMessage {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.dials)
}

// heard is the gossip that came so far.
func (s *side) heard() []gossiped {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.gossip)
}

// count is how often a kind of event was told.
func (s *side) count(kind EventKind) int {
	n, _ := s.last(kind)
	return n
}

// last is the latest event of a kind, and how many there were.
func (s *side) last(kind EventKind) (n int, e event) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, x := range s.events {
		if x.Kind == kind {
			n, e = n+1, x
		}
	}
	return n, e
}

// movedTo reports whether a path was moved to that endpoint at any time.
func (s *side) movedTo(at netip.AddrPort) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.ContainsFunc(s.events, func(x event) bool { return x.Kind == PathMoved && x.Endpoint == at })
}

func (s *side) id() trust.Fingerprint { return s.local.Identity.Fingerprint() }

func (s *side) endpoint() encap.Endpoint { return encap.Endpoint{Addr: s.config.Endpoints[0]} }

// table is what s is to know when these are its peers.
func (s *side) table(peers ...*side) Table {
	t := Table{Local: s.config.Prefixes}
	for _, p := range peers {
		if p != s {
			t.Peers = append(t.Peers, p.config)
		}
	}
	return t
}

func (s *side) set(peers ...*side) {
	s.t.Helper()
	if err := s.router.Set(s.table(peers...)); err != nil {
		s.t.Fatal(err)
	}
}

// join makes all know all, and waits until all paths are up.
func (w *world) join(sides ...*side) {
	w.t.Helper()
	for _, s := range sides {
		s.set(sides...)
	}
	within(w.t, 5*time.Second, "all paths up", func() bool { return allUp(sides...) })
	time.Sleep(200 * time.Millisecond) // lets the first probes be answered
	synctest.Wait()
}

func allUp(sides ...*side) bool {
	for _, s := range sides {
		for _, p := range sides {
			if p != s && !s.up(p) {
				return false
			}
		}
	}
	return true
}

// peer is what s knows of p; zero: nothing.
func (s *side) peer(p *side) PeerStatus {
	list, err := s.router.Peers()
	if err != nil {
		s.t.Fatalf("%s: %v", s.name, err)
	}
	i := slices.IndexFunc(list, func(x PeerStatus) bool { return x.ID == p.id() })
	if i < 0 {
		return PeerStatus{}
	}
	return list[i]
}

func (s *side) up(p *side) bool { return s.peer(p).Up }

// internal is the router's own record of a peer, looked up in the control goroutine.
func (s *side) internal(p *side) (found *peer) {
	s.t.Helper()
	if err := s.router.call(func() { found = s.router.peers[p.id()] }); err != nil {
		s.t.Fatal(err)
	}
	return found
}

// within waits, in virtual time, until the condition holds, and returns how long that took.
func within(t *testing.T, limit time.Duration, what string, condition func() bool) time.Duration {
	t.Helper()
	start := time.Now()
	for {
		synctest.Wait()
		if condition() {
			return time.Since(start)
		}
		if time.Since(start) >= limit {
			t.Fatalf("after %v: not %s", limit, what)
		}
		time.Sleep(5 * time.Millisecond)
	}
}

// udp is a packet from a pod of one node to a pod of another.
func udp(from, to netip.Addr, payload string) []byte {
	return packettest.UDP{IP: packettest.IP{Src: from, Dst: to}, SrcPort: 4000, DstPort: 5000, Payload: []byte(payload)}.Build()
}

// inject gives packets to the device as the kernel does.
func (s *side) inject(packets ...[]byte) {
	s.t.Helper()
	for _, p := range packets {
		if err := s.dev.Inject(packet.Superpacket{Data: p}); err != nil {
			s.t.Fatal(err)
		}
	}
}

// take returns what came out of the device so far, and lets nothing wait.
func (s *side) take() (packets [][]byte) {
	synctest.Wait()
	for {
		select {
		case p := <-s.dev.Written():
			packets = append(packets, p.Data)
		default:
			return packets
		}
	}
}

// payloads are the bodies of what came out of the device so far.
func (s *side) payloads() (texts []string) {
	for _, p := range s.take() {
		texts = append(texts, string(packettest.Payload(p)))
	}
	return texts
}

// carries reports whether a packet from s gets to p within a second.
func (s *side) carries(p *side) bool {
	s.t.Helper()
	text := fmt.Sprintf("from %s at %v", s.name, time.Now().UnixNano())
	s.inject(udp(pod(s.number), pod(p.number), text))
	for range 200 {
		if slices.Contains(p.payloads(), text) {
			return true
		}
		time.Sleep(5 * time.Millisecond)
	}
	return false
}
