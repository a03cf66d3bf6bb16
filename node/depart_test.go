package node

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/weftnet/weft/encap"
	"github.com/weftnet/weft/mesh"
	"github.com/weftnet/weft/node/api"
	"github.com/weftnet/weft/node/config"
	"github.com/weftnet/weft/node/handover"
	"github.com/weftnet/weft/node/metrics"
	"github.com/weftnet/weft/packet"
	"github.com/weftnet/weft/tun"
)

// logged makes the node that boot made log to what is returned.
func (m *machine) logged() *logTail {
	tail := newLogTail(io.Discard)
	m.node.log = slog.New(slog.NewTextHandler(tail, nil))
	return tail
}

// count is how many lines have the event.
func (t *logTail) count(event string) int { return strings.Count(string(t.text()), "msg="+event+" ") }

// memoryStore is a store that keeps what it is given.
type memoryStore struct {
	room   int // how many it takes; 0: all
	stored int
}

var errFull = errors.New("the store is full")

func (*memoryStore) Inherited() []*os.File  { return nil }
func (*memoryStore) Remove(...string) error { return nil }
func (*memoryStore) Keeps() bool            { return true }

func (s *memoryStore) Store(string, int) error {
	if s.room > 0 && s.stored >= s.room {
		return errFull
	}
	s.stored++
	return nil
}

// leaveDescriptors makes the next start of m go on with its port.
func (m *machine) leaveDescriptors() {
	m.node.handover = handover.New(&memoryStore{}, testLogger(m.t))
	m.node.handover.Keep(handover.Port, []int{1})
	m.node.handover.Keep(handover.TCP, []int{1})
}

// interrupt asks the node to stop, and returns what it ends with.
func (m *machine) interrupt() error {
	m.cancel()
	return m.end()
}

// end awaits the end of a node that stops by itself, and returns what it ends with.
func (m *machine) end() error {
	m.cancel = nil
	return <-m.ended
}

// failingKernel is a kernel whose Watch fails.
type failingKernel struct {
	*fakeKernel
	failed chan error // fails at once with what comes
	last   error      // fails with it when it is asked to end
}

// Watch implements Kernel.
func (k *failingKernel) Watch(ctx context.Context, _ func()) error {
	select {
	case err := <-k.failed:
		return err
	case <-ctx.Done():
		return k.last
	}
}

func TestAPartThatFailsEndsInAPauseOnlyWhereANextStartGoesOn(t *testing.T) {
	broken := errors.New("broken")
	for name, c := range map[string]struct {
		err  error
		kept bool
		want string // state of the node at its peer
	}{
		"descriptors are kept": {broken, true, api.StateUp},
		"none are kept":        {broken, false, api.StateAway},
		"a stop was asked for": {errStopAsked, true, api.StateAway},
		"the host is a clone":  {&mesh.CloneError{}, true, api.StateAway},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, lan, func(t *testing.T, s *site) {
				a, b := s.machine(1), s.machine(2)
				a.start()
				must(t, b.boot())
				kernel, log := &failingKernel{fakeKernel: b.kernel, failed: make(chan error)}, b.logged()
				b.node.platform.Kernel = kernel
				b.run()
				within(t, 5*time.Second, "both route to both", joinedUp(a, b))
				if c.kept {
					b.leaveDescriptors()
				}
				kernel.failed <- c.err
				if err := b.end(); !errors.Is(err, c.err) && !errors.Is(c.err, errStopAsked) {
					t.Errorf("it ends with %v", err)
				}
				time.Sleep(100 * time.Millisecond)
				if got := a.peer("node-2").State; got != c.want {
					t.Errorf("its peer has it %s, want %s", got, c.want)
				}
				paused := log.count("node.paused")
				if told := paused == 1 && strings.Contains(string(log.text()), "error=broken"); told != (c.want == api.StateUp) || paused > 1 {
					t.Errorf("it says:\n%s", log.text())
				}
			})
		})
	}
}

func TestANodeThatIsAskedToStopSaysOnceThatItPausesAlsoWhereAPartFailsThen(t *testing.T) {
	bubble(t, lan, func(t *testing.T, s *site) {
		a, broken := s.machine(1), errors.New("broken")
		must(t, a.boot())
		log := a.logged()
		a.node.platform.Kernel = &failingKernel{fakeKernel: a.kernel, last: broken}
		a.run()
		a.leaveDescriptors()
		if err := a.interrupt(); !errors.Is(err, broken) {
			t.Errorf("it ends with %v", err)
		}
		if n := log.count("node.paused"); n != 1 {
			t.Errorf("it says %d times that it pauses:\n%s", n, log.text())
		}
	})
}

// clogged is a device whose Write waits for its gate.
type clogged struct {
	*fakeDevice
	gate chan struct{}
}

// Queues implements tun.Device.
func (d *clogged) Queues() []tun.Queue { return []tun.Queue{d} }

// Write implements tun.Queue.
func (d *clogged) Write(batch []packet.Superpacket) (int, error) {
	<-d.gate
	return d.fakeDevice.Write(batch)
}

