package main

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/weftnet/weft/lab"
	"github.com/weftnet/weft/lab/labtest"
)

// demoRun is a 'weft demo' that runs as a process of its own.
type demoRun struct {
	cmd    *exec.Cmd
	stdout io.ReadCloser
	stderr bytes.Buffer
}

func startDemo(t *testing.T) *demoRun {
	t.Helper()
	needRoot(t)
	if _, err := exec.LookPath("iperf3"); err != nil {
		t.Skip("iperf3 is not installed: run scripts/setup.sh")
	}
	d := &demoRun{cmd: exec.CommandContext(within(t, patience), labtest.Weft(t), "demo")}
	d.cmd.Stderr = &d.stderr
	stdout, err := d.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	d.stdout = stdout
	if err := d.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { d.cmd.Process.Kill() }) // it has ended, unless the test failed
	return d
}

// lab waits until the demo has a lab, and returns its id.
func (d *demoRun) lab(t *testing.T) (id string) {
	t.Helper()
	await(t, func() (bool, string) {
		runs, err := lab.Runs()
		for _, run := range runs {
			if run.Owner == d.cmd.Process.Pid {
				id = run.ID
			}
		}
		return id != "" && len(namespaces(t, id)) > 0, fmt.Sprintf("the demo has no lab (%v)", err)
	})
	return id
}

// gone checks that the demo fails with one line that says want, and leaves nothing of its lab.
func (d *demoRun) gone(t *testing.T, id, want string) {
	t.Helper()
	_ = d.cmd.Wait() // the exit code says more
	if code := d.cmd.ProcessState.ExitCode(); code != 1 {
		t.Errorf("exit code %d, want 1 (%s)", code, d.cmd.ProcessState)
	}
	if said := d.stderr.String(); strings.Count(said, "\n") != 1 || !strings.Contains(said, want) {
		t.Errorf("it said %q, want one line with %q", said, want)
	}
	if left := namespaces(t, id); len(left) > 0 {
		t.Errorf("it left %v", left)
	}
	if _, err := os.Stat(filepath.Join(lab.Directory, id)); err == nil {
		t.Errorf("it left the directory of lab %s", id)
	}
}

func namespaces(t *testing.T, id string) []string {
	t.Helper()
	list, err := filepath.Glob("/run/netns/weft-" + id + "-*")
	if err != nil {
		t.Fatal(err)
	}
	return list
}

func TestADemoThatIsInterruptedRemovesEverythingAndSaysSo(t *testing.T) {
	for _, sig := range []syscall.Signal{syscall.SIGHUP, syscall.SIGINT, syscall.SIGTERM} {
		t.Run("early "+sig.String(), func(t *testing.T) {
			d := startDemo(t)
			id := d.lab(t)
			d.signal(t, sig)
			d.gone(t, id, "weft: interrupted; everything is removed")
		})
	}
	t.Run("late", func(t *testing.T) {
		d := startDemo(t)
		id := d.lab(t)
		d.readTo(t, "a pod on each host")
		d.signal(t, syscall.SIGHUP)
		d.gone(t, id, "weft: interrupted; everything is removed")
	})
}

func (d *demoRun) signal(t *testing.T, sig syscall.Signal) {
	t.Helper()
	if err := d.cmd.Process.Signal(sig); err != nil {
		t.Fatal(err)
	}
}

// readTo reads the output up to a line that holds text.
func (d *demoRun) readTo(t *testing.T, text string) {
	t.Helper()
	lines := bufio.NewScanner(d.stdout)
	for lines.Scan() {
		if strings.Contains(lines.Text(), text) {
			return
		}
	}
	t.Fatalf("it ended without %q: %v", text, d.stderr.String())
}

func TestADemoWhoseOutputIsClosedStopsAndRemovesEverything(t *testing.T) {
	d := startDemo(t)
	id := d.lab(t)
	d.readTo(t, "virtual hosts")
	d.stdout.Close()
	d.gone(t, id, "broken pipe); everything is removed")
}
