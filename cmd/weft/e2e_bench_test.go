package main

import (
	"bytes"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/weftnet/weft/bench/render"
	"github.com/weftnet/weft/bench/report"
	"github.com/weftnet/weft/lab"
	"github.com/weftnet/weft/lab/labtest"
)

// benchRun is a 'weft bench' that runs as a process of its own.
type benchRun struct {
	cmd            *exec.Cmd
	stdout, stderr bytes.Buffer
	out            string // directory of the report
}

func needBench(t *testing.T) {
	t.Helper()
	needRoot(t)
	if err := lab.Available(); err != nil {
		t.Skip(err)
	}
	if _, err := exec.LookPath("iperf3"); err != nil {
		t.Skip("iperf3 is not installed: run scripts/setup.sh")
	}
}

// startBench starts two rounds of a bench with what is named in only; flags are further ones.
func startBench(t *testing.T, out, only string, flags ...string) *benchRun {
	t.Helper()
	needBench(t)
	// In a network namespace of its own: on one machine only one bench may run at a time, of several tests each one.
	args := append([]string{"--net", labtest.Weft(t), "bench", "--quick", "--only", only, "--rounds", "2", "--out", out}, flags...)
	b := &benchRun{cmd: exec.CommandContext(within(t, 2*patience), "unshare", args...), out: out}
	b.cmd.Cancel = func() error { return b.cmd.Process.Signal(syscall.SIGTERM) } // so that it removes what it made
	b.cmd.Stdout, b.cmd.Stderr = &b.stdout, &b.stderr
	if err := b.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	return b
}

// end waits for the end, checks the exit code, and that no lab of this bench is left.
func (b *benchRun) end(t *testing.T, code int) {
	t.Helper()
	if err := b.cmd.Wait(); err != nil && !errors.As(err, new(*exec.ExitError)) {
		t.Fatal(err)
	}
	if got := b.cmd.ProcessState.ExitCode(); got != code {
		t.Errorf("exit code %d, want %d: %s", got, code, b.stderr.String())
	}
	runs, err := lab.Runs()
	if err != nil {
		t.Fatal(err)
	}
	for _, run := range runs {
		if run.Owner == b.cmd.Process.Pid {
			t.Errorf("it left lab %s with %v", run.ID, namespaces(t, run.ID))
		}
	}
}

