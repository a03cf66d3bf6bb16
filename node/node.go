package node

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/weftnet/weft/encap"
	"github.com/weftnet/weft/kernel"
	"github.com/weftnet/weft/mesh"
	"github.com/weftnet/weft/node/api"
	"github.com/weftnet/weft/node/config"
	"github.com/weftnet/weft/node/dialback"
	"github.com/weftnet/weft/node/handover"
	"github.com/weftnet/weft/node/kubernetes"
	"github.com/weftnet/weft/node/pods"
	"github.com/weftnet/weft/node/rundir"
	"github.com/weftnet/weft/node/secrets"
	"github.com/weftnet/weft/node/service"
	"github.com/weftnet/weft/node/version"
	"github.com/weftnet/weft/router"
	"github.com/weftnet/weft/trust"
	"github.com/weftnet/weft/tun"
)

// Node is one running node.
type Node struct {
	live     atomic.Pointer[config.Config] // in force; see config and apply
	reloads  reloader
	platform *Platform
	log      *slog.Logger
	identity *trust.Identity
	secrets  *secrets.Secrets
	keySince time.Time // when the node's key file was written
	boot     trust.BootNonce
	started  time.Time

	admission *trust.Admission // who may take part

	device    tun.Device
	choice    *tun.Choice
	port      encap.Port
	lanes     lanes
	trains    trains
	local     *encap.Local
	streams   *encap.Streams
	router    *router.Router
	mesh      *mesh.Mesh
	wake      chan struct{} // the keeper's mailbox: something changed
	checks    *reachability
	service   *service.Service
	recent    *logTail // the latest log lines; nil: not kept
	dialbacks *dialback.Service
	splicing  *splicing
	refused   *refusals
	metrics   metricsPlace

	handover *handover.Handover

	protected *protected
	repairs   repairs // only the keeper uses it

	pods         *pods.Keeper                   // nil: the platform has none; the keeper's, but for reports
	newRules     atomic.Bool                    // the packet filter has changed since the guard was last looked at
	podsKept     time.Time                      // when bridge and guard were looked after last; used by the keeper alone
	former       atomic.Pointer[[]netip.Prefix] // claimed on for the pods that live there; nil: none
	claiming     sync.Mutex                     // held from looking up what is to be claimed until the mesh has it
	kubernetes   *kubernetes.Follower
	podCIDRsSaid kubernetes.Kind // what the log has of why podCIDRs are not known; used by the follower's goroutine alone

	formerSaid    string // what the log has of former subnets; used by the keeper alone
	elsewhereSaid string // the bridges that the log has; used by the keeper alone

	egresses    egressCache
	state       state
	runDir      *rundir.RunDir               // nil: none, in tests
	stateLocked bool                         // the state directory is; used by Run alone
	settled     func()                       // called when the first paths are there, or too late; nil: nobody asked
	unstored    unstoredEpoch                // used by Run, then by the keeper
	clock       clockWatch                   // used by the keeper alone
	behind      behind                       // only the keeper uses it, once it runs
	lastLocal   mesh.Local                   // what the mesh was told; only the keeper uses it, once it runs
	public      []netip.AddrPort             // where peers agree to see this node, behind a NAT; likewise
	nat         translations                 // what the log says of that one; likewise
	alive       map[trust.Fingerprint]bool   // members that gossip reached at the keeper's last look
	skewed      map[trust.Fingerprint]string // whose clock is far from ours, as it was said; only the keeper uses it
}

// config is the configuration in force: that of the start, with what reloads have changed since. It is shared: nobody
// changes it. Its value for a key that needs a restart is always that of the start.
func (n *Node) config() *config.Config { return n.live.Load() }

// Run runs a node with cfg until ctx ends; it takes new configurations from source. Log lines go to logs.
func Run(ctx context.Context, cfg config.Config, source Source, logs io.Writer) error {
	resume := postponeCollection()
	recent := newLogTail(logs)
	log := newLogger(cfg, recent)
	began, manager := time.Now(), service.StartedBy(log)
	n, err := newHere(cfg, manager, log)
	if err == nil {
		n.recent, n.reloads.source, n.settled = recent, source, resume
		err = n.Run(ctx)
	}
	if mendable(err) && (n == nil || !n.service.Ready()) {
		service.Pace(ctx, manager, began, err)
	}
	return err
}

