package render

import (
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/weftnet/weft/bench/report"
)

// quick is a run of three subjects without host-gw.
func quick() *report.Report {
	r := only(sample(), "vxlan", "weft-batch-clear", "weft-batch-sealed")
	r.Options.Preset = "quick"
	return r
}

// only keeps the rows of some subjects.
func only(r *report.Report, subjects ...string) *report.Report {
	keep := map[string]bool{}
	for _, s := range subjects {
		keep[s] = true
	}
	was := *r
	r.Subjects, r.Rows, r.Checks = nil, nil, nil
	for _, s := range was.Subjects {
		if keep[s.Name] {
			r.Subjects = append(r.Subjects, s)
		}
	}
	for _, row := range was.Rows {
		if keep[row.Subject] {
			r.Rows = append(r.Rows, row)
		}
	}
	for _, c := range was.Checks {
		if keep[c.Subject] {
			r.Checks = append(r.Checks, c)
		}
	}
	report.Fill(r, report.References())
	return r
}

// longNames gives every subject a name that has no room.
func longNames() *report.Report {
	r := sample()
	long := func(name string) string { return name + "-with-a-name-that-is-far-too-long-for-a-chart" }
	for i := range r.Subjects {
		r.Subjects[i].Name = long(r.Subjects[i].Name)
	}
	for i := range r.Rows {
		r.Rows[i].Subject = long(r.Rows[i].Subject)
	}
	for i := range r.Checks {
		r.Checks[i].Subject = long(r.Checks[i].Subject)
	}
	r.Environment.CPU = strings.Repeat("Very Long Name of a Processor ", 9)
	report.Fill(r, report.References())
	return r
}

func TestTextsInChartsNeitherOverlapNorLeaveThePicture(t *testing.T) {
	for name, r := range map[string]*report.Report{
		"full": sample(), "quick": quick(), "long names": longNames(), "one subject": only(sample(), "weft-batch-sealed"), "without vxlan": only(sample(), "host-gw", "wireguard-go"),
	} {
		charts := newView(r).charts()
		if len(charts) != 4 {
			t.Errorf("%s: %d charts, want 4", name, len(charts))
		}
		for _, c := range charts {
			if err := misplaced(c.drawn()); err != nil {
				t.Errorf("%s: %s: %v", name, c.file, err)
			}
		}
	}
}

// misplaced names texts that overlap or are cut off.
func misplaced(d *drawing) error {
	if d.plot < 45 {
		return fmt.Errorf("only %.0f pixels are left for what is drawn", d.plot)
	}
	for i, a := range d.texts {
		if a.left < 0 || a.top < 0 || a.right > chartWidth || a.bottom > d.height {
			return fmt.Errorf("%q is cut off: %.0f to %.0f, %.0f to %.0f of %.0f x %.0f", a.text, a.left, a.right, a.top, a.bottom, chartWidth, d.height)
		}
		for _, b := range d.texts[:i] {
			if a.left < b.right && b.left < a.right && a.top < b.bottom && b.top < a.bottom {
				return fmt.Errorf("%q and %q overlap", a.text, b.text)
			}
		}
	}
	return nil
}

func TestABarIsAsLongAsItsRatio(t *testing.T) {
	c := newView(sample()).tcpChart()
	d := newDrawing(c)
	reference := d.axis.share(c.marked)
	for i, subject := range c.subjects {
		drawn := d.axis.share(c.panels[0].rows[i].points[0].Median)
		want, _ := ratioTo(newView(sample()).row(subject, "tcp1"), "vxlan")
		if math.Abs(drawn/reference-want.Median) > 1e-9 {
			t.Errorf("%s: the bar is %.4f times that of vxlan, want %.4f", subject, drawn/reference, want.Median)
		}
	}
}

func TestWithoutVXLANBarsShowFiguresThemselves(t *testing.T) {
	c := newView(only(sample(), "host-gw", "wireguard-go")).tcpChart()
	if c.marked != 0 || strings.Contains(c.lines[0], "ratio") {
		t.Errorf("marked %v, text %q", c.marked, c.lines[0])
	}
	if got := c.panels[0].rows[0].points[0].Median; got < 1e9 {
		t.Errorf("the bar of host-gw is %v, want bit/s", got)
	}
}

func TestARowWithoutFigureSaysSoInTheChart(t *testing.T) {
	c := newView(sample()).packetChart()
	for i, subject := range c.subjects {
		if r := c.panels[1].rows[i]; subject == "weft-plain-sealed" && (r.instead != "failed" || len(r.points) > 0) {
			t.Errorf("row = %+v, want failed and nothing drawn", r)
		}
	}
}

