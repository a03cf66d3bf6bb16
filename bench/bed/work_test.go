package bed

import (
	"encoding/json"
	"maps"
	"testing"

	"github.com/weftnet/weft/node/api"
)

func TestTotalsAreTheWholeNumbersOfTheFastPath(t *testing.T) {
	values := map[string]json.RawMessage{}
	err := json.Unmarshal([]byte(`{"lanes": 2, "spins": 18446744073709551615, "why": "two cores", "ratio": 41.5, "polled": true,
		"per_lane": [{"waits": 1}], "nothing": null, "queues": {"segments_read": 7, "note": "x", "deeper": {"n": 1}}}`), &values)
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]uint64{}
	addTotals(got, "", values)
	want := map[string]uint64{"lanes": 2, "spins": 18446744073709551615, "queues.segments_read": 7, "queues.deeper.n": 1}
	if !maps.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
}

func TestTheWorkOfTheDaemonsIsTold(t *testing.T) {
	s, err := ByName("weft-super-clear")
	if err != nil {
		t.Fatal(err)
	}
	b := testBed(t, Options{}, s)
	totals, err := b.Target.RouterWork(soon(t))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{
		"queues.segments_read", "queues.superpackets_read", "packets_in", "superpackets_in", "packets_out", "send_calls", "frames_in",
		"receive_calls", "spins", "waits",
	} {
		if _, told := totals[name]; !told {
			t.Errorf("%s is not among %v", name, totals)
		}
	}
}

func TestADaemonWithoutAFastPathTellsNothing(t *testing.T) {
	if totals, err := fastPathTotals(&api.Status{}); err != nil || totals["packets_out"] != 0 {
		t.Errorf("%v, %v", totals, err)
	}
}