// clog makes the node that boot made hang as soon as it writes to its device, until the gate is closed.
func (m *machine) clog() (gate chan struct{}) {
	gate = make(chan struct{})
	m.node.platform.OpenDevice = func(o tun.Options) (tun.Device, *tun.Choice, error) {
		_, choice, err := m.openDevice(o)
		return &clogged{m.lastDevice(), gate}, choice, err
	}
	return gate
}

func TestAPauseNamesALaneThatHangsAndTheStopEndsWithoutIt(t *testing.T) {
	bubble(t, lan, func(t *testing.T, s *site) {
		a, manager := s.managed(1, 0)
		b := s.machine(2)
		must(t, a.boot())
		gate, log := a.clog(), a.logged()
		a.run()
		b.start()
		within(t, 5*time.Second, "both route to both", joinedUp(a, b))
		a.leaveDescriptors()
		b.send(own(2), own(1), "nobody takes this")
		time.Sleep(100 * time.Millisecond)
		synctest.Wait()

		a.node.depart() // as a stop does while everything still runs
		notes := a.status().Node.Degraded
		if len(notes) != 1 || notes[0].What != "pause" || !strings.Contains(notes[0].Reason, "lane 0") {
			t.Errorf("degraded: %+v", notes)
		}
		page := httptest.NewRecorder()
		metrics.NewHandler(a.node.scrape, a.node.healthy).ServeHTTP(page, httptest.NewRequest("GET", "/metrics", nil))
		if !strings.Contains(page.Body.String(), `weft_problem{what="pause"} 1`) {
			t.Errorf("metrics:\n%s", page.Body)
		}
		if told := strings.Join(manager.Take(), "\n"); !strings.Contains(told, "degraded: pause") {
			t.Errorf("the service manager is told:\n%s", told)
		}

		began := time.Now()
		if err := a.interrupt(); err == nil || !strings.Contains(err.Error(), "has not ended") {
			t.Errorf("it ends with %v", err)
		}
		if took := time.Since(began); took > endPatience+2*time.Second {
			t.Errorf("it ends after %v", took)
		}
		if n := log.count("node.pause.silent"); n != 1 {
			t.Errorf("it says %d times that a lane hangs:\n%s", n, log.text())
		}
		close(gate)
	})
}

func TestAStopEndsAlsoWhereControlHangs(t *testing.T) {
	bubble(t, lan, func(t *testing.T, s *site) {
		a, b := s.machine(1), s.machine(2)
		port := a.shuttable()
		a.start()
		b.start()
		within(t, 5*time.Second, "both route to both", joinedUp(a, b))
		a.leaveDescriptors()
		port.shut.Store(true)
		time.Sleep(30 * time.Second) // control sends something within that, and the keeper asks it something
		began := time.Now()
		if err := a.interrupt(); err == nil || !strings.Contains(err.Error(), "a part has not ended") || !strings.Contains(err.Error(), "the router has not ended") {
			t.Errorf("it ends with %v", err)
		}
		if took := time.Since(began); took > 12*time.Second {
			t.Errorf("it ends after %v", took)
		}
		if n := a.problems(); len(n) != 1 || n[0].What != "pause" || !strings.Contains(n[0].Reason, "control") {
			t.Errorf("degraded: %+v", n)
		}
		close(port.gate)
	})
}

func TestAStopThatLeavesDescriptorsIsAPauseForThePeers(t *testing.T) {
	for kept, want := range map[bool]string{true: api.StateUp, false: api.StateAway} {
		t.Run(fmt.Sprintf("kept %v", kept), func(t *testing.T) {
			bubble(t, lan, func(t *testing.T, s *site) {
				a, b := s.machine(1), s.machine(2)
				a.start()
				b.start()
				within(t, 5*time.Second, "joined", joinedUp(a, b))
				if kept {
					b.leaveDescriptors()
				}
				b.stop()
				time.Sleep(100 * time.Millisecond)
				if got := a.peer("node-2").State; got != want {
					t.Errorf("a has it %s, want %s", got, want)
				}
				if n := len(a.kernel.state().Routes); (n > 0) != kept {
					t.Errorf("a has %d routes to it", n)
				}
				within(t, 5*time.Second, "away", func() bool { return a.peer("node-2").State == api.StateAway })
			})
		})
	}
}

// kept is a port with sockets that can be left behind.
type kept struct{ simPort }

type simPort = encap.Port // a field of the name Port would hide the method

func (kept) Keep() error        { return nil }
func (kept) Descriptors() []int { return []int{0, 1, 2} }

func TestAStoreThatIsTooSmallIsSaidInStatusAndTheStopIsNoPause(t *testing.T) {
	bubble(t, lan, func(t *testing.T, s *site) {
		a, b := s.machine(1), s.machine(2)
		b.listen = func(encap.UDPOptions) (encap.Port, error) { return kept{b.host.ListenUDP(config.DefaultPort)}, nil }
		must(t, b.boot())
		b.node.handover = handover.New(&memoryStore{room: 2}, testLogger(t))
		a.start()
		b.run()
		within(t, 5*time.Second, "joined", joinedUp(a, b))
		if says := b.problem("handover"); !strings.Contains(says, "a restart loses packets: "+errFull.Error()) {
			t.Errorf("status says %q", says)
		}
		b.stop()
		within(t, 100*time.Millisecond, "away", func() bool { return a.peer("node-2").State == api.StateAway })
	})
}
