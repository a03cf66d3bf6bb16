package node

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/weftnet/weft/node/service/servicetest"

	"github.com/weftnet/weft/encap"
	"github.com/weftnet/weft/encap/simnet"
	"github.com/weftnet/weft/node/api"
	"github.com/weftnet/weft/node/config"
)

// managed makes a machine whose node a service manager starts.
func (s *site) managed(i int, watchdog time.Duration) (*machine, *servicetest.Manager) {
	s.t.Helper()
	m, manager := s.machine(i), &servicetest.Manager{Patience: watchdog}
	m.service = manager
	return m, manager
}

func TestTheServiceIsReadyWithoutAnyPeerAndSaysHowItIsWhenThatChanges(t *testing.T) {
	bubble(t, lan, func(t *testing.T, s *site) {
		a, manager := s.managed(1, 0)
		b := s.machine(2)
		a.start()
		told := manager.After(time.Second) // the subnet may come before or after
		first, last := told[0], told[len(told)-1]
		if !strings.HasPrefix(first, "READY=1\nSTATUS=") || !strings.HasSuffix(last, "STATUS=10.244.1.0/24; 0 of 0 peers reached") || len(told) > 2 {
			t.Errorf("told %q", told)
		}
		if got := manager.After(time.Minute); len(got) != 0 {
			t.Errorf("told %q although nothing changed", got)
		}
		b.start()
		told = manager.After(10 * time.Second)
		if last := told[len(told)-1]; last != "STATUS=10.244.1.0/24; 1 of 1 peer reached" {
			t.Errorf("told %q when a peer came", told)
		}
		b.stop()
		told = manager.After(10 * time.Second)
		if last := told[len(told)-1]; last != "STATUS=10.244.1.0/24; 0 of 1 peer reached" {
			t.Errorf("told %q when it went", told)
		}
		a.node.state.problem("driver", "a reason")
		a.node.state.problem("what", "another")
		want := []string{"STATUS=10.244.1.0/24; 0 of 1 peer reached; degraded: driver, what ('weft status' says why)"}
		if got := manager.After(2 * tidyPeriod); !slices.Equal(got[:1], want) {
			t.Errorf("told %q, want %q", got, want)
		}
		a.stop()
		if told := manager.Take(); !slices.Contains(told, "STOPPING=1") {
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
		if n := signs(manager.After(10 * watchdog)); n != 20 {
			t.Errorf("%d signs of life in ten times what the watchdog waits, want 20", n)
		}
		port.shut.Store(true)
		manager.After(watchdog) // a probe or gossip is due within that
		if n := signs(manager.After(3 * watchdog)); n != 0 {
			t.Errorf("%d signs of life while control hangs", n)
		}
		i := slices.IndexFunc(a.problems(), func(n api.Note) bool { return n.What == "watchdog" })
		if i < 0 || !strings.Contains(a.problems()[i].Reason, "control") {
			t.Errorf("degraded: %v, want the watchdog and who is silent", a.problems())
		}
		port.shut.Store(false)
		close(port.gate)
		if n := signs(manager.After(2 * watchdog)); n == 0 {
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

func TestAStartIsTriedAgainUnlessThatCannotMendIt(t *testing.T) {
	failed := errors.New("the port is in use")
	for err, want := range map[error]bool{
		failed: true, fmt.Errorf("node: %w", failed): true, nil: false, config.Errorf("subnet: %w", failed): false, ErrDown: false,
	} {
		if got := mendable(err); got != want {
			t.Errorf("%v: %v, want %v", err, got, want)
		}
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
	if told := manager.Take(); !slices.Contains(told, "STOPPING=1") {
		t.Errorf("told %q", told)
	}
}