func TestSubjectsWithoutRouterAreToldFromThoseThatWereNotMeasured(t *testing.T) {
	r := sample()
	r.Rows = slices.DeleteFunc(r.Rows, func(row report.Row) bool { return row.Subject == "wireguard-go" && row.Metric == "cpu-machine" })
	r.Rows = slices.DeleteFunc(r.Rows, func(row report.Row) bool { return row.Subject == "underlay" && strings.HasPrefix(row.Metric, "cpu-") })
	c := newView(r).cpuChart()
	for i, name := range c.subjects {
		want := map[string][2]string{"vxlan": {"", "has none"}, "host-gw": {"", "has none"}, "wireguard-go": {notMeasured, ""}}[name]
		if got := [2]string{c.panels[0].rows[i].instead, c.panels[1].rows[i].instead}; got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	if slices.Contains(c.subjects, "underlay") {
		t.Error("a subject without any row has a place in the chart")
	}
}

func TestASubjectKeepsItsColourWhenOthersAreMissing(t *testing.T) {
	full, few := string(Files(sample())["tcp.svg"]), string(Files(quick())["tcp.svg"])
	class := seriesClass("weft-batch-sealed")
	if class == seriesClass("weft-batch-clear") || !strings.Contains(full, `class="`+class+`"`) || !strings.Contains(few, `class="`+class+`"`) {
		t.Errorf("class %s is not in both charts", class)
	}
	style := func(svg string) string {
		_, rest, _ := strings.Cut(svg, "<style>")
		return strings.Split(rest, "</style>")[0]
	}
	if style(full) != style(few) {
		t.Error("the styles of two charts differ")
	}
}

func TestTicksStandAtRoundValuesAndHaveRoom(t *testing.T) {
	for _, high := range []float64{1e-300, 0, 1e-9, 0.3, 1, 1.62, 7, 99, 134, 1e12, math.Inf(1), math.NaN()} {
		a := linearAxis(high, 110, plainTick)
		if len(a.ticks) == 0 || a.ticks[0].value != 0 || !a.fits(110) {
			t.Errorf("to %v: ticks %v", high, a.ticks)
		}
	}
	for _, ends := range [][2]float64{{9e-6, 13e-3}, {1, 1}, {1e-9, 1e3}, {0, 0}, {1e-300, 1}, {3e-6, 4e-6}} {
		a := logAxis(ends[0], ends[1], 220, tickSeconds)
		if len(a.ticks) == 0 || !a.fits(220) || !(a.low < a.high) {
			t.Errorf("from %v to %v: %+v", ends[0], ends[1], a)
		}
	}
}

// wellFormed reads all of an XML file.
func wellFormed(text []byte) error {
	d := xml.NewDecoder(strings.NewReader(string(text)))
	for {
		if _, err := d.Token(); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
	}
}

func TestAnyReportIsShownWithoutOverlapsAndAsWellFormedXML(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := anyReport(t)
		for _, c := range newView(r).charts() {
			if err := misplaced(c.drawn()); err != nil {
				t.Errorf("%s: %v", c.file, err)
			}
			if err := wellFormed(c.draw()); err != nil {
				t.Errorf("%s: %v", c.file, err)
			}
		}
		for name, text := range Files(r) {
			if strings.Contains(string(text), "NaN") || strings.Contains(string(text), "Inf") {
				t.Errorf("%s shows what is not a number", name)
			}
		}
		if err := Table(io.Discard, r, rapid.IntRange(0, 200).Draw(t, "width")); err != nil {
			t.Error(err)
		}
	})
}

// anyReport has figures that nobody measures.
func anyReport(t *rapid.T) *report.Report {
	names := rapid.SliceOfNDistinct(rapid.OneOf(rapid.SampledFrom(seriesNames[:]), rapid.StringMatching(`[a-z<&"'|\x60]{1,40}`)), 0, 9, rapid.ID[string]).Draw(t, "names")
	value := rapid.OneOf(rapid.Float64Range(0, 1e11), rapid.Float64Range(0, 1e-3), rapid.Float64(), rapid.SampledFrom([]float64{math.NaN(), math.Inf(1), math.Inf(-1), math.MaxFloat64, math.SmallestNonzeroFloat64}))
	r := &report.Report{Started: time.Unix(0, 0), Metrics: sampleMetrics, Environment: report.Environment{CPU: rapid.StringMatching(`.{0,80}`).Draw(t, "cpu")}}
	for _, name := range names {
		r.Subjects = append(r.Subjects, report.Subject{Name: name})
		for _, m := range sampleMetrics {
			if rapid.IntRange(0, 9).Draw(t, "missing") == 0 {
				continue
			}
			s := report.NewStats([]float64{value.Draw(t, "a"), value.Draw(t, "b"), value.Draw(t, "c")})
			row := report.Row{Subject: name, Metric: m.ID, Stats: &s, Rounds: []report.Sample{{Round: 1}}, Busy: rapid.IntRange(0, 1).Draw(t, "busy")}
			row.Ratios = map[string]report.Stats{"vxlan": report.NewStats([]float64{value.Draw(t, "r"), value.Draw(t, "s")})}
			r.Rows = append(r.Rows, row)
		}
		r.Checks = append(r.Checks, report.Check{Subject: name, Name: "payload", OK: rapid.Bool().Draw(t, "ok"), Detail: name})
	}
	return r
}
