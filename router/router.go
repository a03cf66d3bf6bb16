package router

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
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
	Device tun.Device
	Port   encap.Port
	Stamp  func() encap.Stamp // of handshakes; grows with every call, across restarts too
	Log    *slog.Logger
	Timing Timing

	// Events hears of changes of peers and of the device. It is called from the goroutines of the router, for DeviceLost
	// from another than for peers, and must not block nor call the router.
	Events func(Event)
	// Gossip gets the gossip packets of members, in memory that it may keep. It must not block.
	Gossip func(from trust.Fingerprint, boot trust.BootNonce, packet []byte)
}

// ErrStopped says that the router does not run.
var ErrStopped = errors.New("router: stopped")

// Router moves packets. Make it with New, run it with Run; all other methods may be called from any goroutine.
type Router struct {
	cfg     Config
	self    trust.Fingerprint
	log     *slog.Logger
	timing  Timing
	started time.Time
	gossip  *encap.GossipSealer

	table   atomic.Pointer[snapshot]
	moved   atomic.Bool // Announce was called; control has not done it yet
	indexes indexMap
	lane    *lane
	conn    encap.Conn // where control frames leave: of lane 0
	ctl     counters   // drops that control counts

	calls      chan func()
	control    chan message // control frames of known sessions
	handshakes chan message // initiations and responses
	hearsay    chan message // gossip frames without a session
	done       chan struct{}
	stopOnce   sync.Once
	loops      sync.WaitGroup

	peers map[trust.Fingerprint]*peer // owned by the control goroutine
	frame []byte                      // scratch of the control goroutine
}

// New makes a router with an empty table.
func New(cfg Config) *Router {
	r := &Router{
		cfg: cfg, self: cfg.Local.Identity.Fingerprint(), log: cfg.Log, timing: cfg.Timing.withDefaults(),
		started: time.Now(), done: make(chan struct{}), peers: map[trust.Fingerprint]*peer{},
		calls: make(chan func(), 64), control: make(chan message, 512),
		handshakes: make(chan message, 64), hearsay: make(chan message, 256),
		frame:  make([]byte, 0, maxControlFrame),
		gossip: encap.NewGossipSealer(cfg.Local.Keys.Gossip, cfg.Local.Identity.Fingerprint(), cfg.Boot, cfg.Local.Rand),
	}
	r.table.Store(newSnapshot())
	r.conn = cfg.Port.Lanes()[0]
	r.lane = newLane(r, cfg.Device)
	return r
}

// Run moves packets until ctx ends or the port fails; then it says goodbye to the peers and closes port and device. It
// returns nil after ctx ended.
func (r *Router) Run(ctx context.Context) error {
	failed := make(chan error, 1)
	r.loops.Go(r.lane.runOutbound)
	r.loops.Go(func() {
		if err := r.lane.runInbound(); err != nil {
			select {
			case failed <- err:
			default:
			}
		}
	})
	err := r.runControl(ctx, failed)
	r.stop()
	return err
}

// stop ends the loops: it closes the port and the device.
func (r *Router) stop() {
	r.stopOnce.Do(func() { close(r.done) })
	r.cfg.Port.Close()
	r.lane.leaveDevice()
	r.loops.Wait()
}

// call runs f in the control goroutine and waits for it.
func (r *Router) call(f func()) error {
	finished := make(chan struct{})
	select {
	case r.calls <- func() { f(); close(finished) }:
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

// post runs f in the control goroutine soon; false: its mailbox is full or the router has stopped.
func (r *Router) post(f func()) bool {
	select {
	case r.calls <- f:
		return true
	default:
		return false
	}
}

// Attach gives the router a new device in place of a lost one. The old one is closed. After the router has stopped it
// returns ErrStopped, and dev stays the caller's.
func (r *Router) Attach(dev tun.Device) error { return r.lane.attach(dev) }

// DeviceLost reports whether the device failed and no other has taken its place: Attach one.
func (r *Router) DeviceLost() bool { return r.lane.dev.Load().lost.Load() }

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
