package report

import (
	"reflect"
	"testing"
)

func TestRatiosAreTakenWithinOneRound(t *testing.T) {
	row := example().Rows[1]
	// 5/10, 8/20, 7/10: the median ratio is 0.5; that of the medians would be 0.7.
	if got := row.Ratios["vxlan"]; got.Median != 0.5 || got.Low != 0.4 || got.High != 0.7 || got.Count != 3 {
		t.Errorf("ratios = %+v", got)
	}
	if _, there := row.Ratios["host-gw"]; there {
		t.Error("there is a ratio to a subject that was not measured")
	}
}

func TestRatiosAreTakenOverTheRoundsThatBothHave(t *testing.T) {
	r := example()
	r.Rows[0].Rounds[1] = Sample{Round: 2, Error: "broken"}
	r.Rows[0].Rounds[2].Value = 0
	Fill(r, References())
	if got := r.Rows[1].Ratios["vxlan"]; got.Count != 1 || got.Median != 0.5 {
		t.Errorf("ratios = %+v", got)
	}
	r.Rows[1].Rounds[0] = Sample{Round: 1, Error: "broken"}
	Fill(r, References())
	if got := r.Rows[1].Ratios; got != nil {
		t.Errorf("ratios = %+v, want none", got)
	}
}

func TestReferenceHasItsOwnRatio(t *testing.T) {
	if got := example().Rows[0].Ratios["vxlan"]; got != (Stats{3, 1, 1, 1, 0, 0}) {
		t.Errorf("ratio = %+v", got)
	}
}

func TestFailedRoundsHaveNoPartInTheStatistics(t *testing.T) {
	r := example()
	r.Rows[1].Rounds[0] = Sample{Round: 1, Error: "broken", Busy: 0.9}
	Fill(r, References())
	row := r.Rows[1]
	if row.Stats.Count != 2 || row.Stats.Median != 7.5 || row.Detail["retransmits"].Count != 1 || row.Busy != 2 {
		t.Errorf("row = %+v", row)
	}
	for i := range row.Rounds {
		r.Rows[1].Rounds[i] = Sample{Round: i + 1, Error: "broken"}
	}
	Fill(r, References())
	if row := r.Rows[1]; row.Stats != nil || row.Detail != nil || row.Busy != 0 {
		t.Errorf("row without figures = %+v", row)
	}
}

func TestFillingAgainChangesNothing(t *testing.T) {
	once, twice := example(), example()
	Fill(twice, References())
	if !reflect.DeepEqual(once, twice) {
		t.Errorf("%+v\n%+v", once, twice)
	}
}

func TestARatioToADisturbedReferenceIsMarked(t *testing.T) {
	r := &Report{Rows: []Row{
		{Subject: "vxlan", Metric: "tcp1", Rounds: []Sample{{Round: 1, Value: 2, Busy: 0.5}, {Round: 2, Value: 2}}},
		{Subject: "weft", Metric: "tcp1", Rounds: []Sample{{Round: 1, Value: 1}, {Round: 2, Value: 1}}},
	}}
	Fill(r, []string{"vxlan"})
	if weft := r.Rows[1]; weft.Busy != 0 || weft.Ratios["vxlan"].Busy != 1 {
		t.Errorf("busy rounds: %d of weft, %d of its ratio; want 0 and 1", weft.Busy, weft.Ratios["vxlan"].Busy)
	}
}
