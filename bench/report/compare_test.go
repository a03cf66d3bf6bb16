package report

import (
	"math"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"
)

// changeBetween compares one row with these figures.
func changeBetween(better string, old, new []float64) Change {
	a, b := NewStats(old), NewStats(new)
	return changeOf(&Row{Subject: "s", Stats: &a}, &Row{Subject: "s", Stats: &b}, Metric{ID: "m", Better: better})
}

func TestChangeBeyondTheNoise(t *testing.T) {
	quiet, loud := []float64{99, 100, 100.5, 101, 99.5}, []float64{70, 100, 130, 90, 110}
	scaled := func(values []float64, by float64) []float64 {
		var all []float64
		for _, v := range values {
			all = append(all, v*by)
		}
		return all
	}
	for name, c := range map[string]struct {
		better   string
		old, new []float64
		effect   string
		beyond   bool
	}{
		"twice as much of what should be high": {Higher, quiet, scaled(quiet, 2), Better, true},
		"twice as much of what should be low":  {Lower, quiet, scaled(quiet, 2), Worse, true},
		"half of what should be high":          {Higher, quiet, scaled(quiet, 0.5), Worse, true},
		"twice as much of what has no side":    {Neither, quiet, scaled(quiet, 2), "", true},
		"half as much again, quiet":            {Higher, quiet, scaled(quiet, 1.5), Better, true},
		"half as much again, loud":             {Higher, loud, scaled(loud, 1.5), "", false},
		"below the floor":                      {Higher, quiet, scaled(quiet, 1.05), "", false},
		"the same":                             {Higher, quiet, quiet, "", false},
		"one byte of an exact figure":          {Higher, []float64{1450, 1450, 1450}, []float64{1449, 1449, 1449}, Worse, true},
		"an exact figure again":                {Higher, []float64{1450, 1450, 1450}, []float64{1450, 1450, 1450}, "", false},
		"two rounds":                           {Higher, quiet, scaled(quiet[:2], 3), "", false},
		"from zero":                            {Lower, []float64{0, 0, 0}, []float64{50, 51, 52}, Worse, true},
	} {
		got := changeBetween(c.better, c.old, c.new)
		if got.Beyond != c.beyond || got.Effect != c.effect || math.IsInf(got.Change, 0) || math.IsNaN(got.Noise) {
			t.Errorf("%s: %+v", name, got)
		}
		if got.TooFew != (len(c.new) < 3) {
			t.Errorf("%s: too few: %v", name, got.TooFew)
		}
	}
}

func TestUnchangedFiguresAreRarelyBeyondTheNoise(t *testing.T) {
	random := rand.New(rand.NewPCG(5, 6))
	for n, most := range map[int]float64{3: 1.0 / 20, 5: 1.0 / 60, 10: 1.0 / 200} {
		const pairs = 20000
		cries := 0
		for range pairs {
			c := Change{Old: normalStats(random, n, 1000, 100), New: normalStats(random, n, 1000, 100)}
			if c.judge(0); c.Beyond {
				cries++
			}
		}
		if share := float64(cries) / pairs; share > most {
			t.Errorf("%d rounds: one row in %.0f, want at most one in %.0f", n, 1/share, 1/most)
		}
	}
}

func TestLargeChangeIsFoundInNoisyFigures(t *testing.T) {
	random := rand.New(rand.NewPCG(7, 8))
	const pairs = 2000
	found := 0
	for range pairs {
		c := Change{Old: normalStats(random, 5, 1000, 50), New: normalStats(random, 5, 1300, 65)}
		if c.judge(ratioFloor); c.Beyond {
			found++
		}
	}
	if share := float64(found) / pairs; share < 0.8 {
		t.Errorf("30 %% more with a deviation of 5 %% is found in %.0f %% of the runs, want 80", 100*share)
	}
}

func TestComparisonIsOfRatiosWhereBothRunsHaveThem(t *testing.T) {
	old, new := example(), example()
	for i := range new.Rows { // a machine twice as fast changes no ratio
		for j := range new.Rows[i].Rounds {
			new.Rows[i].Rounds[j].Value *= 2
		}
	}
	Fill(new, References())
	c := Compare(old, new)
	if len(c.Changes) != 3 || len(c.Metrics) != 2 {
		t.Fatalf("comparison = %+v", c)
	}
	for _, change := range c.Changes {
		onRatio := change.Subject == "weft" && change.Metric == "tcp1"
		want := Change{Basis: BasisValue, Change: 1, Beyond: true}
		if onRatio {
			want = Change{Basis: BasisRatio}
		}
		if change.Basis != want.Basis || change.Change != want.Change || change.Beyond != want.Beyond {
			t.Errorf("%s %s: %+v", change.Subject, change.Metric, change)
		}
	}
}

func TestComparisonFallsBackToValuesAndNamesRowsOfOneRunOnly(t *testing.T) {
	old, new := example(), example()
	old.Rows = old.Rows[1:] // no vxlan tcp1 in the old run
	Fill(old, References())
	new.Rows = new.Rows[:2]
	c := Compare(old, new)
	if len(c.Changes) != 1 || c.Changes[0].Basis != BasisValue {
		t.Errorf("changes = %+v", c.Changes)
	}
	if !reflect.DeepEqual(c.OnlyNew, []string{"vxlan tcp1"}) || !reflect.DeepEqual(c.OnlyOld, []string{"weft rr-tcp-p50"}) {
		t.Errorf("only old %q, only new %q", c.OnlyOld, c.OnlyNew)
	}
}

func TestDifferencesOfTheEnvironmentAreListed(t *testing.T) {
	old, new := example(), example()
	if c := Compare(old, new); len(c.Environment) > 0 {
		t.Errorf("the same environment differs: %q", c.Environment)
	}
	new.Environment.Kernel, new.Options.MTU = "6.2", 9000
	new.Environment.Boot = "two"
	new.Environment.Sysctls = map[string]string{"net.core.rmem_max": "212992"}
	for i := range new.Environment.Devices {
		new.Environment.Devices[i].MTU = 9000
		new.Environment.Devices[i].Offloads = map[string]bool{"tx-udp-segmentation": false}
	}
	want := []string{
		"underlay MTU: 1500, now 9000",
		"kernel: 6.1, now 6.2",
		"sysctl net.core.rmem_max: none, now 212992",
		"device eth0 in a of vxlan and 1 more: MTU: 1500, now 9000",
		"device eth0 in a of vxlan and 1 more: offload tx-udp-segmentation: on, now off",
	}
	if got := Compare(old, new).Environment; !reflect.DeepEqual(got, want) {
		t.Errorf("differences:\n%s", strings.Join(got, "\n"))
	}
}
