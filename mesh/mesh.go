package mesh

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/memberlist"

	"github.com/weftnet/weft/trust"
)

const (
	leaveTimeout = 300 * time.Millisecond // what memberlist gets for its own farewell
	farewells    = 64                     // members that are told directly that we leave
)

// Mesh is this node's part in the cluster. Its methods may be called from any goroutine, at any time.
type Mesh struct {
	cfg       Config
	me        memberName
	mail      *mailbox
	transport *transport
	delegate  *delegate
	book      *book
	owner     *owner
	current   atomic.Pointer[View]
	started   atomic.Bool
	done      chan struct{} // closed when Run returns
}

// Counters count what was dropped since the start.
type Counters struct {
	Transport uint64 // packets and streams that memberlist was too slow for
	Messages  uint64 // messages that the owner was too slow for; they come again
	Unsent    uint64 // packets that the underlay did not take: it was overloaded
	Refused   uint64 // claims that were heard, and for which no authority vouches
	Bad       uint64 // messages that are not in order: their form, or a signature that does not match
}

// New checks the configuration and reads the state directory. A state file that a newer weft wrote is an error that wraps
// ErrNewerState; a damaged one is set aside.
func New(cfg Config) (*Mesh, error) {
	if err := cfg.check(); err != nil {
		return nil, err
	}
	cfg = cfg.withDefaults()
	if err := cfg.checkDefaulted(); err != nil {
		return nil, err
	}
	m := &Mesh{
		cfg: cfg, me: memberName{cfg.Identity.Fingerprint(), cfg.Boot},
		mail: newMailbox(), book: &book{}, done: make(chan struct{}),
	}
	m.transport = newTransport(m.me, cfg.Underlay, m.book, m.learned)
	m.delegate = newDelegate(m.me, m.mail)
	if err := m.newOwner(); err != nil {
		return nil, err
	}
	view := m.owner.view()
	m.current.Store(&view)
	return m, nil
}

func (m *Mesh) newOwner() error {
	o := &owner{
		cfg: &m.cfg, me: m.me, log: m.cfg.Logger, mail: m.mail,
		transport: m.transport, delegate: m.delegate, book: m.book,
		files:   newStateFiles(m.cfg.StateDir, m.cfg.Logger),
		publish: m.publish,
		set:     NewSet(), self: &selfClaim{cfg: &m.cfg}, members: map[trust.Fingerprint]*member{},
		caller:  newCaller(m.cfg.Timing, rand.Float64),
		fetches: fetches{asked: map[Digest]*fetch{}}, admissions: newAdmissions(),
		dropped: dropped{}, tombstones: tombstones{}, burials: burials{},
		changed: true,
	}
	files := store{m.cfg.StateDir, m.cfg.Logger, time.Now()}
	claim, peers, err := files.load(m.me.id)
	if err != nil {
		return err
	}
	claim, released, err := files.inherit(m.me.id, claim)
	if err != nil {
		return err
	}
	if err := files.loadRevoked(m.cfg.Admission); err != nil {
		return err
	}
	if claim != nil {
		claim.certificate = m.cfg.Admission.Own()
		o.self.restore(claim, o.rules())
		o.set.Add(claim)
	}
	o.restorePeers(peers)
	for _, c := range released {
		if !o.dropped.bars(c) {
			o.set.Add(c)
		}
	}
	o.judge(time.Now()) // the first view is used before Run
	for _, s := range m.cfg.Seeds {
		o.caller.want(targetKey{seed: s}, time.Now())
	}
	m.owner = o
	return nil
}

// Run takes part in the cluster until ctx ends; it then returns nil. A *CloneError says that this node has to stop
// because an older live one has the same key. A Mesh runs once.
func (m *Mesh) Run(ctx context.Context) error {
	if m.started.Swap(true) {
		return errors.New("mesh: run: a Mesh runs once")
	}
	defer close(m.done)
	defer m.transport.Shutdown()
	list, err := memberlist.Create(memberlistConfig(m.cfg, m.transport, m.delegate))
	if err != nil {
		return fmt.Errorf("mesh: start memberlist: %w", err)
	}
	workers, cancel := context.WithCancel(ctx)
	defer cancel()
	m.owner.list, m.owner.ctx = list, workers
	stop := make(chan struct{})
	var kept sync.WaitGroup
	kept.Go(func() { m.owner.files.run(stop) })
	err = m.owner.loop(ctx)
	cancel()
	_ = m.transport.Shutdown() // ends what workers wait for
	m.owner.workers.Wait()
	if shutdown := list.Shutdown(); shutdown != nil && err == nil {
		err = fmt.Errorf("mesh: stop memberlist: %w", shutdown)
	}
	m.owner.saved = time.Time{}
	m.owner.savePeers(time.Now())
	close(stop)
	kept.Wait()
	return err
}

