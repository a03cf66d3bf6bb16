package mesh

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/netip"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/weftnet/weft/trust"
)

// fakeNet is an underlay in memory: hosts with one address each, links that can be cut. Everything takes its delay.
type fakeNet struct {
	t     *testing.T
	delay time.Duration

	mu      sync.Mutex
	hosts   map[netip.Addr]*fakeHost
	cuts    map[[2]netip.Addr]bool
	longest int // packet
	loss    float64
	random  *rand.Rand
	dials   map[netip.Addr]int // to

	bytes   atomic.Int64 // put onto the underlay by all, headers included
	streams atomic.Int64 // opened
}

// What a packet of gossip and a write to a stream cost besides.
const (
	packetOverhead = 20 + 8 + 8 + 8 + 16 // IPv4, UDP, header, counter, tag
	writeOverhead  = 20 + 32 + 4 + 16    // IPv4, TCP with timestamps, length, tag
)

func newFakeNet(t *testing.T) *fakeNet {
	return &fakeNet{
		t: t, delay: time.Millisecond,
		hosts: map[netip.Addr]*fakeHost{}, cuts: map[[2]netip.Addr]bool{}, dials: map[netip.Addr]int{},
		random: rand.New(rand.NewPCG(1, 2)),
	}
}

func (n *fakeNet) setCut(a, b netip.Addr, cut bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.cuts[[2]netip.Addr{a, b}] = cut
	n.cuts[[2]netip.Addr{b, a}] = cut
}

func (n *fakeNet) remove(h *fakeHost) {
	n.mu.Lock()
	defer n.mu.Unlock()
	delete(n.hosts, h.addr)
}

func (n *fakeNet) setLoss(loss float64) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.loss = loss
}

// dialed counts the streams that were tried to a host.
func (n *fakeNet) dialed(h *fakeHost) int {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.dials[h.addr]
}

// lost draws whether a packet is.
func (n *fakeNet) lost() bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.random.Float64() < n.loss
}

// reach returns the host at an address, if the way there is open.
func (n *fakeNet) reach(from, to netip.Addr) (h *fakeHost, cut bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.hosts[to], n.cuts[[2]netip.Addr{from, to}]
}

// fakeHost is one node: its place in the underlay and its Mesh.
type fakeHost struct {
	net  *fakeNet
	addr netip.Addr
	id   *trust.Identity
	boot trust.BootNonce
	cfg  Config
	mesh *Mesh

	mu   sync.Mutex
	seen map[trust.Fingerprint]netip.Addr // where gossip came from: what sessions are in reality

	full   atomic.Bool // it sends no packet and says so
	cancel context.CancelFunc
	ended  chan error
}

var (
	errRefused     = errors.New("connection refused")
	errMailboxFull = errors.New("mailbox full")
)

// SendGossip delivers to the first candidate, or back to where gossip came from.
func (h *fakeHost) SendGossip(to trust.Fingerprint, at []netip.AddrPort, packet []byte) error {
	packet = slices.Clone(packet)
	h.net.mu.Lock()
	h.net.longest = max(h.net.longest, len(packet))
	h.net.bytes.Add(int64(len(packet) + packetOverhead))
	h.net.mu.Unlock()
	h.mu.Lock()
	if back, ok := h.seen[to]; ok {
		at = append([]netip.AddrPort{netip.AddrPortFrom(back, DefaultPort)}, at...)
	}
	h.mu.Unlock()
	if h.full.Load() {
		return errMailboxFull
	}
	if h.net.lost() {
		return nil
	}
	time.AfterFunc(h.net.delay, func() { h.carry(to, at, packet) })
	return nil
}

func (h *fakeHost) carry(to trust.Fingerprint, at []netip.AddrPort, packet []byte) {
	for _, a := range at {
		peer, cut := h.net.reach(h.addr, a.Addr())
		if peer == nil || cut || peer.id.Fingerprint() != to {
			continue
		}
		if !h.hasSession(peer) || !peer.hasSession(h) {
			return
		}
		peer.mu.Lock()
		peer.seen[h.id.Fingerprint()] = h.addr
		peer.mu.Unlock()
		peer.mesh.Ingest(h.id.Fingerprint(), h.boot, packet)
		return
	}
}

