package impair

import (
	"math"
	"slices"
	"testing"
	"time"
)

func rolled(o Options, way uint64, count int) []fate {
	d := newDice(o, way)
	fates := make([]fate, count)
	for i := range fates {
		fates[i] = d.roll()
	}
	return fates
}

func TestSharesAreThoseAskedFor(t *testing.T) {
	const count = 20_000
	o := Options{Loss: 0.05, Duplicate: 0.2, Reorder: 0.5, Hold: time.Second, Delay: time.Minute, Seed: 1}
	var lost, doubled, held float64
	for _, f := range rolled(o, 0, count) {
		switch f.copies {
		case 0:
			lost++
		case 2:
			doubled++
		}
		if f.held {
			held++
		}
		if want := time.Minute; f.copies > 0 && !f.held && f.after != want || f.held && f.after != want+time.Second {
			t.Fatalf("%+v is late by %v", f, f.after)
		}
	}
	for name, c := range map[string]struct{ got, want float64 }{
		"lost": {lost / count, 0.05}, "doubled": {doubled / count, 0.95 * 0.2}, "held": {held / count, 0.95 * 0.5},
	} {
		if most := 5 * math.Sqrt(c.want*(1-c.want)/count); math.Abs(c.got-c.want) > most { // five standard deviations
			t.Errorf("%s: %.4f, want %.4f", name, c.got, c.want)
		}
	}
}

func TestFatesDependOnSeedAndWayAlone(t *testing.T) {
	o := Options{Loss: 0.1, Duplicate: 0.1, Reorder: 0.1, Seed: 1}
	other := o
	other.Seed = 2
	first := rolled(o, 0, 1000)
	if !slices.Equal(first, rolled(o, 0, 1000)) {
		t.Error("the same seed gives other fates")
	}
	if slices.Equal(first, rolled(other, 0, 1000)) {
		t.Error("another seed gives the same fates")
	}
	if slices.Equal(first, rolled(o, 1, 1000)) {
		t.Error("both ways have the same fates")
	}
}

func TestNoShareLetsEverythingPassAndAFullOneNothing(t *testing.T) {
	for _, f := range rolled(Options{Hold: time.Second}, 0, 1000) {
		if f != (fate{copies: 1}) {
			t.Fatalf("%+v", f)
		}
	}
	for _, f := range rolled(Options{Loss: 1, Duplicate: 1, Reorder: 1, Hold: time.Second}, 0, 1000) {
		if f != (fate{}) {
			t.Fatalf("%+v", f)
		}
	}
}

func TestBadOptionsAreRefused(t *testing.T) {
	for _, o := range []Options{{Loss: -0.1}, {Duplicate: 1.1}, {Reorder: math.NaN()}, {Hold: -1}, {Delay: -1}} {
		if _, err := o.withDefaults(); err == nil {
			t.Errorf("%+v was taken", o)
		}
	}
}