// Ingest takes a gossip packet that a node with this fingerprint and boot nonce sent, after its authentication. packet is
// borrowed during the call. It never blocks.
func (m *Mesh) Ingest(from trust.Fingerprint, _ trust.BootNonce, packet []byte) {
	if from == m.me.id {
		return // our own, reflected or of an earlier boot
	}
	m.transport.ingest(from, packet)
}

// Accept takes a gossip stream that a peer opened, and closes it in the end. It never blocks.
func (m *Mesh) Accept(s Stream) {
	r := s.Remote()
	m.learned(r)
	if r.ID == m.me.id {
		_ = s.Close()
		return
	}
	m.transport.deliver(s)
}

// StateProblem says why the state directory cannot be written, or "".
func (m *Mesh) StateProblem() string {
	if why := m.owner.files.problem.Load(); why != nil {
		return *why
	}
	return ""
}

// Reached tells that a path to a node works again: it gets our claim at once.
func (m *Mesh) Reached(id trust.Fingerprint) {
	m.mail.post(func(o *owner) { o.greet(id) })
}

// SetLocal tells what our claim shall say about us; it should be called before Run, too. It raises the claim's version
// when something changed, and makes claims be checked again; new endpoints make all calls be tried again. Endpoints that
// peers would not call (loopback, link-local, multicast, unspecified, IPv4-mapped) are left out.
func (m *Mesh) SetLocal(l Local) {
	l = l.valid()
	if meta := encodeMeta(l.Endpoints); !m.started.Load() {
		m.delegate.meta.Store(&meta)
	}
	m.mail.post(func(o *owner) {
		if !slices.Equal(l.Endpoints, o.self.local.Endpoints) {
			o.caller.retry(time.Now())
		}
		o.self.local, o.changed = l, true
	})
}

// Leave says goodbye: peers then have us as left, and our claim stays. It returns when the goodbye is out or ctx ends,
// but after 0.3 s at the latest. Run goes on until its context ends.
func (m *Mesh) Leave(ctx context.Context) error {
	if !m.started.Load() {
		return nil
	}
	out := make(chan error, 1)
	m.mail.post(func(o *owner) { o.leave(out) })
	select {
	case err := <-out:
		return err
	case <-ctx.Done():
		return fmt.Errorf("mesh: leave: %w", ctx.Err())
	case <-m.done:
		return nil
	}
}

// View is the newest snapshot.
func (m *Mesh) View() View { return *m.current.Load() }

// Counters are what was dropped so far.
func (m *Mesh) Counters() Counters {
	return Counters{
		Transport: m.transport.dropped.Load(), Messages: m.delegate.dropped.Load(), Unsent: m.transport.unsent.Load(),
		Refused: m.owner.refusedClaims.Load(), Bad: m.owner.badMessages.Load(),
	}
}

func (m *Mesh) learned(r Remote) { m.mail.post(func(o *owner) { o.learned(r) }) }

func (m *Mesh) publish(v View, changed bool) {
	m.current.Store(&v)
	if changed && m.cfg.OnView != nil {
		m.cfg.OnView(v)
	}
}

// leave says goodbye in our own words, which are signed, and in memberlist's.
func (o *owner) leave(out chan<- error) {
	d := signDeparture(o.cfg.Identity, o.me.boot, uint64(time.Now().UnixMilli()))
	o.sayGoodbye(d)
	for _, id := range o.live(farewells, d.id) {
		o.tell(id, message(messageDeparture, d.raw))
	}
	o.spawn(func() {
		// memberlist waits for rounds of gossip; what it does not manage in time, the departure has said already.
		_ = o.list.Leave(leaveTimeout)
		out <- nil
	})
}