// DialGossip opens a stream to the first host that answers. A cut link swallows.
func (h *fakeHost) DialGossip(ctx context.Context, _ trust.Fingerprint, at []netip.AddrPort) (Stream, error) {
	err := errors.New("no address")
	for _, a := range at {
		h.net.mu.Lock()
		h.net.dials[a.Addr()]++
		h.net.mu.Unlock()
		time.Sleep(h.net.delay)
		peer, cut := h.net.reach(h.addr, a.Addr())
		switch {
		case cut:
			<-ctx.Done()
			return nil, ctx.Err()
		case peer == nil || a.Port() != DefaultPort:
			err = errRefused
		case h.refuses(peer) || peer.refuses(h):
			err = errRefused
		default:
			h.net.streams.Add(1)
			ours, theirs := net.Pipe()
			peer.mesh.Accept(fakeStream{theirs, h.remote(peer), h.net})
			return fakeStream{ours, peer.remote(h), h.net}, nil
		}
	}
	return nil, err
}

// hasSession reports whether gossip goes to o and is taken from there: a strict node has sessions with those whose claims count.
func (h *fakeHost) hasSession(o *fakeHost) bool {
	if !h.cfg.Admission.Strict() {
		return true
	}
	m, _ := h.member(o)
	return m.Claim != nil
}

// refuses reports whether h takes no streams with o.
func (h *fakeHost) refuses(o *fakeHost) bool {
	var shown []byte
	if c := o.cfg.Admission.Own(); c != nil {
		shown = c.Raw()
	}
	return h.cfg.Admission.Admit(o.fp(), o.cfg.Name, shown, time.Now()) != nil
}

// remote is what h says about itself to peer.
func (h *fakeHost) remote(peer *fakeHost) Remote {
	return Remote{
		ID: h.id.Fingerprint(), Keys: h.id.Public(), Boot: h.boot, Name: h.cfg.Name, Uptime: time.Since(h.cfg.Started),
		Addr: netip.AddrPortFrom(h.addr, DefaultPort), Observed: netip.AddrPortFrom(peer.addr, DefaultPort),
	}
}

type fakeStream struct {
	net.Conn
	remote Remote
	net    *fakeNet
}

// Write counts.
func (s fakeStream) Write(b []byte) (int, error) {
	s.net.bytes.Add(int64(len(b) + writeOverhead))
	return s.Conn.Write(b)
}

func (s fakeStream) Remote() Remote { return s.remote }

var (
	testNetwork = netip.MustParsePrefix("10.244.0.0/16")
	testBoots   uint64
	bootsMu     sync.Mutex
)

func testIdentity(name string) *trust.Identity {
	seed := sha256.Sum256([]byte(name))
	id, err := trust.NewIdentity(seed[:])
	if err != nil {
		panic(err)
	}
	return id
}

func nextBoot() trust.BootNonce {
	bootsMu.Lock()
	defer bootsMu.Unlock()
	testBoots++
	h := sha256.Sum256(fmt.Append(nil, testBoots))
	return trust.BootNonce(h[:8])
}

func addrOf(i int) netip.Addr { return netip.AddrFrom4([4]byte{192, 0, 2, byte(i)}) }

func subnetOf(i int) netip.Prefix {
	return netip.PrefixFrom(netip.AddrFrom4([4]byte{10, 244, byte(i), 0}), 24)
}

// host makes node i with a static subnet; edit may change its configuration.
func (n *fakeNet) host(i int, seeds []int, edit ...func(*Config)) *fakeHost {
	h := &fakeHost{net: n, addr: addrOf(i), id: testIdentity(fmt.Sprint("node", i)), seen: map[trust.Fingerprint]netip.Addr{}}
	h.cfg = Config{
		Identity: h.id, Name: fmt.Sprintf("node-%d", i), Network: []netip.Prefix{testNetwork},
		Subnet: Subnet{Kind: KindStatic, Prefixes: []netip.Prefix{subnetOf(i)}},
		Logger: testLogger(n.t),
	}
	for _, s := range seeds {
		h.cfg.Seeds = append(h.cfg.Seeds, addrOf(s).String())
	}
	for _, e := range edit {
		e(&h.cfg)
	}
	return h
}

