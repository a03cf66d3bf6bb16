package report

import (
	"strings"
	"testing"
	"time"
)

func TestExampleIsValid(t *testing.T) {
	if err := Validate(example()); err != nil {
		t.Error(err)
	}
}

func TestEveryBreachIsFound(t *testing.T) {
	for want, breach := range map[string]func(*Report){
		`schema "x"`:           func(r *Report) { r.Schema = "x" },
		"0 rounds":             func(r *Report) { r.Options.Rounds = 0 },
		"started":              func(r *Report) { r.Ended = r.Started.Add(-time.Second) },
		"seconds of":           func(r *Report) { r.Seconds = -1 },
		"subject \"weft\"":     func(r *Report) { r.Subjects[0].Name = "weft" },
		`metric "tcp1"`:        func(r *Report) { r.Metrics[1].ID = "tcp1" },
		`better "more"`:        func(r *Report) { r.Metrics[0].Better = "more" },
		"without title":        func(r *Report) { r.Metrics[0].Title = "" },
		"row weft tcp1: twice": func(r *Report) { r.Rows = append(r.Rows, r.Rows[1]) },
		"row wireguard tcp1: no such subject that ran": func(r *Report) { r.Rows[0].Subject = "wireguard" },
		"row vxlan x: no such":                         func(r *Report) { r.Rows[0].Metric = "x" },
		"round 1 after 1":                              func(r *Report) { r.Rows[0].Rounds[1].Round = 1 },
		"round 4 after 2":                              func(r *Report) { r.Rows[0].Rounds[2].Round = 4 },
		"a figure and an error":                        func(r *Report) { r.Rows[0].Rounds[0].Error = "x" },
		"busy 2":                                       func(r *Report) { r.Rows[0].Rounds[0].Busy = 2 },
		"do not follow":                                func(r *Report) { r.Rows[1].Stats.Median++ },
		"row vxlan tcp1: the statistics":               func(r *Report) { r.Rows[0].Busy = 1 },
		"row weft rr-tcp-p50: the statistics":          func(r *Report) { r.Rows[2].Detail = map[string]Stats{"x": {}} },
		"row weft tcp1: the statistics":                func(r *Report) { r.Rows[1].Ratios["host-gw"] = Stats{} },
		"check vxlan payload: failed, but":             func(r *Report) { r.Checks[0] = Check{Subject: "vxlan", Name: "payload"} },
		"check x payload: no such":                     func(r *Report) { r.Checks[0].Subject = "x" },
		"check weft \"payload\": unnamed or twice":     func(r *Report) { r.Checks = append(r.Checks, r.Checks[0]) },
		"round 1 vxlan rr-tcp: not interleaved":        func(r *Report) { r.Schedule[0], r.Schedule[4] = r.Schedule[4], r.Schedule[0] },
		"round 1 vxlan tcp1: not interleaved":          func(r *Report) { r.Schedule[0], r.Schedule[3] = r.Schedule[3], r.Schedule[0] },
		`round 1 vxlan "tcp1": unknown`:                func(r *Report) { r.Schedule[1] = r.Schedule[0] },
		"round 1 vxlan rr-tcp is not in the schedule":  func(r *Report) { r.Schedule = append(r.Schedule[:1:1], r.Schedule[2:]...) },
	} {
		r := example()
		breach(r)
		if err := Validate(r); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error = %v, want %q", err, want)
		}
	}
}

func TestIncompleteReportMayEndAnywhere(t *testing.T) {
	r := example()
	r.Complete, r.Schedule = false, r.Schedule[:5]
	if err := Validate(r); err != nil {
		t.Error(err)
	}
}
