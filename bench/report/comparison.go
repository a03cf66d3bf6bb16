package report

import "time"

// What a comparison of two runs is based on.
const (
	BasisRatio = "ratio to vxlan" // taken within rounds, so that a faster or busier machine changes both sides of it
	BasisValue = "value"          // vxlan was not measured beside it in one of the runs, or the row is vxlan's own
)

// Comparison is what changed from one run to another.
type Comparison struct {
	Old         Run      `json:"old"`
	New         Run      `json:"new"`
	Environment []string `json:"environment"` // differences, one line each: "kernel: 6.18.5, now 6.19.1"
	Metrics     []Metric `json:"metrics"`     // of the changes, in the order in which they are shown
	Changes     []Change `json:"changes"`     // metric by metric, in each of them subject by subject
	OnlyOld     []string `json:"only_old"`    // rows without a figure in the new run: "vxlan tcp1"
	OnlyNew     []string `json:"only_new"`    // rows without a figure in the old run
}

// Run names one of the two.
type Run struct {
	Started  time.Time `json:"started"`
	Weft     string    `json:"weft"`
	Commit   string    `json:"commit"`
	Preset   string    `json:"preset"`
	Complete bool      `json:"complete"`
}

// Effects of a change that is beyond the noise.
const (
	Better = "better"
	Worse  = "worse"
)

// Change is what became of one row.
type Change struct {
	Subject string  `json:"subject"`
	Metric  string  `json:"metric"`
	Basis   string  `json:"basis"`  // BasisRatio or BasisValue: what Old and New are statistics of
	Old     Stats   `json:"old"`    // ratios without unit, or values in the metric's unit
	New     Stats   `json:"new"`    // like Old
	Change  float64 `json:"change"` // new median/old median - 1: 0.1 is ten percent more; 0 when the old median is 0
	Noise   float64 `json:"noise"`  // how large Change must be to count, without sign; 0 when TooFew
	TooFew  bool    `json:"too_few,omitempty"`
	Beyond  bool    `json:"beyond"`           // the change is larger than the noise; false when TooFew
	Effect  string  `json:"effect,omitempty"` // Better or Worse, when Beyond and the metric has a better side
}
