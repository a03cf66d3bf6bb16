package router

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"net/netip"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/weftnet/weft/encap"
	"github.com/weftnet/weft/trust"
	"github.com/weftnet/weft/tun"
)

// Config is what a Router is made of. The router closes Device and Port when it stops.
type Config struct {
	Local  *encap.Local
	Boot   trust.BootNonce
	Device tun.Device // with as many queues as Port has lanes
	Port   encap.Port
	Stamp  func() encap.Stamp // of handshakes; grows with every call, across restarts too
	Log    *slog.Logger
	Timing Timing

	// Admission says to whom and from whom gossip may go without a session; nil: every member.
	Admission *trust.Admission

	// Partial leaves the checksums of inner packets partial where the device gives them so: nobody computes what the
	// outer checksum, or the seal, protects. Peers may do so in any case.
	Partial bool
	// MTUProbes looks for what paths carry; else they are taken to carry what the links at both ends do.
	MTUProbes bool
	// Spin is how often a lane that found nothing looks again before it waits, at most. 0 suits a machine with one CPU.
	Spin int

	// Hold is how long packets wait in the device at most, after the start of Run, for paths to the peers of the first
	// Table: the router begins to read it when all have one. 0: it reads at once.
	Hold time.Duration

	// Relaying is what this node does for frames of others, until SetRelaying changes it.
	Relaying Relaying

	// Bars says why no packets may travel to and from an underlay address, where they would in clear, or "". It is called from the
	// control goroutine, and must not block nor call the router; what it says is in force after the next Set. nil: it bars none.
	Bars func(netip.Addr) string

	// Events hears of changes of peers and of the device. It is called from the goroutines of the router, for DeviceLost
	// from another than for peers, and must not block nor call the router.
	Events func(Event)
	// Gossip gets the gossip packets of members, in memory that it may keep. It must not block.
	Gossip func(from trust.Fingerprint, boot trust.BootNonce, packet []byte)
	// Dial hears the frames of dial-backs. It is called from the control goroutine, and must not block nor call the router.
	Dial func(DialMessage)
	// Secret hears the frames of rotations, likewise.
	Secret func(SecretMessage)
	// Callable says whether an endpoint may be called that a peer names, by what is known of it from elsewhere. It is called from the
	// control goroutine. nil: all are.
	Callable func(netip.AddrPort) bool
	// Splice hears that a peer asks for a stream to it that answers id, likewise.
	Splice func(from trust.Fingerprint, id uint64)
}

// ErrStopped says that the router does not run.
var ErrStopped = errors.New("router: stopped")

// Router moves packets. Make it with New, run it with Run; all other methods may be called from any goroutine.
type Router struct {
	cfg     Config
	self    trust.Fingerprint
	number  trust.Number // self's
	log     *slog.Logger
	timing  Timing
	started time.Time
	gossip  *encap.GossipSealer

	table    atomic.Pointer[snapshot]
	moved    atomic.Bool // Announce was called; control has not done it yet
	pausing  atomic.Bool // Pause was called
	hold     hold
	probing  atomic.Int32 // probes of sizes that wait for control
	oversize atomic.Bool  // a lane told of a frame that the kernel refused as too long, and control has not looked yet
	strays   atomic.Int64 // clock before which control hears of no further frame of an unknown index
	indexes  indexMap
	lanes    []*lane
	conns    []encap.Conn // of the lanes; control frames leave by the first where there is no control port
	dev      atomic.Pointer[attachment]

	relaying atomic.Pointer[Relaying]

	endpoints atomic.Pointer[ownEndpoints] // nil: not told yet
	ctl       counters                     // drops that control counts
	backlog   atomic.Int64                 // bytes that wait for all peers

	attaching sync.Mutex // orders Attach and the end, and guards past
	past      uint64     // Unreadable of the devices before dev

	calls      chan func()
	control    chan message // control frames of known sessions
	handshakes chan message // answers to initiations of ours
	hearsay    chan message // gossip frames without a session
	curve      curve
	limiter    limiter
	pulses     pulses

	controlPort *controlPort // nil: the port has no connection of its own for control

	done     chan struct{}
	stopOnce sync.Once
	loops    sync.WaitGroup

	peers     map[trust.Fingerprint]*peer // owned by the control goroutine
	schedule  schedule                    // of them, likewise
	callQueue callQueue                   // likewise
	links     links                       // likewise
	lag       lag                         // likewise
	traces    traces                      // likewise
	moves     moves
	own       ownCandidates // likewise

	purge     time.Time    // when keys under secrets that are not held are closed; zero: there are none. Likewise
	probesMTU bool         // Config.MTUProbes, as it is now
	frame     []byte       // scratch of the control goroutine
	asked     askedIndexes // of the last initiation to each

	shared map[trust.Number]bool // numbers of several peers, that were told of; owned by the control goroutine
}

