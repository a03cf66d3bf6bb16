package measure

import (
	"context"
	"errors"
	"maps"
	"testing"

	"github.com/weftnet/weft/lab"
)

func TestWorkOfTheRoutersIsThatOfTheStepAndStandsBesideItsReadings(t *testing.T) {
	target, _ := testTarget(t, lab.Options{})
	totals := map[string]uint64{
		"queues.segments_read": 1000, "queues.superpackets_read": 100, "packets_out": 50, "send_calls": 50, "spins": 7, "waits": 9,
	}
	target.RouterWork = func(context.Context) (map[string]uint64, error) { return maps.Clone(totals), nil }
	w := begin(t, target)
	totals["queues.segments_read"] += 420
	totals["queues.superpackets_read"] += 10
	totals["spins"] += 3
	totals["waits"] = 2 // a router was restarted
	d := Merge([]Reading{{Metric: "a"}}, observe(t, w))[0].Detail
	want := map[string]float64{"segments_per_superpacket_out": 42, "spins": 3, "waits": 2}
	for name, value := range want {
		if d[name] != value {
			t.Errorf("%s = %v, want %v", name, d[name], value)
		}
	}
	for _, name := range []string{"frames_per_call_out", "frames_per_call_in", "segments_per_superpacket_in"} {
		if value, known := d[name]; known {
			t.Errorf("%s = %v of what did not move, or is not counted", name, value)
		}
	}
}

func TestRoutersThatDoNotTellOfTheirWorkHaveNoDetailsOfIt(t *testing.T) {
	target, _ := testTarget(t, lab.Options{})
	for name, work := range map[string]func(context.Context) (map[string]uint64, error){
		"nobody to ask": nil, "an old one": func(context.Context) (map[string]uint64, error) { return nil, nil },
	} {
		target.RouterWork = work
		d := Merge([]Reading{{Metric: "a"}}, observe(t, begin(t, target)))[0].Detail
		for _, one := range workDetails {
			if _, known := d[one.detail]; known {
				t.Errorf("%s: %v", name, d)
			}
		}
	}
}

func TestRoutersThatCannotBeAskedAreAnErrorOfTheWatch(t *testing.T) {
	target, _ := testTarget(t, lab.Options{})
	target.RouterWork = func(context.Context) (map[string]uint64, error) { return nil, errors.New("gone") }
	if _, err := Begin(t.Context(), target); err == nil {
		t.Error("a router that is gone is watched")
	}
}
