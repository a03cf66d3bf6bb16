package between

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/weftnet/weft/bench/load"
	"github.com/weftnet/weft/bench/report"
)

// ErrFailed says that the run ended, and that something in its report must not be so.
var ErrFailed = errors.New("between")

// Run measures to the server at o.Address, over overlay and underlay when it is a peer of the local node. In a round each
// measure is made over one path and at once over the other, in turns beginning with the one and with the other.
//
// The report holds what was measured so far, also beside an error; it is nil when nothing had begun. Errors: ErrUsage
// wraps options that cannot be; an *EndedError is the server's end of the run or refusal, a *VersionError another version
// there; an ErrFailed says what must not be so (a path MTU below o.MTU, no figure at all, control connection lost); the
// context's own error is an interruption.
func Run(ctx context.Context, o Options) (*Report, error) {
	o, err := o.withDefaults()
	if err != nil {
		return nil, err
	}
	w, err := resolve(ctx, o)
	if err != nil {
		return nil, err
	}
	if err := checkMTU(o.MTU, w.paths[0]); err != nil {
		return nil, err
	}
	c, err := dial(ctx, w.control, w.node)
	if err != nil {
		return nil, err
	}
	defer c.Close()
	s := newSchedule(o, c, w)
	if err := s.checkTime(); err != nil {
		return nil, err
	}
	return s.report, s.run(ctx)
}

// checkMTU refuses what the local device cannot carry.
func checkMTU(want int, p *Path) error {
	if want > p.MTU {
		return fmt.Errorf("%w: MTU %d on a link of %d (%s)", ErrUsage, want, p.MTU, p.Device)
	}
	return nil
}

// schedule is one run of a client.
type schedule struct {
	options Options
	limits  limits
	client  *client
	far     func(*Path) load.Far
	report  *Report
	began   time.Time
}

func newSchedule(o Options, c *client, w *way) *schedule {
	return &schedule{
		options: o, client: c, report: newReport(o, w, c), began: time.Now(),
		limits: limits{duration: o.Duration, rate: c.server.MaxRate},
		far:    func(p *Path) load.Far { return far{c, p.Address} },
	}
}

// estimate is about how long n rounds take.
func (s *schedule) estimate(n int) time.Duration {
	var round time.Duration
	for _, p := range s.report.Paths {
		for _, m := range measures() {
			if p.closed(m.protocol) == "" && s.refused(m) == "" {
				round += m.cost(s.limits)
			}
		}
	}
	return time.Duration(n) * round
}

// checkTime refuses a run that the server would end before it is done.
func (s *schedule) checkTime() error {
	if need, most := s.estimate(s.options.Rounds), s.client.server.MaxTime; need > most {
		return fmt.Errorf("between: %s of transfers of %s take about %s, and %s allows %s: ask for fewer rounds or shorter transfers",
			count(s.options.Rounds, "round"), s.options.Duration, need.Round(time.Second), s.client.address, most)
	}
	return nil
}

func (s *schedule) refused(m measure) string {
	if m.refused == nil {
		return ""
	}
	return m.refused(s.limits)
}

// run measures, and ends the report.
func (s *schedule) run(ctx context.Context) error {
	err := s.probe(ctx)
	for round := 1; round <= s.options.Rounds && err == nil; round++ {
		err = s.round(ctx, round)
		if err == nil {
			s.say(round)
		}
	}
	s.report.fill()
	if err != nil {
		return err
	}
	s.report.Complete = true
	return s.verdict()
}

// say tells how far it is, and how long it will take as things go.
func (s *schedule) say(round int) {
	left := time.Since(s.began) / time.Duration(round) * time.Duration(s.options.Rounds-round)
	fmt.Fprintf(s.options.Out, "round %d/%d   %s left\n", round, s.options.Rounds, left.Round(time.Second))
}

// round makes every measure over every path once.
func (s *schedule) round(ctx context.Context, round int) error {
	for _, m := range measures() {
		for i := range s.report.Paths {
			p := s.report.Paths[(i+round+1)%len(s.report.Paths)] // the first round begins with the first path
			if p.closed(m.protocol) != "" || s.refused(m) != "" {
				continue
			}
			readings, err := m.run(ctx, s.far(p), s.limits)
			if broken := s.broken(ctx); broken != nil {
				return broken
			}
			s.report.add(p.Name, m, round, readings, err)
		}
	}
	return nil
}

// broken is why the run cannot go on.
func (s *schedule) broken(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("between: %w", err)
	}
	return s.client.err()
}

// probe finds out which paths take which protocols, and their MTU.
func (s *schedule) probe(ctx context.Context) error {
	for _, p := range s.report.Paths {
		if p.Unavailable != "" {
			continue
		}
		s.probePath(ctx, p)
		if err := s.broken(ctx); err != nil {
			return err
		}
	}
	return nil
}

// How long the probes of a path may take.
const (
	probeTime = 5 * time.Second  // longer than a connection takes to be tried again twice (1 s and 2 s, RFC 6298)
	mtuTime   = 30 * time.Second // of load.PathMTU over round trips of 300 ms; a path that carries nothing is known after 3 s
)

func (s *schedule) probePath(ctx context.Context, p *Path) {
	to := s.far(p)
	bounded, cancel := context.WithTimeout(ctx, probeTime)
	_, err := load.Latency(bounded, load.Here{}, to, load.LatencyOptions{Proto: load.TCP, Duration: time.Second, MaxSamples: 1, WarmUp: -1})
	cancel()
	p.TCP = closedText(err)
	bounded, cancel = context.WithTimeout(ctx, mtuTime)
	defer cancel()
	mtu, err := load.PathMTU(bounded, load.Here{}, to, p.MTU)
	if p.UDP = closedText(err); err == nil {
		row := s.report.row(p.Name, mtuMetric.ID)
		row.Rounds = append(row.Rounds, report.Sample{Round: 1, Value: float64(mtu)})
	}
	s.checkPathMTU(p, mtu)
	if p.TCP != "" && p.UDP != "" {
		p.Unavailable = p.TCP
	}
}

// closedText is why a probe did not come through; empty: it did.
func closedText(err error) string {
	switch {
	case err == nil:
		return ""
	case errors.Is(err, context.DeadlineExceeded):
		return "no answer: a firewall may be on the way (the ports of the measurement are chosen by the other side's kernel)"
	}
	return err.Error()
}

// checkPathMTU notes whether the first path carries what was expected.
func (s *schedule) checkPathMTU(p *Path, mtu int) {
	if s.options.MTU == 0 || p != s.report.Paths[0] || p.UDP != "" {
		return
	}
	check := report.Check{Subject: p.Name, Name: "mtu", OK: mtu >= s.options.MTU, Rounds: 1}
	if !check.OK {
		check.Detail = fmt.Sprintf("packets of %d bytes pass, expected are %d", mtu, s.options.MTU)
	}
	s.report.Checks = append(s.report.Checks, check)
}

// verdict is the error of a run that came to its end.
func (s *schedule) verdict() error {
	if s.report.figures() == 0 {
		return fmt.Errorf("%w: nothing could be measured: %s", ErrFailed, s.report.Paths[0].closed(load.TCP))
	}
	for _, check := range s.report.Checks {
		if !check.OK {
			return fmt.Errorf("%w: %s: %s", ErrFailed, check.Subject, check.Detail)
		}
	}
	return nil
}