// testLogger shows everything when WEFT_TEST_LOG is set.
func testLogger(t *testing.T) *slog.Logger {
	out := io.Discard
	if os.Getenv("WEFT_TEST_LOG") != "" {
		out = t.Output()
	}
	return slog.New(slog.NewTextHandler(out, &slog.HandlerOptions{Level: slog.LevelDebug}))
}

// start boots the node.
func (h *fakeHost) start() {
	h.net.t.Helper()
	h.boot = nextBoot()
	h.cfg.Boot, h.cfg.Started, h.cfg.Underlay, h.cfg.Identity = h.boot, time.Now(), h, h.id
	h.seen = map[trust.Fingerprint]netip.Addr{}
	var err error
	if h.mesh, err = New(h.cfg); err != nil {
		h.net.t.Fatal(err)
	}
	h.mesh.SetLocal(Local{Endpoints: []netip.AddrPort{netip.AddrPortFrom(h.addr, DefaultPort)}, UnderlayMTU: 1500, MinVersion: 1, MaxVersion: 1})
	var ctx context.Context
	ctx, h.cancel = context.WithCancel(context.Background())
	h.ended = make(chan error, 1)
	mesh, ended := h.mesh, h.ended
	go func() { ended <- mesh.Run(ctx) }()
	h.net.mu.Lock()
	h.net.hosts[h.addr] = h
	h.net.mu.Unlock()
}

// crash takes the node off the network without a word. It returns when nothing is under way any more that it has sent.
func (h *fakeHost) crash() {
	h.net.remove(h)
	h.stop()
	time.Sleep(h.net.delay)
	synctest.Wait()
}

func (h *fakeHost) stop() {
	h.cancel()
	if err := <-h.ended; err != nil {
		h.net.t.Errorf("%s: Run = %v", h.cfg.Name, err)
	}
}

func (h *fakeHost) fp() trust.Fingerprint { return h.id.Fingerprint() }

// sees reports whether h has all of them alive, with their claims.
func (h *fakeHost) sees(others ...*fakeHost) bool {
	for _, o := range others {
		m, ok := h.member(o)
		if o != h && (!ok || !m.Alive || m.Claim == nil || !slices.Equal(m.Claim.Subnets, o.subnets())) {
			return false
		}
	}
	return true
}

// member is what h knows of o.
func (h *fakeHost) member(o *fakeHost) (Member, bool) {
	members := h.mesh.View().Members
	i := slices.IndexFunc(members, func(m Member) bool { return m.ID == o.fp() })
	if i < 0 {
		return Member{}, false
	}
	return members[i], true
}

func (h *fakeHost) subnets() []netip.Prefix {
	if c := h.mesh.View().Self; c != nil {
		return c.Subnets
	}
	return nil
}

func (h *fakeHost) alive(o *fakeHost) bool {
	m, _ := h.member(o)
	return m.Alive
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

func allSee(hosts ...*fakeHost) func() bool {
	return func() bool {
		for _, h := range hosts {
			if !h.sees(hosts...) {
				return false
			}
		}
		return true
	}
}

// lingering is how long memberlist's probes may outlive its Shutdown: AwarenessMaxMultiplier probe intervals.
const lingering = 5 * time.Second

// bubble runs a test in a synctest bubble on a fresh network; all hosts that still run are stopped at its end.
func bubble(t *testing.T, test func(t *testing.T, n *fakeNet)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		n := newFakeNet(t)
		defer func() {
			for _, h := range n.hosts {
				h.cancel()
			}
			time.Sleep(lingering) // then a goroutine that is left makes the bubble panic
			n.mu.Lock()
			defer n.mu.Unlock()
			if n.longest > maxGossipPacket {
				t.Errorf("longest gossip packet = %d bytes, want at most %d", n.longest, maxGossipPacket)
			}
		}()
		test(t, n)
	})
}
