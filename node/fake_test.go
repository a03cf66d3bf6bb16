package node

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/weftnet/weft/encap"
	"github.com/weftnet/weft/encap/simnet"
	"github.com/weftnet/weft/kernel/firewall"
	"github.com/weftnet/weft/node/api"
	"github.com/weftnet/weft/node/config"
	"github.com/weftnet/weft/node/cpu"
	"github.com/weftnet/weft/node/pods"
	"github.com/weftnet/weft/node/service"
	"github.com/weftnet/weft/packet"
	"github.com/weftnet/weft/packet/packettest"
	"github.com/weftnet/weft/trust"
	"github.com/weftnet/weft/tun"
)

// site is an underlay with machines on it, in a synctest bubble.
type site struct {
	t        *testing.T
	net      *simnet.Network
	dir      string
	machines []*machine
}

// machine is a host: what it has outlives the node that runs on it.
type machine struct {
	t       *testing.T
	number  int
	host    *simnet.Host
	kernel  *fakeKernel
	cfg     config.Config
	random  io.Reader
	cpu     cpu.Share
	listen  func(encap.UDPOptions) (encap.Port, error)
	dialer  encap.Dialer
	older   bool // it says of itself what builds before dial-backs said
	service service.Manager
	pods    pods.Host      // nil: the machine has none
	server  *fakeAPIServer // nil: the machine has none to ask

	firewall   fakeFilter[firewall.State]
	forwarding fakeFilter[firewall.Switches]

	node   *Node
	cancel context.CancelFunc
	ended  chan error

	mu      sync.Mutex // guards what follows
	dev     *fakeDevice
	failing error // of OpenDevice
	opened  int
}

// lingering is how long memberlist's probes may outlive its end.
const lingering = 5 * time.Second

// bubble runs a test on a fresh underlay in virtual time. What still runs at its end is stopped; a goroutine that is
// left then makes the bubble fail.
func bubble(t *testing.T, o simnet.Options, test func(t *testing.T, s *site)) {
	t.Helper()
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		s := &site{t: t, net: simnet.New(o), dir: dir}
		defer func() {
			for _, m := range s.machines {
				m.stop()
			}
			time.Sleep(lingering)
		}()
		test(t, s)
	})
}

// lan is an underlay with 1 ms between hosts.
var lan = simnet.Options{Delay: time.Millisecond}

func addrOf(i int) netip.Addr { return netip.AddrFrom4([4]byte{192, 0, 2, byte(i)}) }

func subnetOf(i int) netip.Prefix {
	return netip.PrefixFrom(netip.AddrFrom4([4]byte{10, 244, byte(i), 0}), 24)
}

// own is the overlay address that node i gives itself.
func own(i int) netip.Addr { return subnetOf(i).Addr().Next() }

// machine adds host i, whose node will have the subnet 10.244.i.0/24 and call the first machine. edit may change its
// configuration.
func (s *site) machine(i int, edit ...func(*config.Config)) *machine {
	s.t.Helper()
	m := &machine{t: s.t, number: i, host: s.net.Host(addrOf(i)), random: &lockedRandom{from: rand.NewChaCha8([32]byte{byte(i)})}}
	m.kernel, m.cpu = &fakeKernel{host: m.host, mtu: 1500}, cpu.Share{CPUs: 2}
	m.listen = func(encap.UDPOptions) (encap.Port, error) { return m.host.ListenUDP(config.DefaultPort), nil }
	m.dialer = m.host
	dir := filepath.Join(s.dir, fmt.Sprint("host-", i))
	m.cfg = config.Default()
	m.cfg.Name, m.cfg.Subnet = fmt.Sprint("node-", i), config.Subnet{Prefixes: []netip.Prefix{subnetOf(i)}}
	m.cfg.StateDir, m.cfg.RunDir, m.cfg.SecretFile = filepath.Join(dir, "state"), filepath.Join(dir, "run"), filepath.Join(dir, "secret")
	m.cfg.Metrics = "" // a real socket has no place in virtual time
	if i != 1 {
		m.cfg.Join = []string{addrOf(1).String()}
	}
	for _, e := range edit {
		e(&m.cfg)
	}
	must(s.t, os.MkdirAll(dir, 0o700))
	m.secret(7)
	s.machines = append(s.machines, m)
	return m
}