func (b *benchRun) report(t *testing.T, name string) *report.Report {
	t.Helper()
	r, err := report.Read(filepath.Join(b.out, name))
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestABenchOfTwoSubjectsIsInterleavedAndLeavesAReportAndNothingElse(t *testing.T) {
	b := startBench(t, filepath.Join(t.TempDir(), "report"), "vxlan,weft-batch-sealed")
	b.end(t, 0)
	r := b.report(t, "report.json")
	if err := report.Validate(r); err != nil {
		t.Error(err)
	}
	if r.Schema != "weft-bench/1" || !r.Complete {
		t.Errorf("schema %q, complete %t", r.Schema, r.Complete)
	}
	assertInterleaved(t, r)
	assertFigures(t, r, "vxlan tcp1", "weft-batch-sealed tcp4", "weft-batch-sealed cpu-router", "vxlan rr-tcp-p50")
	for _, name := range []string{"README.md", "tcp.svg", "latency.svg", "cpu.svg"} {
		if info, err := os.Stat(filepath.Join(b.out, name)); err != nil || info.Size() == 0 {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, want := range []string{"vxlan", "weft-batch-sealed", "Gbit/s"} {
		if !strings.Contains(b.stdout.String(), want) {
			t.Errorf("the table lacks %q:\n%s", want, b.stdout.String())
		}
	}
}

// assertInterleaved checks that each round visits the subjects in turn, and that no two steps overlap.
func assertInterleaved(t *testing.T, r *report.Report) {
	t.Helper()
	var visits []string
	for i, s := range r.Schedule {
		if i == 0 || s.Subject != r.Schedule[i-1].Subject || s.Round != r.Schedule[i-1].Round {
			visits = append(visits, s.Subject)
		}
		if i > 0 && s.Started.Before(r.Schedule[i-1].Started) {
			t.Errorf("step %d begins before the one before it", i)
		}
	}
	if got := strings.Join(visits, " "); got != "vxlan weft-batch-sealed vxlan weft-batch-sealed" {
		t.Errorf("visits: %s", got)
	}
}

// assertFigures checks that every row has a figure of each round, and weft's a ratio to vxlan. The rows must be there.
func assertFigures(t *testing.T, r *report.Report, rows ...string) {
	t.Helper()
	seen := map[string]bool{}
	for _, row := range r.Rows {
		seen[row.Subject+" "+row.Metric] = true
		if row.Stats == nil || row.Stats.Count != 2 || row.Stats.Low <= 0 && row.Metric != "cpu-router" {
			t.Errorf("%s %s: %+v", row.Subject, row.Metric, row.Stats)
		}
		if row.Subject == "weft-batch-sealed" && row.Metric != "cpu-router" && row.Ratios["vxlan"].Count != 2 {
			t.Errorf("%s %s: ratios %v", row.Subject, row.Metric, row.Ratios)
		}
	}
	for _, want := range rows {
		if !seen[want] {
			t.Errorf("no row of %s", want)
		}
	}
	for _, c := range r.Checks {
		if !c.OK {
			t.Errorf("check %s of %s: %s", c.Name, c.Subject, c.Detail)
		}
	}
	if len(r.Checks) < 4 {
		t.Errorf("checks: %+v", r.Checks)
	}
}

func TestABenchThatIsInterruptedLeavesNoNamespaceAndIsResumed(t *testing.T) {
	out := filepath.Join(t.TempDir(), "report")
	const only = "vxlan,weft-batch-sealed,rr-tcp"
	const round = 2 * 2 // steps: the checksummed transfer and the round trips, of both subjects
	b := startBench(t, out, only)
	await(t, func() (bool, string) {
		r, err := report.Read(filepath.Join(out, "unfinished.json"))
		return err == nil && len(r.Schedule) > round, "the second round has not begun"
	})
	if err := b.cmd.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	b.end(t, 1)
	if said := b.stderr.String(); !strings.HasSuffix(said, "\n") || !strings.Contains(said, "--resume") {
		t.Errorf("it said %q", said)
	}
	before := b.report(t, "unfinished.json")
	if before.Complete {
		t.Error("an interrupted run is called complete")
	}

	again := startBench(t, out, only)
	again.end(t, 1)
	if said := again.stderr.String(); !strings.Contains(said, "--resume") || !strings.Contains(said, "--fresh") {
		t.Errorf("a run over an unfinished one said %q", said)
	}

	resumed := startBench(t, out, only, "--resume")
	resumed.end(t, 0)
	after := resumed.report(t, "report.json")
	assertInterleaved(t, after)
	assertFigures(t, after, "vxlan rr-tcp-p50", "weft-batch-sealed rr-tcp-p50")
	for i := range round {
		if !after.Schedule[i].Started.Equal(before.Schedule[i].Started) {
			t.Errorf("step %d of the first round was done again", i+1)
		}
	}
}

func TestBadBenchesAreRefusedInOneLine(t *testing.T) {
	full := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(full, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		args []string
		code int
		want []string
		root bool
	}{
		"unknown subject":        {[]string{"--only", "geneve"}, 2, []string{"geneve", "vxlan", "tcp1"}, false},
		"two presets":            {[]string{"--quick", "--full"}, 2, []string{"--quick", "--full"}, false},
		"rounds":                 {[]string{"--rounds", "0"}, 2, []string{"--rounds"}, false},
		"rate":                   {[]string{"--rate", "fast"}, 2, []string{"--rate", "100M"}, false},
		"MTU of the cable":       {[]string{"--mtu", "500000"}, 2, []string{"500000"}, false},
		"9000 on a link of 1500": {[]string{"--mtu", "1500", "--overlay-mtu", "9000"}, 2, []string{"9000", "1500"}, false},
		"empty list":             {[]string{"--only", ""}, 2, []string{"--only"}, false},
		"flag of the other mode": {[]string{"--serve", "--quick"}, 2, []string{"--quick", "--serve"}, false},
		"report is a file":       {[]string{"--out", full}, 1, []string{full}, true},
		"old report is missing":  {[]string{"--compare", full + "-not"}, 1, []string{full + "-not"}, true},
	} {
		t.Run(name, func(t *testing.T) {
			if c.root {
				needBench(t)
			}
			args := append([]string{"bench"}, c.args...)
			if !strings.Contains(strings.Join(args, " "), "--out") && !strings.Contains(strings.Join(args, " "), "--serve") {
				args = append(args, "--out", filepath.Join(t.TempDir(), "report"))
			}
			var stdout, stderr bytes.Buffer
			code := run(within(t, patience), args, io.MultiWriter(&stdout), &stderr)
			if code != c.code || strings.Count(stderr.String(), "\n") != 1 {
				t.Errorf("exit code %d, want %d; it said %q", code, c.code, stderr.String())
			}
			for _, word := range c.want {
				if !strings.Contains(stderr.String(), word) {
					t.Errorf("it said %q, without %q", stderr.String(), word)
				}
			}
		})
	}
}

func TestTwoMachinesAreMeasuredThroughOverlayAndUnderlay(t *testing.T) {
	c := newCluster(t, 2)
	startAll(t, c)
	near, far := c.Nodes[0], c.Nodes[1]
	server, err := far.Start(labtest.Weft(t), "bench", "--serve", "--socket", far.Socket())
	if err != nil {
		t.Fatal(err)
	}
	await(t, func() (bool, string) {
		said, err := server.Stdout()
		return err == nil && strings.Contains(said, "9340"), "the server does not listen: " + said
	})
	out := filepath.Join(t.TempDir(), "report")
	table, err := near.Weft(within(t, 2*patience), "bench", "--between", "vm-2:9340", "--socket", near.Socket(),
		"--rounds", "1", "--duration", "200ms", "--out", out)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"overlay", "underlay", "TCP, 1 stream", "MTU"} {
		if !strings.Contains(table, want) {
			t.Errorf("the table lacks %q:\n%s", want, table)
		}
	}
	if _, err := os.Stat(filepath.Join(out, "between.json")); err != nil {
		t.Error(err)
	}
	if err := server.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	if err := server.Wait(within(t, patience)); err != nil {
		t.Errorf("the server that is stopped: %v", err)
	}
	t.Log(table)
}

func TestABenchOverTheReportThatItComparesWithComparesWithTheOldOne(t *testing.T) {
	out := filepath.Join(t.TempDir(), "report")
	const only = "vxlan,weft-batch-sealed,rr-tcp"
	first := startBench(t, out, only)
	first.end(t, 0)
	old := first.report(t, "report.json")
	second := startBench(t, out, only, "--compare", filepath.Join(out, "report.json"))
	second.end(t, 0)
	_, compared, found := strings.Cut(second.stdout.String(), "Compared with")
	if !found {
		t.Fatalf("no comparison:\n%s", second.stdout.String())
	}
	stats := old.Rows[0].Stats
	if old.Rows[0].Subject != "vxlan" || stats.Median == second.report(t, "report.json").Rows[0].Stats.Median {
		t.Skip("the two runs do not differ in a figure")
	}
	if want := render.Figure("s", stats.Median); !strings.Contains(compared, want) {
		t.Errorf("the comparison lacks the old figure %s:\n%s", want, compared)
	}
}
