package node

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/weftnet/weft/encap"
	"github.com/weftnet/weft/encap/simnet"
	"github.com/weftnet/weft/node/api"
	"github.com/weftnet/weft/node/config"
)

// fakeManager is a service manager that keeps what it is told.
type fakeManager struct {
	watchdog time.Duration
	refuse   atomic.Bool

	mu   sync.Mutex // guards told
	told []string
}

// Watchdog implements ServiceManager.
func (f *fakeManager) Watchdog() time.Duration { return f.watchdog }

// Notify implements ServiceManager.
func (f *fakeManager) Notify(state string) error {
	if f.refuse.Load() {
		return errors.New("nobody listens")
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.told = append(f.told, state)
	return nil
}

// take returns what was told since the last call.
func (f *fakeManager) take() (told []string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	told, f.told = f.told, nil
	return told
}

// managed makes a machine whose node a service manager starts.
func (s *site) managed(i int, watchdog time.Duration) (*machine, *fakeManager) {
	s.t.Helper()
	m, manager := s.machine(i), &fakeManager{watchdog: watchdog}
	m.service = manager
	return m, manager
}

// after is what the manager is told in so much virtual time.
func (f *fakeManager) after(d time.Duration) []string {
	time.Sleep(d)
	synctest.Wait()
	return f.take()
}

func TestTheServiceIsReadyWithoutAnyPeerAndSaysHowItIsWhenThatChanges(t *testing.T) {
	bubble(t, lan, func(t *testing.T, s *site) {
		a, manager := s.managed(1, 0)
		b := s.machine(2)
		a.start()
		told := manager.after(time.Second) // the subnet may come before or after
		first, last := told[0], told[len(told)-1]
		if !strings.HasPrefix(first, "READY=1\nSTATUS=") || !strings.HasSuffix(last, "STATUS=10.244.1.0/24; 0 of 0 peers reached") || len(told) > 2 {
			t.Errorf("told %q", told)
		}
		if got := manager.after(time.Minute); len(got) != 0 {
			t.Errorf("told %q although nothing changed", got)
		}
		b.start()
		told = manager.after(10 * time.Second)
		if last := told[len(told)-1]; last != "STATUS=10.244.1.0/24; 1 of 1 peer reached" {
			t.Errorf("told %q when a peer came", told)
		}
		b.stop()
		told = manager.after(10 * time.Second)
		if last := told[len(told)-1]; last != "STATUS=10.244.1.0/24; 0 of 1 peer reached" {
			t.Errorf("told %q when it went", told)
		}
		a.node.state.problem("driver", "a reason")
		a.node.state.problem("what", "another")
		want := []string{"STATUS=10.244.1.0/24; 0 of 1 peer reached; degraded: driver, what ('weft status' says why)"}
		if got := manager.after(2 * tidyPeriod); !slices.Equal(got[:1], want) {
			t.Errorf("told %q, want %q", got, want)
		}
		a.stop()
		if told := manager.take(); !slices.Contains(told, "STOPPING=1") {
			t.Errorf("told %q when it stopped", told)
		}
	})
}

// anyPort is embedded where a method has the interface's name.
type anyPort = encap.Port

// shutPort is a port whose frames wait for the gate once it is shut.
type shutPort struct {
	anyPort
	conns []encap.Conn
	shut  atomic.Bool
	gate  chan struct{}
}

type shutConn struct {
	encap.Conn
	port *shutPort
}

// shuttable makes the port that the node will open one that can be shut.
func (m *machine) shuttable() *shutPort {
	p, listen := &shutPort{gate: make(chan struct{})}, m.listen
	m.listen = func(o encap.UDPOptions) (encap.Port, error) {
		inner, err := listen(o)
		if err != nil {
			return nil, err
		}
		p.anyPort, p.conns = inner, nil
		for _, c := range inner.Lanes() {
			p.conns = append(p.conns, &shutConn{c, p})
		}
		return p, nil
	}
	return p
}

// Lanes implements encap.Port.
func (p *shutPort) Lanes() []encap.Conn { return p.conns }

// Send implements encap.Conn.
func (c *shutConn) Send(trains []encap.Train) encap.SendResult {
	if c.port.shut.Load() {
		<-c.port.gate
	}
	return c.Conn.Send(trains)
}

func TestSignsOfLifeComeOnlyWhileControlAndLanesAnswer(t *testing.T) {
	bubble(t, lan, func(t *testing.T, s *site) {
		const watchdog = 30 * time.Second
		a, manager := s.managed(1, watchdog)
		port := a.shuttable()
		a.start()
		b := s.machine(2)
		b.start()
		signs := func(told []string) int {
			return len(slices.DeleteFunc(told, func(line string) bool { return line != "WATCHDOG=1" }))
		}
		if n := signs(manager.after(10 * watchdog)); n != 20 {
			t.Errorf("%d signs of life in ten times what the watchdog waits, want 20", n)
		}
		port.shut.Store(true)
		manager.after(watchdog) // a probe or gossip is due within that
		if n := signs(manager.after(3 * watchdog)); n != 0 {
			t.Errorf("%d signs of life while control hangs", n)
		}
		i := slices.IndexFunc(a.problems(), func(n api.Note) bool { return n.What == "watchdog" })
		if i < 0 || !strings.Contains(a.problems()[i].Reason, "control") {
			t.Errorf("degraded: %v, want the watchdog and who is silent", a.problems())
		}
		port.shut.Store(false)
		close(port.gate)
		if n := signs(manager.after(2 * watchdog)); n == 0 {
			t.Error("no sign of life after it went on")
		}
		if slices.ContainsFunc(a.problems(), func(n api.Note) bool { return n.What == "watchdog" }) {
			t.Errorf("still degraded: %v", a.problems())
		}
	})
}

// problems are what status would show as degraded; control need not answer.
func (m *machine) problems() []api.Note {
	m.node.state.mu.Lock()
	defer m.node.state.mu.Unlock()
	return m.node.state.degraded()
}

func TestAReloadIsToldWithItsBeginningAndItsEnd(t *testing.T) {
	manager, reason := &fakeManager{}, errors.New("a reason")
	s := newService(manager, slog.New(slog.DiscardHandler))
	if err := s.reloading(func() error { return reason }); !errors.Is(err, reason) || len(manager.take()) != 0 {
		t.Errorf("before it was ready: reloading = %v, and something was told", err)
	}
	s.ready.Store(true)
	err := s.reloading(func() error {
		told := manager.take()
		var since int64
		if len(told) != 1 {
			t.Fatalf("told %q before the reload", told)
		}
		if _, err := fmt.Sscanf(told[0], "RELOADING=1\nMONOTONIC_USEC=%d", &since); err != nil || since <= 0 {
			t.Errorf("told %q before the reload: %v", told, err)
		}
		return reason
	})
	if got := manager.take(); !errors.Is(err, reason) || !slices.Equal(got, []string{"READY=1"}) {
		t.Errorf("reloading = %v, told %q", err, got)
	}
}

func TestAServiceManagerThatDoesNotListenIsLoggedOnce(t *testing.T) {
	var log strings.Builder
	manager := &fakeManager{}
	s := newService(manager, slog.New(slog.NewTextHandler(&log, nil)))
	for range 2 {
		manager.refuse.Store(true)
		for range 3 {
			s.notify("READY=1")
		}
		manager.refuse.Store(false)
		s.notify("READY=1")
	}
	if n := strings.Count(log.String(), "node.service.unheard"); n != 2 {
		t.Errorf("%d lines for two times:\n%s", n, log.String())
	}
}

func TestAStartThatFailsLastsUnderAServiceManagerUnlessNoneFollows(t *testing.T) {
	failed := errors.New("the port is in use")
	for name, c := range map[string]struct {
		manager ServiceManager
		err     error
		want    time.Duration
	}{
		"failed":                {&fakeManager{}, failed, startPause - time.Second},
		"no manager":            {nil, failed, 0},
		"no error":              {&fakeManager{}, nil, 0},
		"configuration":         {&fakeManager{}, config.Errorf("subnet: %w", failed), 0},
		"stopped by weft down":  {&fakeManager{}, ErrDown, 0},
		"not tried again later": {&fakeManager{}, fmt.Errorf("node: %w", failed), startPause - time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				began := time.Now()
				time.Sleep(time.Second) // of the start itself
				pace(t.Context(), c.manager, began, c.err)
				if took := time.Since(began) - time.Second; took != c.want {
					t.Errorf("it lasts %v longer, want %v", took, c.want)
				}
			})
		})
	}
}

