package bench

import (
	"testing"
	"time"
)

// TestPresetsKeepTheirTimes holds what the command line promises: the measures' own costs, with all subjects of the preset.
func TestPresetsKeepTheirTimes(t *testing.T) {
	for name, most := range map[string]time.Duration{
		Quick:    85 * time.Second, // of 90, with the set-up of about a second
		Standard: 12 * time.Minute, // "about ten"
		Full:     43 * time.Minute, // of 45
	} {
		p, err := newPlan(Options{Preset: name, Out: "x"}, &local{})
		if err != nil {
			t.Fatal(err)
		}
		steps := p.steps(1, subjectNames(p.subjects))
		took := newEstimate(p.lengths, nil).all(steps)
		t.Logf("%s: %d steps, %v", name, len(steps), took.Round(time.Second))
		if took > most || took < most/4 {
			t.Errorf("%s: %v, want %v at most, and not much less", name, took, most)
		}
	}
}
