// Package report is what a run of the bench leaves: its schema, the statistics over its rounds, and the comparison of two
// runs. It measures nothing and draws nothing.
//
// Words. A subject is one way to connect the two hosts (vxlan, weft-batch-sealed). A measure is one thing done to it (a TCP
// transfer of one stream), a metric one figure that a measure gives (its rate; the median of its round trips). A round
// measures every subject once with every measure. A row is one metric of one subject in all rounds.
//
// Always. A ratio is taken within one round and the median of those ratios is shown, never the ratio of two medians.
package report

import "time"

// Schema is the version of the JSON. Readers refuse another one; fields may be added without a new version.
const Schema = "weft-bench/1"

// Report is one run.
type Report struct {
	Schema      string      `json:"schema"`
	Started     time.Time   `json:"started"`
	Ended       time.Time   `json:"ended"`
	Seconds     float64     `json:"seconds"` // of measuring, without the time between an interruption and its resumption
	Complete    bool        `json:"complete"`
	Options     Options     `json:"options"`
	Environment Environment `json:"environment"`
	Subjects    []Subject   `json:"subjects"` // in the order of the schedule; those that cannot run are at the end
	Metrics     []Metric    `json:"metrics"`  // in the order in which they are shown
	Rows        []Row       `json:"rows"`
	Checks      []Check     `json:"checks"`
	Schedule    []Step      `json:"schedule"` // what was done, in this order
}

// Options are what was asked for.
type Options struct {
	Preset     string   `json:"preset"` // quick, standard or full
	Subjects   []string `json:"subjects"`
	Measures   []string `json:"measures"`
	Rounds     int      `json:"rounds"`
	MTU        int      `json:"mtu"`                   // bytes, of the underlay
	OverlayMTU int      `json:"overlay_mtu,omitempty"` // bytes, the same for all subjects; 0: what each leaves
	Rate       uint64   `json:"rate,omitempty"`        // bit/s of each host's cable; 0: unlimited
}

// Subject is one way to connect the hosts.
type Subject struct {
	Name        string            `json:"name"`
	About       string            `json:"about"`
	Unavailable string            `json:"unavailable,omitempty"` // why it did not run
	MTU         int               `json:"mtu,omitempty"`         // bytes, of the pods' interfaces
	Details     map[string]string `json:"details,omitempty"`     // driver, cipher, version and the like, as it ran
}

// Which values of a metric are better.
const (
	Higher  = "higher"
	Lower   = "lower"
	Neither = ""
)

// Metric is one kind of figure.
type Metric struct {
	ID      string `json:"id"`      // "tcp1", "rr-tcp-idle-p99"
	Title   string `json:"title"`   // "TCP, 1 stream"
	Unit    string `json:"unit"`    // "bit/s", "packets/s", "s", "1/s", "s/GB", "bytes"
	Better  string `json:"better"`  // higher, lower, or empty
	Measure string `json:"measure"` // the measure that gives it
}

// Row is one metric of one subject.
type Row struct {
	Subject string           `json:"subject"`
	Metric  string           `json:"metric"`
	Rounds  []Sample         `json:"rounds"`
	Stats   *Stats           `json:"stats,omitempty"`  // nil: no round gave a figure
	Ratios  map[string]Stats `json:"ratios,omitempty"` // by reference subject (vxlan, host-gw): over the rounds that have both
	Detail  map[string]Stats `json:"detail,omitempty"` // of what is shown beside the figure: retransmits, loss, drops
	Busy    int              `json:"busy,omitempty"`   // rounds in which another process used the machine heavily
}

// Sample is the figure of one round.
type Sample struct {
	Round  int                `json:"round"` // from 1
	Value  float64            `json:"value"`
	Detail map[string]float64 `json:"detail,omitempty"`
	Busy   float64            `json:"busy,omitempty"`  // share of the machine that other processes took, 0 to 1
	Error  string             `json:"error,omitempty"` // then there is no figure
}

// Stats sum up the figures of several rounds.
type Stats struct {
	Count  int     `json:"count"`
	Median float64 `json:"median"`
	Low    float64 `json:"low"`
	High   float64 `json:"high"`
	MAD    float64 `json:"mad"`            // median of the distances to the median
	Busy   int     `json:"busy,omitempty"` // of a ratio: rounds in which the machine was busy beside one of its two sides
}

// Check is one thing that must hold of a subject for its figures to count.
type Check struct {
	Subject string `json:"subject"`
	Name    string `json:"name"` // "payload", "checksums", "fragments"
	OK      bool   `json:"ok"`
	Rounds  int    `json:"rounds"`           // in how many rounds it was looked at
	Detail  string `json:"detail,omitempty"` // what was seen when it did not hold
}

// Step is one measure of one subject in one round.
type Step struct {
	Round   int       `json:"round"`
	Subject string    `json:"subject"`
	Measure string    `json:"measure"`
	Started time.Time `json:"started"`
	Seconds float64   `json:"seconds"`
	Error   string    `json:"error,omitempty"`
}

// Environment is what the figures depend on.
type Environment struct {
	Weft        string            `json:"weft"`   // version
	Commit      string            `json:"commit"` // empty when it is not known; ends in -dirty
	Binary      string            `json:"binary"` // SHA-256 of weft's executable, hexadecimal
	Go          string            `json:"go"`
	Kernel      string            `json:"kernel"`
	OS          string            `json:"os"`
	Arch        string            `json:"arch"`
	CPU         string            `json:"cpu"`
	Cores       int               `json:"cores"`
	CPUFlags    []string          `json:"cpu_flags"` // those that matter to ciphers: aes, avx2, vaes and the like
	Memory      uint64            `json:"memory"`    // bytes
	Virtual     string            `json:"virtual"`   // hypervisor, when the CPU says that there is one
	Boot        string            `json:"boot"`      // boot id: runs of two boots are not resumed
	Governor    string            `json:"governor"`  // of the first core's clock; empty when the kernel has none to choose
	Mitigations map[string]string `json:"mitigations"`
	Sysctls     map[string]string `json:"sysctls"`
	Versions    map[string]string `json:"versions"` // of programs and modules: iperf3, wireguard-go
	Devices     []Device          `json:"devices"`
}

// Device is one network device of the bed with its offloads.
type Device struct {
	Subject   string          `json:"subject"`
	Namespace string          `json:"namespace"` // "a", "a-pod", "switch"
	Name      string          `json:"name"`
	Type      string          `json:"type"`
	MTU       int             `json:"mtu"`
	QueueLen  int             `json:"queue_len"`
	GSOMax    int             `json:"gso_max_size"`
	Offloads  map[string]bool `json:"offloads"`
}
