package measure

import (
	"errors"
	"math"
	"testing"
)

func TestProcessorTimeOfTheWholeMachine(t *testing.T) {
	p, err := parseProcessor("cpu  100 20 30 1000 5 6 7 8 50 0\ncpu0 1 1 1 1\n")
	want := processor{busy: 100 + 20 + 30 + 6 + 7, steal: 8, total: 163 + 8 + 1005}
	if err != nil || p != want {
		t.Errorf("%+v, %v; want %+v", p, err, want)
	}
	for _, raw := range []string{"", "intr 1 2 3 4 5 6 7 8", "cpu 1 2 3", "cpu 1 2 3 4 5 6 7 x"} {
		if p, err := parseProcessor(raw); err == nil {
			t.Errorf("%q: %+v", raw, p)
		}
	}
	if _, err := readProcessor(); err != nil {
		t.Error(err)
	}
}

func TestProcessorTimeIsPerGBOfPayload(t *testing.T) {
	a, b := procID{pid: 5, start: 1}, procID{pid: 6, start: 1}
	before := usage{machine: processor{busy: 1000}, routers: map[procID]uint64{a: 10, b: 20}}
	after := usage{machine: processor{busy: 1300}, routers: map[procID]uint64{a: 60, b: 70}}
	readings, err := after.perGB(before, 2e9)
	if err != nil || len(readings) != 2 {
		t.Fatal(readings, err)
	}
	for i, want := range []float64{1.5, 0.5} { // 300 and 100 ticks of 10 ms for 2 GB
		if math.Abs(readings[i].Value-want) > 1e-9 {
			t.Errorf("%s = %v s/GB, want %v", readings[i].Metric, readings[i].Value, want)
		}
	}
}

func TestProcessorTimeOfARouterThatWasRestartedIsNoFigure(t *testing.T) {
	a, b := procID{pid: 5, start: 1}, procID{pid: 5, start: 2}
	for _, after := range []map[procID]uint64{{b: 1}, {}, {a: 5, b: 5}} {
		_, err := usage{routers: after}.perGB(usage{routers: map[procID]uint64{a: 1}}, 1e9)
		if !errors.Is(err, errRestarted) {
			t.Errorf("routers %v after %v: %v", after, a, err)
		}
	}
}

func TestSubjectWithoutRoutersHasNoReadingOfTheirs(t *testing.T) {
	readings, err := usage{machine: processor{busy: 100}}.perGB(usage{}, 1e9)
	if err != nil || len(readings) != 1 || readings[0].Metric != cpuMachine {
		t.Errorf("%v, %v", readings, err)
	}
}

func TestMemoryIsInBytes(t *testing.T) {
	peak, now, err := parseResident("Name:\tweft\nVmHWM:\t   20480 kB\nVmRSS:\t   10240 kB\n")
	if err != nil || peak != 20<<20 || now != 10<<20 {
		t.Errorf("%d, %d, %v", peak, now, err)
	}
	for _, raw := range []string{"", "Name:\tweft\nState:\tZ (zombie)\n", "VmHWM:\t kB\nVmRSS: 1 kB\n", "VmHWM: 1 kB\n"} {
		if peak, now, err := parseResident(raw); err == nil {
			t.Errorf("%q: %d, %d", raw, peak, now)
		}
	}
}
