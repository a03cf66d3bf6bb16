package between

import (
	"time"

	"github.com/weftnet/weft/bench/report"
)

// Schema is the version of the JSON. Fields may be added without a new version.
const Schema = "weft-between/1"

// Report is one run between two machines.
type Report struct {
	Schema   string          `json:"schema"`
	Started  time.Time       `json:"started"`
	Ended    time.Time       `json:"ended"`
	Complete bool            `json:"complete"`
	Address  string          `json:"address"`  // as it was asked for
	Duration float64         `json:"duration"` // seconds, of one TCP transfer
	Rounds   int             `json:"rounds"`
	MTU      int             `json:"mtu,omitempty"`      // bytes, that the overlay was expected to carry
	MaxRate  uint64          `json:"max_rate,omitempty"` // bit/s, that the other side allowed
	Here     Side            `json:"here"`
	There    Side            `json:"there"`
	Paths    []*Path         `json:"paths"`
	Metrics  []report.Metric `json:"metrics"` // in the order in which they are shown
	Rows     []report.Row    `json:"rows"`    // the subject of a row is a path; ratios are those to the underlay, within one round
	Checks   []report.Check  `json:"checks"`
}

// Side is one of the two machines.
type Side struct {
	Node string `json:"node,omitempty"` // empty: no daemon
	Weft string `json:"weft"`           // version
	Host string `json:"host"`           // kernel and processors
}

// newReport is one without figures.
func newReport(o Options, w *way, c *client) *Report {
	r := &Report{
		Schema: Schema, Started: time.Now(), Address: o.Address, Duration: o.Duration.Seconds(), Rounds: o.Rounds, MTU: o.MTU,
		MaxRate: c.server.MaxRate, Here: thisSide(w.node), There: thatSide(&c.server), Paths: w.paths, Checks: []report.Check{},
	}
	for _, m := range measures() {
		r.Metrics = append(r.Metrics, m.metrics...)
	}
	r.Metrics = append(r.Metrics, mtuMetric)
	for _, m := range r.Metrics {
		for _, p := range r.Paths {
			r.Rows = append(r.Rows, report.Row{Subject: p.Name, Metric: m.ID, Rounds: []report.Sample{}})
		}
	}
	return r
}

// row is the one of a metric over a path.
func (r *Report) row(path, metric string) *report.Row {
	for i := range r.Rows {
		if r.Rows[i].Subject == path && r.Rows[i].Metric == metric {
			return &r.Rows[i]
		}
	}
	return nil
}

// add enters the figures of one measure, or its error. A metric without figure gets no sample.
func (r *Report) add(path string, m measure, round int, readings []reading, err error) {
	for i, metric := range m.metrics {
		if err == nil && i >= len(readings) {
			break
		}
		s := report.Sample{Round: round}
		if err != nil {
			s.Error = err.Error()
		} else {
			s.Value, s.Detail = readings[i].value, readings[i].detail
		}
		row := r.row(path, metric.ID)
		row.Rounds = append(row.Rounds, s)
	}
}

// fill computes what follows from the rounds.
func (r *Report) fill() {
	whole := &report.Report{Rows: r.Rows}
	report.Fill(whole, []string{Underlay})
	r.Ended = time.Now()
}

// figures is how many rows have one.
func (r *Report) figures() int {
	n := 0
	for _, row := range r.Rows {
		if row.Stats != nil {
			n++
		}
	}
	return n
}