// mendable reports whether a start that ended with err may go better the next time: no restart mends a configuration, and after
// 'weft down' there is none.
func mendable(err error) bool {
	return err != nil && !errors.Is(err, config.ErrConfig) && !errors.Is(err, ErrDown)
}

// newHere makes a node of this machine.
func newHere(cfg config.Config, manager service.Manager, log *slog.Logger) (*Node, error) {
	platform, err := realPlatform(log)
	if err != nil {
		return nil, err
	}
	platform.Service, platform.Descriptors = manager, handover.ServiceStore()
	return New(cfg, platform, log)
}

// New checks cfg against the machine and loads the secret. It changes nothing.
func New(cfg config.Config, platform *Platform, log *slog.Logger) (*Node, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	started := time.Now()
	n := &Node{
		platform: platform, log: log, started: started, clock: clockWatch{started},
		wake: make(chan struct{}, 1), refused: newRefusals(), metrics: newMetricsPlace(), service: service.New(platform.Service, log),
		handover: handover.New(platform.Descriptors, log), protected: newProtected(cfg.Join),
		alive: map[trust.Fingerprint]bool{}, skewed: map[trust.Fingerprint]string{}, lanes: chooseLanes(&cfg, platform.CPU),
	}
	n.live.Store(&cfg)
	n.kubernetes = n.newFollower()
	n.noteConfig(nil)
	if err := n.loadSecret(); err != nil {
		return nil, err
	}
	var err error
	if n.admission, err = readAdmission(&cfg, started); err != nil {
		return nil, err
	}
	if err := checkKubernetes(&cfg); err != nil {
		return nil, err
	}
	n.startFromKnown(&cfg) // nobody else has cfg yet
	if err := platform.Kernel.CheckNetwork(cfg.Network, cfg.Device, cfg.Subnet.Prefixes, cfg.Routes); err != nil {
		return nil, cfg.Placed(asConfigError(err))
	}
	if err := checkClear(&cfg, platform.Kernel); err != nil {
		return nil, err
	}
	if err := checkStateDir(&cfg); err != nil {
		return nil, err
	}
	if err := checkRunDir(&cfg); err != nil {
		return nil, err
	}
	return n, nil
}

func asConfigError(err error) error {
	if conflict := new(kernel.ConflictError); errors.As(err, &conflict) {
		return config.KeyErrorf("network", "%w", explainConflict(conflict))
	}
	return err
}

// loadIdentity reads the node's key, and makes it, and the state directory, where there is none.
func (n *Node) loadIdentity() error {
	if err := os.MkdirAll(n.config().StateDir, 0o700); err != nil {
		return fmt.Errorf("node: make state_dir: %w", err)
	}
	identity, created, err := trust.LoadIdentity(n.config().StateDir, n.platform.Random)
	if err != nil {
		return keyError(n.config(), err)
	}
	if created {
		n.log.Info("node.identity.created", "id", identity.Fingerprint().Short(), "file", filepath.Join(n.config().StateDir, trust.IdentityFile))
	}
	n.identity, n.keySince = identity, trust.IdentitySince(n.config().StateDir)
	n.boot, err = trust.NewBootNonce(n.platform.Random)
	return err
}

// Run starts everything in order, keeps it going until ctx ends or a part fails, and stops it in reverse order.
func (n *Node) Run(ctx context.Context) error {
	held, err := n.takeExclusive()
	if err != nil {
		return err
	}
	if err := n.establish(held); err != nil {
		held.abandon(n)
		return err
	}
	defer held.release()
	n.warnRelative()
	epoch, err := n.openWithEpoch(held.tcp)
	if err != nil {
		return err
	}
	giveThreads(len(n.port.Lanes()))
	if err := n.assemble(epoch); err != nil {
		n.close()
		return err
	}
	n.log.Info("node.started", "name", n.config().Name, "id", n.identity.Fingerprint().Short(), "version", version.Get().Version,
		"device", n.device.Name(), "driver", n.choice.Driver, "lanes", len(n.port.Lanes()), "listen", n.config().Listen, "encryption", config.OnOff(n.config().Encryption))
	if n.settled != nil {
		defer time.AfterFunc(firstPaths, n.settled).Stop()
	}
	err = n.serve(ctx, held.tcp, held.control)
	n.log.Info("node.stopped", "left", "device, addresses, routes and rules ('weft down' removes them)")
	return err
}

