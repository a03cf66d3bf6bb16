package between

import (
	"errors"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/weftnet/weft/bench/report"
)

// sample is a report of two rounds over both paths; the underlay has no UDP, and one round failed.
func sample() *Report {
	o := Options{Address: "vm-2:9340", Duration: 2 * time.Second, Rounds: 2, MTU: 1500}
	w := &way{node: "vm-1", peer: "vm-2", paths: []*Path{
		{Name: Overlay, Address: netip.MustParseAddr("10.90.2.1"), Device: "weft0", MTU: 1440},
		{Name: Underlay, Address: netip.MustParseAddr("192.0.2.11"), Device: "eth0", MTU: 1500, UDP: "no answer"},
	}}
	r := newReport(o, w, &client{server: welcome{Weft: "v1.0.0", Node: "vm-2", Host: "Linux 6.18, amd64, 4 cores"}})
	r.Here.Weft, r.Here.Host = "v1.0.0", "Linux 6.18, amd64, 2 cores"
	r.Started = time.Date(2026, 11, 21, 4, 0, 0, 0, time.UTC)
	all := measures()
	r.add(Overlay, all[0], 1, []reading{{2.1e9, map[string]float64{"retransmits": 3}}}, nil)
	r.add(Underlay, all[0], 1, []reading{{8.4e9, nil}}, nil)
	r.add(Underlay, all[0], 2, []reading{{9.4e9, nil}}, nil)
	r.add(Overlay, all[0], 2, []reading{{2.3e9, nil}}, nil)
	r.add(Overlay, all[4], 1, []reading{{41_234, map[string]float64{"sender-bound": 1}}}, nil)
	r.add(Overlay, all[6], 1, []reading{{81e-6, nil}, {0.2e-3, nil}, {1.2e-3, nil}}, nil)
	r.add(Overlay, all[6], 2, nil, errors.New("load: cut off"))
	r.Checks = append(r.Checks, report.Check{Subject: Overlay, Name: "mtu", Rounds: 1, Detail: "packets of 1440 bytes pass, expected are 1500"})
	r.Complete = true
	r.fill()
	return r
}

func TestTheTableShowsFiguresRatiosAndWhatIsMissing(t *testing.T) {
	var text strings.Builder
	if err := Table(&text, sample()); err != nil {
		t.Fatal(err)
	}
	want := `from  vm-1 (weft v1.0.0; Linux 6.18, amd64, 2 cores)
to    vm-2 (weft v1.0.0; Linux 6.18, amd64, 4 cores)
2026-11-21 04:00 UTC, 2 rounds, TCP transfers of 2 s

overlay    10.90.2.1 by weft0, MTU 1440
underlay   192.0.2.11 by eth0, MTU 1500
           UDP not measured: no answer

                        overlay                   underlay                  overlay/underlay
TCP, 1 stream, there    2.20 Gbit/s 2.10–2.30     8.90 Gbit/s 8.40–9.40     0.25              retransmits 3 and –
TCP, 1 stream, back     –                         –
TCP, 4 streams, there   –                         –
TCP, 4 streams, back    –                         –
UDP, 64 bytes, there    41.2 k/s +                –
UDP, 1350 bytes, there  –                         –
TCP round trip, median  81.0 µs !                 –
TCP round trip, 99 %    200 µs !                  –
TCP round trip, 99.9 %  1.20 ms !                 –
UDP round trip, median  –                         –
UDP round trip, 99 %    –                         –
UDP round trip, 99.9 %  –                         –
Path MTU                –                         –

!  rounds failed: overlay, rr-tcp-p50, round 2: load: cut off
+  in some rounds the sender or the limit was reached before the path was
FAILED: overlay: packets of 1440 bytes pass, expected are 1500
`
	if text.String() != want {
		t.Errorf("the table is\n%s", text.String())
	}
}

func TestRatiosAreTakenWithinOneRound(t *testing.T) {
	ratio := sample().row(Overlay, "tcp1").Ratios[Underlay]
	if want := (2.1/8.4 + 2.3/9.4) / 2; ratio.Count != 2 || ratio.Median < want-1e-9 || ratio.Median > want+1e-9 {
		t.Errorf("ratio %+v, want a median of %v of two", ratio, want)
	}
}

func TestARunOfWhichAnExpectationDoesNotHoldHasFailed(t *testing.T) {
	s := &schedule{report: sample()}
	if err := s.verdict(); !errors.Is(err, ErrFailed) || !strings.Contains(err.Error(), "1440") {
		t.Errorf("verdict: %v", err)
	}
	s.report.Checks = nil
	if err := s.verdict(); err != nil {
		t.Errorf("verdict: %v", err)
	}
}

func TestTheOtherSideCannotWriteToTheTerminal(t *testing.T) {
	r := sample()
	r.There = thatSide(&welcome{Node: "vm\x1b[2J", Weft: "v\n", Host: "h\r"})
	var text strings.Builder
	if err := Table(&text, r); err != nil || strings.ContainsAny(text.String(), "\x1b\r") {
		t.Errorf("%v: %q", err, text.String())
	}
}

func TestASeriesTooShortForItsTailHasNoneAndTheTableSaysWhy(t *testing.T) {
	r := sample()
	r.add(Overlay, measures()[7], 1, []reading{{81e-6, nil}, {0.2e-3, nil}}, nil)
	r.fill()
	if row := r.row(Overlay, "rr-udp-p999"); len(row.Rounds) != 0 || row.Stats != nil || r.row(Overlay, "rr-udp-p99").Stats == nil {
		t.Errorf("%+v", row)
	}
	var text strings.Builder
	if err := Table(&text, r); err != nil || !strings.Contains(text.String(), "series of 1000 round trips") {
		t.Errorf("%v: %s", err, &text)
	}
}
