package measure

import (
	"slices"
	"strings"
	"testing"

	"github.com/weftnet/weft/bench/report"
)

func TestMeasuresAreFoundByNameInTheOrderOfARound(t *testing.T) {
	want := "tcp1 tcp4 tcp16 tcp-both tcp1-host udp-gso udp64 udp512 udp1350 rr-tcp rr-udp rr-tcp-load rr-udp-load conns mtu idle memory restart"
	if got := strings.Join(Names(), " "); got != want {
		t.Errorf("names:\n%s, want\n%s", got, want)
	}
	for _, name := range Names() {
		if m, err := ByName(name); err != nil || m.ID() != name {
			t.Errorf("%s: %v, %v", name, m, err)
		}
	}
}

func TestCPUIsAnotherNameOfTheTransferThatMeasuresIt(t *testing.T) {
	m, err := ByName("cpu")
	if err != nil || m.ID() != "tcp4" {
		t.Errorf("cpu is %v, %v; want tcp4", m, err)
	}
}

func TestUnknownNameIsAnsweredWithTheKnownOnesInOneLine(t *testing.T) {
	_, err := ByName("tcp2")
	if err == nil || strings.Contains(err.Error(), "\n") {
		t.Fatal(err)
	}
	for _, name := range append(Names(), "cpu", `"tcp2"`) {
		if !strings.Contains(err.Error(), name) {
			t.Errorf("%v: does not name %s", err, name)
		}
	}
}

func TestMetricsHaveOneMeasureAUnitAndAnAbout(t *testing.T) {
	units := []string{"bit/s", "packets/s", "s", "1/s", "s/GB", "bytes", "% of a core"}
	seen := map[string]string{}
	for _, m := range All() {
		if m.About() == "" || m.Cost(short) <= 0 {
			t.Errorf("%s: about %q, cost %v", m.ID(), m.About(), m.Cost(short))
		}
		for _, metric := range m.Metrics() {
			if metric.Measure != m.ID() || metric.Title == "" || !slices.Contains(units, metric.Unit) {
				t.Errorf("%s: %+v", m.ID(), metric)
			}
			if metric.Better != report.Higher && metric.Better != report.Lower {
				t.Errorf("%s: %s is not better in any direction", m.ID(), metric.ID)
			}
			if other, taken := seen[metric.ID]; taken {
				t.Errorf("%s is given by %s and %s", metric.ID, other, m.ID())
			}
			seen[metric.ID] = m.ID()
		}
	}
}

func TestMissingProgramIsSaidInOneLineWithItsPackage(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	if err := Unavailable([]Measure{roundTrips{proto: "tcp"}, pathMTU{}}); err != nil {
		t.Errorf("measures that need no program: %v", err)
	}
	for _, m := range []Measure{bulk{streams: 1}, roundTrips{proto: "udp", loaded: true}, memory{}} {
		err := Unavailable([]Measure{pathMTU{}, m})
		if err == nil {
			t.Errorf("%s does without iperf3", m.ID())
			continue
		}
		for _, part := range []string{m.ID(), "package iperf3", "scripts/setup.sh"} {
			if !strings.Contains(err.Error(), part) || strings.Contains(err.Error(), "\n") {
				t.Errorf("%v: want one line with %s", err, part)
			}
		}
	}
}