// openWithEpoch is openRest, and stores the epoch meanwhile: a disk that is busy may take long, and packets wait.
func (n *Node) openWithEpoch(listener net.Listener) (epoch uint64, err error) {
	var storing errgroup.Group
	storing.Go(func() (err error) {
		epoch, err = n.nextEpoch()
		return err
	})
	err = n.openRest(listener)
	unstored := storing.Wait()
	if err == nil && unstored != nil {
		n.close()
	}
	return epoch, cmp.Or(err, unstored)
}

// openPorts takes the port, UDP and TCP.
func (n *Node) openPorts() (net.Listener, error) {
	if err := n.openPort(); err != nil {
		return nil, err
	}
	listener, err := n.listenTCP(n.config().Listen)
	if err != nil {
		n.port.Close()
		return nil, err
	}
	return listener, nil
}

// openRest takes the machine's other parts: the unreachable route of the network, then the device. When it fails, the port is closed; the listener is the caller's.
func (n *Node) openRest(listener net.Listener) error {
	if err := n.openGuarded(); err != nil {
		n.port.Close()
		return err
	}
	if err := n.fitPort(); err != nil {
		n.device.Close()
		return err
	}
	n.noteLanes()
	n.warnMissing("port", portFeatures(n.port))
	n.handOver(listener)
	return nil
}

// openGuarded opens the device behind the unreachable route. Without a device only that is set: what a crashed run left
// stays until the keeper knows better.
func (n *Node) openGuarded() error {
	_, err := n.platform.Kernel.Set(kernel.State{Network: n.config().Network})
	if err != nil && !errors.Is(err, kernel.ErrNoDevice) {
		return asConfigError(err)
	}
	return n.openDevice()
}

func (n *Node) openDevice() error {
	device, choice, err := n.takeDevice()
	if err != nil {
		return err
	}
	n.device, n.choice = device, choice
	n.tookDevice(device, choice)
	return nil
}

// tookDevice notes the device that packets go through from now on.
func (n *Node) tookDevice(device tun.Device, choice *tun.Choice) {
	n.state.device(device, choice)
	reason := ""
	if choice.Degraded {
		reason = choice.Reason
	}
	if n.state.problem("driver", reason) && choice.Degraded {
		n.log.Warn("node.driver.degraded", "driver", choice.Driver, "reason", choice.Reason)
	}
	n.warnMissing(device.Name(), deviceFeatures(device))
}

// warnMissing logs what the kernel refuses there; status says it as long as it lasts.
func (n *Node) warnMissing(where string, list []api.Feature) {
	for _, f := range missing(list) {
		n.log.Warn("node.feature.unavailable", "feature", f.What, "where", where, "reason", f.Reason)
	}
}

func (n *Node) close() {
	n.device.Close()
	n.port.Close()
}

// assemble makes router, streams and mesh and ties them together.
func (n *Node) assemble(epoch uint64) (err error) {
	spin, _ := spinFor(n.platform.CPU)
	n.local = &encap.Local{
		Identity: n.identity, Ring: n.secrets.Ring(), Settings: n.settings(), Name: n.config().Name, Rand: n.platform.Random,
	}
	n.router = router.New(router.Config{
		Local: n.local, Boot: n.boot, Device: n.device, Port: n.port, Log: n.log, Events: n.onEvent,
		Stamp: encap.Stamps(epoch), Partial: n.config().Offload.Partial != encap.KnobOff, Spin: spin, Hold: firstPaths,
		Timing: router.Timing{Rekey: n.config().Rekey}, Relaying: relaying(n.config()),
		MTUProbes: n.config().MTUProbe,
		Dial:      func(m router.DialMessage) { n.dialbacks.Hear(m) },
		Secret:    n.secrets.Hear,
		Splice:    func(from trust.Fingerprint, id uint64) { n.splicing.hear(from, id) },
		Bars:      n.barsClear,

		Callable: n.mayCall,

		Admission: n.admission,
		Gossip:    func(from trust.Fingerprint, boot trust.BootNonce, packet []byte) { n.mesh.Ingest(from, boot, packet) },
	})
	n.secrets.Start(n.router)
	n.splicing = newSplicing(n)
	n.streams = n.newStreams()
	n.dialbacks = dialback.New(dialback.Config{
		Router: n.router, Streams: n.streams, Dialer: n.platform.Dialer, Random: n.platform.Random, Log: n.log, Claimed: n.claimedBy,
	})
	n.checks = newReachability(n)
	if err := n.newPods(); err != nil {
		return err
	}
	n.recallFormer()
	if n.mesh, err = mesh.New(n.meshConfig()); err != nil {
		return err
	}
	n.updateLocal() // the first claim has endpoints already
	return nil
}

