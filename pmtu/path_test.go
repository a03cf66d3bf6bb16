package pmtu_test

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/weftnet/weft/pmtu"
)

var start = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

// path is a way over an underlay, and the engine that probes it, in virtual time.
type path struct {
	mtu  int           // longer packets are lost without a word
	link int           // longer packets are refused by the kernel
	loss float64       // of a probe or of its answer
	rtt  time.Duration // of a probe and its answer
	cut  bool          // all is lost

	engine  *pmtu.Engine
	rand    *rand.Rand
	now     time.Time
	long    time.Time // when the last long packet went
	traffic bool      // long packets go all the time
	answers []answer

	probes, bytes int         // sent
	lost          int         // long packets that were lost: of at most what is safe, and longer than mtu
	told          []time.Time // when the route MTU changed
	doubtful      time.Duration
}

type answer struct {
	id uint64
	at time.Time
}

// newPath is a path between links of an Ethernet MTU, with traffic.
func newPath(mtu int) *path {
	p := &path{mtu: mtu, link: 1500, rtt: 20 * time.Millisecond, now: start, traffic: true, rand: rand.New(rand.NewPCG(1, 2))}
	p.engine = pmtu.New(pmtu.Config{Floor: pmtu.Floor4, Bound: 1500})
	return p
}

const tick = 5 * time.Millisecond

// run lets time pass.
func (p *path) run(d time.Duration) {
	for end := p.now.Add(d); p.now.Before(end); p.now = p.now.Add(tick) {
		p.step()
	}
}

// until lets time pass until ok, and returns how long it took; most is the longest that it may.
func (p *path) until(t *testing.T, most time.Duration, ok func(pmtu.State) bool) time.Duration {
	t.Helper()
	began := p.now
	for !ok(p.engine.State()) {
		if p.now.Sub(began) > most {
			t.Fatalf("after %v the engine is at %+v", most, p.engine.State())
		}
		p.step()
		p.now = p.now.Add(tick)
	}
	return p.now.Sub(began)
}

func (p *path) step() {
	before := p.engine.State()
	p.answers = slices.DeleteFunc(p.answers, func(a answer) bool {
		if a.at.After(p.now) {
			return false
		}
		p.engine.Answered(a.id, p.now)
		return true
	})
	if !p.engine.Due(p.long).After(p.now) {
		for _, probe := range p.engine.Step(p.now, p.long) {
			p.send(probe)
		}
	}
	p.send1500()
	if after := p.engine.State(); after.MTU != before.MTU {
		p.told = append(p.told, p.now)
	}
}

func (p *path) send(probe pmtu.Probe) {
	if probe.Size > p.link {
		p.engine.Refused(probe.ID, p.now)
		return
	}
	p.probes++
	p.bytes += probe.Size
	if probe.Size > p.mtu || p.cut || p.rand.Float64() < p.loss || p.rand.Float64() < p.loss {
		return
	}
	p.answers = append(p.answers, answer{id: probe.ID, at: p.now.Add(p.rtt)})
}

// send1500 sends a packet as long as goes whole.
func (p *path) send1500() {
	s := p.engine.State()
	if s.Known == pmtu.Searching {
		p.doubtful += tick
	}
	if !p.traffic {
		return
	}
	p.long = p.now
	if min(s.Safe, 1500) > p.mtu {
		p.lost++
	}
}

func is(known pmtu.Known, mtu int) func(pmtu.State) bool {
	return func(s pmtu.State) bool { return s.Known == known && s.MTU == mtu && s.Safe == mtu }
}