// pair is hosts 1 and 2, which route to each other.
func (s *site) pair() (a, b *machine) {
	s.t.Helper()
	all := s.joined(2)
	return all[0], all[1]
}

// trio is hosts 1 to 3, which route to each other.
func (s *site) trio() (a, b, c *machine) {
	s.t.Helper()
	all := s.joined(3)
	return all[0], all[1], all[2]
}

// joined adds and starts so many hosts, and waits until all route to all.
func (s *site) joined(hosts int) []*machine {
	s.t.Helper()
	for i := range hosts {
		s.machine(i + 1)
	}
	for _, m := range s.machines {
		m.start()
	}
	within(s.t, 2*time.Second, "all route to all", joinedUp(s.machines...))
	return s.machines
}

// lockedRandom is randomness that many goroutines may draw from, the same in each run of a test.
type lockedRandom struct {
	mu   sync.Mutex // guards from
	from io.Reader
}

// Read implements io.Reader.
func (r *lockedRandom) Read(p []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.from.Read(p)
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// secret gives the machine the cluster secret of that number.
func (m *machine) secret(n byte) {
	m.t.Helper()
	text := trust.Secret(bytes.Repeat([]byte{n}, trust.SecretLen)).Text()
	must(m.t, os.WriteFile(m.cfg.SecretFile, []byte(text+"\n"), 0o600))
}

func (m *machine) platform() *Platform {
	return &Platform{
		OpenDevice: m.openDevice,
		ListenUDP:  m.listen,
		ListenTCP:  func(string) (net.Listener, error) { return m.host.ListenTCP(config.DefaultPort), nil },
		Dialer:     m.dialer, Kernel: m.kernel, Random: m.random, CPU: m.cpu, Service: m.service,
		Firewall: &m.firewall, Forwarding: &m.forwarding, Pods: m.pods, AskKubernetes: m.askKubernetes,
	}
}

func (m *machine) openDevice(o tun.Options) (tun.Device, *tun.Choice, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	switch {
	case m.failing != nil:
		return nil, nil, m.failing
	case m.dev != nil && m.kernel.has() && !m.dev.closed.Load():
		return nil, nil, tun.ErrBusy
	}
	m.opened++
	m.dev = &fakeDevice{Memory: tun.NewMemory(o.Name, 9000)}
	m.kernel.plug(true)
	return m.dev, &tun.Choice{Driver: tun.DriverMemory, Reason: "a test"}, nil
}

// boot makes the node, without running it.
func (m *machine) boot() error {
	n, err := New(m.cfg, m.platform(), testLogger(m.t))
	if err == nil {
		m.node = n
		err = n.loadIdentity()
	}
	return err
}

// start runs the node as Run does, but for the lock and the control socket of the run directory: real files and sockets
// have no place in virtual time.
func (m *machine) start() {
	m.t.Helper()
	must(m.t, m.boot())
	m.run()
}

// open opens port and device of the node that boot made.
func (m *machine) open() (net.Listener, error) {
	tcp, err := m.node.openPorts()
	if err != nil {
		return nil, err
	}
	return tcp, m.node.openRest(tcp)
}

// run runs the node that boot made.
func (m *machine) run() {
	m.t.Helper()
	tcp, err := m.node.openPorts()
	must(m.t, err)
	epoch, err := m.node.openWithEpoch(tcp)
	must(m.t, err)
	must(m.t, m.node.assemble(epoch))
	if m.older {
		m.node.local.Settings.Capabilities, m.node.local.Settings.Build = 0, ""
	}
	ctx, cancel := context.WithCancel(context.Background())
	m.cancel, m.ended = cancel, make(chan error, 1)
	go func(n *Node, ended chan<- error) {
		ended <- n.serve(ctx, tcp, newSilentListener())
		tcp.Close()
	}(m.node, m.ended)
}

// stop ends the node in order, as SIGTERM does.
func (m *machine) stop() {
	m.t.Helper()
	if m.cancel == nil {
		return
	}
	m.cancel()
	m.cancel = nil
	if err := <-m.ended; err != nil {
		m.t.Errorf("%s: %v", m.cfg.Name, err)
	}
}

// kill ends the node without a word, as kill -9 does.
func (m *machine) kill() {
	m.t.Helper()
	m.host.Crash()
	m.stop()
}

// silentListener is a control socket that nobody calls.
type silentListener struct {
	once   sync.Once
	closed chan struct{}
}

func newSilentListener() *silentListener { return &silentListener{closed: make(chan struct{})} }

// Accept implements net.Listener.
func (l *silentListener) Accept() (net.Conn, error) {
	<-l.closed
	return nil, net.ErrClosed
}

// Close implements net.Listener.
func (l *silentListener) Close() error {
	l.once.Do(func() { close(l.closed) })
	return nil
}

// Addr implements net.Listener.
func (l *silentListener) Addr() net.Addr { return &net.UnixAddr{Name: "silent"} }

// testLogger shows everything when WEFT_TEST_LOG is set.
func testLogger(t *testing.T) *slog.Logger {
	out := io.Discard
	if os.Getenv("WEFT_TEST_LOG") != "" {
		out = t.Output()
	}
	return slog.New(slog.NewTextHandler(out, &slog.HandlerOptions{Level: slog.LevelDebug}))
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

// status is what 'weft status' would say.
func (m *machine) status() *api.Status {
	m.t.Helper()
	s, err := m.node.Status()
	must(m.t, err)
	return s
}

// peer is what the node says about another; zero: nothing.
func (m *machine) peer(name string) api.Peer {
	m.t.Helper()
	list := m.status().Peers
	if i := slices.IndexFunc(list, func(p api.Peer) bool { return p.Name == name }); i >= 0 {
		return list[i]
	}
	return api.Peer{}
}

func (m *machine) subnets() []netip.Prefix { return m.status().Node.Subnets }

// routes reports whether the kernel of m leads all subnets of the others to the device, and nothing else.
func (m *machine) routes(others ...*machine) bool {
	var want []netip.Prefix
	for _, o := range others {
		if o != m {
			want = append(want, o.subnets()...)
			if len(o.subnets()) == 0 {
				return false
			}
		}
	}
	var got []netip.Prefix
	for _, r := range m.kernel.state().Routes {
		got = append(got, r.Prefix)
	}
	slices.SortFunc(want, netip.Prefix.Compare)
	slices.SortFunc(got, netip.Prefix.Compare)
	return slices.Equal(got, want)
}

// joined reports whether all machines route to all others.
func joinedUp(machines ...*machine) func() bool {
	return func() bool {
		return !slices.ContainsFunc(machines, func(m *machine) bool { return !m.routes(machines...) })
	}
}

// carries reports whether a packet from m's first address gets to that of p within a second.
func (m *machine) carries(p *machine) bool {
	m.t.Helper()
	from, to := m.status().Node.Addresses, p.status().Node.Addresses
	if len(from) == 0 || len(to) == 0 {
		return false
	}
	text := fmt.Sprintf("from %s at %v", m.cfg.Name, time.Now().UnixNano())
	m.send(from[0], to[0], text)
	for range 200 {
		if p.got(text) {
			return true
		}
		time.Sleep(5 * time.Millisecond)
	}
	return false
}

func (m *machine) send(from, to netip.Addr, text string) {
	m.t.Helper()
	udp := packettest.UDP{IP: packettest.IP{Src: from, Dst: to}, Payload: []byte(text)}.Build()
	must(m.t, m.lastDevice().Inject(packet.Superpacket{Data: udp}))
}

func (m *machine) lastDevice() *fakeDevice {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.dev
}

// got reports whether a packet with that text came out of the device, and takes all that did.
func (m *machine) got(text string) (found bool) {
	synctest.Wait()
	for {
		select {
		case p := <-m.lastDevice().Written():
			found = found || strings.Contains(string(p.Data), text)
		default:
			return found
		}
	}
}