func (n *Node) settings() encap.Settings {
	can := encap.CapDialBack | encap.CapSecrets | encap.CapPairGossip | encap.CapSplice | encap.CapRelay | encap.CapCandidates | encap.CapParts |
		encap.CapTrace | encap.CapCompare
	if n.admission.Strict() {
		can |= encap.CapStrict
	}
	return encap.Settings{
		Network: n.config().Network, Encryption: n.config().Encryption, MinVersion: encap.Version, MaxVersion: encap.Version,
		Lanes: uint8(len(n.port.Lanes())), Ciphers: n.config().Ciphers(), MTU: uint16(n.egress(netip.Addr{}).MTU),
		Capabilities: can, Build: encap.BuildName(version.Get().Version),
	}
}

// serve runs the parts until ctx ends or one fails. At the end the mesh says farewell while everything still runs, then
// all stop, the router last: it says goodbye to the peers.
func (n *Node) serve(ctx context.Context, tcp, control net.Listener) error {
	routing, stopRouting := context.WithCancel(context.WithoutCancel(ctx))
	defer stopRouting()
	routed := make(chan error, 1)
	go func() { routed <- n.router.Run(routing) }()

	parts, stop := context.WithCancel(routing)
	defer stop()
	group, running := n.startParts(parts, tcp, control)
	parted := make(chan error, 1)
	go func() { parted <- group.Wait() }()
	var err error
	farewell := n.departFailed
	select {
	case <-ctx.Done():
		n.depart()
		farewell = func(error) {} // said already
	case <-running.Done(): // a part failed, or a stop was asked for
	case err = <-routed:
		routed <- nil
	}
	stop()
	err = errors.Join(err, awaitEnd("a part", parted))
	farewell(err)
	stopRouting()
	err = errors.Join(err, awaitEnd("the router", routed))
	if errors.Is(err, errStopAsked) {
		n.handover.Discard()
	}
	return n.explain(err)
}

// startParts starts all but the router. running ends when ctx does, or when one of them fails.
func (n *Node) startParts(ctx context.Context, tcp, control net.Listener) (group *errgroup.Group, running context.Context) {
	group, running = errgroup.WithContext(ctx)
	group.Go(func() error { return n.mesh.Run(running) })
	group.Go(func() error { return n.streams.Serve(running, tcp, n.acceptStream) })
	group.Go(func() error { return n.serveControl(running, control) })
	group.Go(func() error { return n.keep(running) })
	group.Go(func() error { return n.platform.Kernel.Watch(running, n.kernelChanged) })
	group.Go(func() error { return n.watchFirewall(running) })
	group.Go(func() error { return n.checks.run(running) })
	group.Go(func() error { return n.serveMetrics(running) })
	group.Go(func() error { return n.hearReloads(running) })
	group.Go(func() error { return n.runService(running) })
	group.Go(func() error { return n.dialbacks.Run(running) })
	group.Go(func() error { return n.splicing.run(running) })
	group.Go(func() error { return n.secrets.Run(running) })
	group.Go(func() error { return n.kubernetes.Run(running) })
	return group, running
}

// explain adds what the user can do to errors that end a node.
func (n *Node) explain(err error) error {
	switch {
	case errors.Is(err, errStopAsked) && n.service.Managed():
		return ErrDown
	case errors.Is(err, errStopAsked):
		return nil
	}
	if clone := new(mesh.CloneError); errors.As(err, &clone) {
		return fmt.Errorf("%w: this host is a clone; delete %s and start again to become a node of its own",
			err, filepath.Join(n.config().StateDir, trust.IdentityFile))
	}
	return err
}

// ErrDown ends a node that a service manager started, because 'weft down' asked for it: it is not to be started again.
var ErrDown = errors.New("stopped by 'weft down'")

// errStopAsked ends a node because somebody asked for it through the control API.
var errStopAsked = errors.New("stop asked")