func TestAStartThatFailsTellsTheManagerWhyAndEndsWhenItIsStopped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		manager, began := &fakeManager{}, time.Now()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		pace(ctx, manager, began, errors.New("two\nlines"))
		if took, told := time.Since(began), manager.take(); took != time.Second || !slices.Equal(told, []string{"STATUS=two lines"}) {
			t.Errorf("after %v, told %q", took, told)
		}
	})
}

func TestSystemdIsToldThroughItsSocket(t *testing.T) {
	log := slog.New(slog.NewTextHandler(io.Discard, nil))
	t.Setenv("NOTIFY_SOCKET", "")
	if manager := startedBy(log); manager != nil {
		t.Errorf("without NOTIFY_SOCKET there is a manager: %v", manager)
	}
	path := filepath.Join(shortDir(t), "notify")
	socket, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	must(t, err)
	t.Cleanup(func() { socket.Close() })
	t.Setenv("NOTIFY_SOCKET", path)
	t.Setenv("WATCHDOG_USEC", "3000000")
	manager := startedBy(log)
	if got := manager.Watchdog(); got != 3*time.Second {
		t.Errorf("the watchdog waits %v, want 3 s", got)
	}
	must(t, manager.Notify("READY=1\nSTATUS=well"))
	got := make([]byte, 100)
	n, err := socket.Read(got)
	must(t, err)
	if string(got[:n]) != "READY=1\nSTATUS=well" {
		t.Errorf("systemd hears %q", got[:n])
	}
	t.Setenv("WATCHDOG_USEC", "nonsense")
	if got := startedBy(log).Watchdog(); got != 0 {
		t.Errorf("a watchdog that is not a number waits %v", got)
	}
	t.Setenv("WATCHDOG_USEC", "3000000")
	t.Setenv("WATCHDOG_PID", "1")
	if got := startedBy(log).Watchdog(); got != 0 {
		t.Errorf("the watchdog of another process waits %v", got)
	}
}

func TestAServiceThatIsAskedToStopEndsWithAnErrorOfItsOwn(t *testing.T) {
	s := &site{t: t, net: simnet.New(simnet.Options{}), dir: shortDir(t)}
	m, manager := s.managed(1, 0)
	must(t, m.boot())
	ended := make(chan error, 1)
	go func() { ended <- m.node.Run(t.Context()) }()
	client := api.NewClient(m.cfg.Socket())
	for end := time.Now().Add(10 * time.Second); client.Stop(t.Context()) != nil; time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("the control socket does not answer after 10 s")
		}
	}
	if err := <-ended; !errors.Is(err, ErrDown) {
		t.Errorf("Run = %v", err)
	}
	if told := manager.take(); !slices.Contains(told, "STOPPING=1") {
		t.Errorf("told %q", told)
	}
}