// New makes a router with an empty table.
func New(cfg Config) *Router {
	r := &Router{
		cfg: cfg, self: cfg.Local.Identity.Fingerprint(), log: cfg.Log, timing: cfg.Timing.withDefaults(),
		started: time.Now(), done: make(chan struct{}), pulses: newPulses(), peers: map[trust.Fingerprint]*peer{},
		asked: askedIndexes{by: map[uint32]*peer{}},
		calls: make(chan func(), 64), control: make(chan message, 512),
		handshakes: make(chan message, maxAnswers), hearsay: make(chan message, 256),
		probesMTU: cfg.MTUProbes,
		frame:     make([]byte, 0, maxControlFrame),
		gossip:    encap.NewGossipSealer(cfg.Local, cfg.Boot, cfg.Stamp),
	}
	r.number, r.shared = r.self.Number(), map[trust.Number]bool{}
	r.curve = newCurve()
	r.callQueue = newCallQueue(r.timing.Timing)
	r.limiter.init(cfg.Local, r.at)
	r.hold.begin(cfg.Hold)
	r.table.Store(newSnapshot())
	r.SetRelaying(cfg.Relaying)
	r.links = newLinks(&cfg)
	r.noteRelaying()
	r.dev.Store(newAttachment(cfg.Device))
	r.conns = cfg.Port.Lanes()[:min(len(cfg.Port.Lanes()), len(cfg.Device.Queues()))]
	for i, conn := range r.conns {
		r.lanes = append(r.lanes, newLane(r, i, conn))
	}
	if conn := cfg.Port.Control(); conn != nil {
		r.controlPort = newControlPort(r, conn)
	}
	return r
}

// Run moves packets until ctx ends or the port fails; then it says goodbye to the peers and closes port and device. It
// returns nil after ctx ended.
func (r *Router) Run(ctx context.Context) error {
	if err := r.prepare(); err != nil {
		r.stop()
		return err
	}
	failed := make(chan error, len(r.lanes)+1)
	run := func(loop func() error) {
		r.loops.Go(func() {
			if err := loop(); err != nil {
				failed <- err
			}
		})
	}
	for _, l := range r.lanes {
		r.loops.Go(l.runDevice)
		run(l.runPort)
	}
	if r.controlPort != nil {
		run(r.controlPort.run)
	} else {
		r.loops.Go(r.runCookies)
	}
	for range curveWorkers() {
		r.loops.Go(r.runCurve)
	}
	r.hold.until = r.now().Add(r.cfg.Hold)
	err := r.runControl(ctx, failed)
	r.stop()
	return err
}

// prepare makes what only a running router needs.
func (r *Router) prepare() error {
	for _, l := range r.lanes {
		if err := l.prepare(); err != nil {
			return err
		}
	}
	if r.controlPort != nil {
		return r.controlPort.prepare()
	}
	return nil
}

// stop ends the loops: it closes the port and the device.
func (r *Router) stop() {
	r.stopOnce.Do(func() { close(r.done) })
	r.cfg.Port.Close()
	r.leaveDevice()
	r.wake()
	r.loops.Wait()
	for _, p := range r.peers {
		r.abandonBacklog(p)
	}
	for _, l := range r.lanes {
		l.finish()
	}
	if r.controlPort != nil {
		r.controlPort.finish()
	}
}

// call runs f in the control goroutine and waits for it. It may change any peer: all are stepped.
func (r *Router) call(f func()) error {
	finished := make(chan struct{})
	run := func() {
		f()
		r.schedule.touchAll()
		close(finished)
	}
	select {
	case r.calls <- run:
	case <-r.done:
		return ErrStopped
	}
	select {
	case <-finished:
		return nil
	case <-r.done:
		return ErrStopped
	}
}

// post runs f in the control goroutine soon, which touches the peers that it changes; false: its mailbox is full or the router has stopped.
func (r *Router) post(f func()) bool {
	select {
	case r.calls <- f:
		return true
	default:
		return false
	}
}

// now is the present time.
func (r *Router) now() time.Time { return time.Now() }

// clock is nanoseconds since the router started, never 0.
func (r *Router) clock() int64 { return int64(time.Since(r.started)) + 1 }

// at turns a value of clock into a time; 0 gives the zero time.
func (r *Router) at(clock int64) time.Time {
	if clock == 0 {
		return time.Time{}
	}
	return r.started.Add(time.Duration(clock))
}

func (r *Router) jitter(d time.Duration) time.Duration {
	if d <= 0 {
		return 0
	}
	return rand.N(d)
}

// closed reports whether err is the end of a device or port that was closed on purpose.
func closed(err error) bool { return errors.Is(err, os.ErrClosed) }
