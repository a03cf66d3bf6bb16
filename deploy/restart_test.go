package deploy

import (
	"strings"
	"testing"
	"time"

	"github.com/weftnet/weft/lab/labtest"
)

// outage is a gap in which peers find out that a node is gone: a restart must be over before. How short it is on a machine that
// does nothing else, a test of cmd/weft says; here others run beside.
const outage = time.Second

// attempts is how often a restart is tried: a machine that is busy with other things makes gaps longer, nothing makes them
// shorter.
const attempts = 5

// flows are streams between the service's host and its peer, in both directions.
type flows struct {
	out, in *labtest.Paced // from and to the service's host
	tcp     []*labtest.Sequence
}

func (s *service) startFlows() *flows {
	s.t.Helper()
	there, err := s.peer.Addresses(within(s.t, patience))
	check(s.t, err)
	here, host := s.status().Node.Addresses, s.Host()
	return &flows{
		out: labtest.StartPaced(s.t, host, s.peer, there[0], "out"),
		in:  labtest.StartPaced(s.t, s.peer, host, here[0], "in"),
		tcp: []*labtest.Sequence{labtest.StartSequence(s.t, host, s.peer, there[0]), labtest.StartSequence(s.t, s.peer, host, here[0])},
	}
}

// steady waits until both streams flow, and returns their marks of now.
func (f *flows) steady(t *testing.T) (out, in uint64) {
	t.Helper()
	out, in = f.out.Mark(), f.in.Mark()
	f.out.Await(t, out+100, patience)
	f.in.Await(t, in+100, patience)
	return out, in
}

// oneDrain is how many packets a lane takes from the device at once: those may be lost with a process that is killed.
const oneDrain = 64

// interrupt does something that ends the daemon, until the gap that it makes is short enough, and no more is lost of what the
// service's host sends than may be.
func (s *service) interrupt(f *flows, what string, mayLose int, how ...string) {
	s.t.Helper()
	for range attempts {
		out, in := f.steady(s.t)
		before := s.pid()
		s.run(how...)
		check(s.t, poll(s.t, func() bool { pid := s.pid(); return pid != "0" && pid != before }))
		s.await("ActiveState", "active")
		f.steady(s.t)
		outEnd, inEnd := f.steady(s.t)
		gapOut, lostOut := f.out.Between(out, outEnd)
		gapIn, lostIn := f.in.Between(in, inEnd)
		s.t.Logf("%s: gap %v in, %v out; lost %d in, %d out", what, gapIn, gapOut, lostIn, lostOut)
		if max(gapIn, gapOut) <= outage && lostOut <= mayLose {
			return
		}
	}
	s.t.Errorf("%s: of %d none had a gap of at most %v and lost at most %d", what, attempts, outage, mayLose)
}

// poll waits until ready is true.
func poll(t *testing.T, ready func() bool) error {
	t.Helper()
	ctx := within(t, patience)
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for !ready() {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

func TestRestartsOfTheServiceAreShortAndLoseNothingThatWaits(t *testing.T) {
	s := newService(t)
	s.join()
	f := s.startFlows()
	restart := []string{"systemctl", "restart", "weft"}
	s.interrupt(f, "first systemctl restart", oneDrain, restart...)
	s.interrupt(f, "systemctl restart", 0, restart...)
	s.interrupt(f, "kill -9", oneDrain, "systemctl", "kill", "--kill-who=main", "--signal=KILL", "weft")
	for _, stream := range f.tcp {
		if err := stream.End(within(t, patience)); err != nil {
			t.Errorf("TCP did not survive: %v", err)
		}
	}
	log := s.run("journalctl", "--no-pager", "--unit=weft")
	if !strings.Contains(log, "node.handover.inherited") || strings.Contains(log, "node.handover.refused") {
		t.Errorf("the descriptors were not used")
	}
}
