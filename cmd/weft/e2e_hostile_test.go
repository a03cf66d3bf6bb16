package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/weftnet/weft/lab/cluster"
	"github.com/weftnet/weft/lab/labtest"
)

// ownFlags are the flags of a daemon that shares nothing with the host's first one, with files below dir.
func ownFlags(dir string) map[string]string {
	return map[string]string{
		"run-dir": filepath.Join(dir, "run"), "state-dir": filepath.Join(dir, "state"), "device": "weft7", "listen": ":9400",
		"network": "10.77.0.0/16", "metrics": "",
	}
}

// What two daemons cannot share is refused in one line that names it, by 'up' and by 'up --check' alike; nothing is written, and
// the first daemon goes on.
func TestASecondDaemonIsRefusedForEachThingThatTwoCannotShare(t *testing.T) {
	t.Parallel()
	c := newCluster(t, 2)
	startAll(t, c)
	n := c.Nodes[0]
	pid, run := fmt.Sprint(n.Daemon().PID()), filepath.Dir(n.Socket())
	mark, before := markLog(t, n), network(t, n)
	for _, test := range []struct {
		key, value string
		code       int
		want       []string
	}{
		{"run-dir", run, 1, []string{"running already", pid, run}},
		{"state-dir", n.StateDir(), 1, []string{"running already", pid, n.StateDir()}},
		{"device", "weft0", 1, []string{"weft0", "in use", "process " + pid}},
		{"listen", ":9338", 1, []string{"9338", "in use"}},
		{"network", "10.244.0.0/16", 2, []string{"--network", "process " + pid, "weft down --device weft0 --run-dir " + run}},
	} {
		dir := filepath.Join(n.Dir(), "second-"+test.key)
		flags := ownFlags(dir)
		flags[test.key] = test.value
		command := []string{labtest.Weft(t), "up", "--config", "/dev/null", "--secret-file", filepath.Join(n.Dir(), "secret")}
		for _, key := range slices.Sorted(maps.Keys(flags)) {
			command = append(command, "--"+key+"="+flags[key])
		}
		refused(t, n, test.code, test.want, command...)
		if test.key != "run-dir" { // there, the check answers for a restart of the daemon that runs
			refused(t, n, test.code, test.want, append(command, "--check")...)
		}
		if _, err := os.Lstat(dir); err == nil {
			t.Errorf("%s: it has written something:\n%s", test.key, listing(t, dir))
		}
	}
	if after := network(t, n); after != before {
		t.Errorf("the network was\n%s and is\n%s", before, after)
	}
	if said := mark.lines(t); len(said) > 0 {
		t.Errorf("the first daemon says\n%s", strings.Join(said, "\n"))
	}
	awaitPing(t, n, status(t, c.Nodes[1]).Node.Addresses[0])
}

// listing is all below a directory.
func listing(t *testing.T, dir string) (text string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, _ os.DirEntry, err error) error {
		text += path + "\n"
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// jsonCommands are all commands that print JSON, and the keys that scripts rely on.
var jsonCommands = map[string][]string{
	"version": {"version"}, "status": {"node", "peers"}, "peers": {"name", "state", "path", "via", "endpoint", "rtt_us", "mtu", "subnets"},
	"routes": {"prefix", "kind"}, "map": {"self", "nodes", "links"},
	"trace": {"source", "destination", "where", "routes", "kernel", "hops", "reached", "end"}, "reload": {"changed", "needs_restart"}, "doctor": {"checks"},
}

func TestEveryJSONIsWholeAndHasItsKeys(t *testing.T) {
	t.Parallel()
	c := newCluster(t, 2)
	startAll(t, c)
	n := c.Nodes[0]
	for command, keys := range jsonCommands {
		args := []string{labtest.Weft(t), command, "--json"}
		if command != "version" && command != "doctor" {
			args = append(args, "--socket", n.Socket())
		}
		if command == "trace" {
			args = append(args, "10.244.250.1")
		}
		if command == "doctor" {
			args = append(args, "--config", n.Config())
		}
		out, err := n.Run(within(t, patience), args...)
		if err != nil && command != "doctor" { // it fails where the host lacks something
			t.Errorf("%s: %v", command, err)
			continue
		}
		if out == "" {
			continue
		}
		object := firstObject(t, command, out)
		for _, key := range keys {
			if _, ok := object[key]; !ok {
				t.Errorf("%s has no %q: %v", command, key, slices.Sorted(maps.Keys(object)))
			}
		}
	}
	for _, command := range newRoot().Commands() {
		if _, listed := jsonCommands[command.Name()]; command.Flags().Lookup("json") != nil && !listed {
			t.Errorf("%s --json is not tested", command.Name())
		}
	}
	checkClosedOutput(t, n)
}

// firstObject is the object that a command printed, or the first of its list.
func firstObject(t *testing.T, command, text string) map[string]any {
	t.Helper()
	var object map[string]any
	var list []map[string]any
	if json.Unmarshal([]byte(text), &object) == nil {
		return object
	}
	if err := json.Unmarshal([]byte(text), &list); err != nil || len(list) == 0 {
		t.Fatalf("%s: %v in %q", command, err, text)
	}
	return list[0]
}

// checkClosedOutput runs commands whose output nobody takes: they fail in one line.
func checkClosedOutput(t *testing.T, n *cluster.Node) {
	t.Helper()
	for _, command := range []string{"status", "peers", "routes", "status --json"} {
		line := fmt.Sprintf("exec %s %s --socket %s", labtest.Weft(t), command, n.Socket())
		refused(t, n, 1, []string{"no space left"}, "sh", "-c", line+" >/dev/full")
	}
}

// Every command that asks a daemon says in one line why it gets no answer.
func TestWithoutADaemonEveryCommandSaysWhyAndWhatToDo(t *testing.T) {
	dir := t.TempDir()
	at := func(name string) string { return filepath.Join(dir, name) }
	stale, err := net.ListenUnix("unix", &net.UnixAddr{Name: at("stale"), Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	stale.SetUnlinkOnClose(false)
	stale.Close()
	if err := os.WriteFile(at("file"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, command := range []string{"status", "peers", "routes", "reload"} {
		for socket, want := range map[string]string{
			at("absent"): "not running", at("stale"): "not running", at("file"): "not running", at("file/below"): at("file/below"),
			dir: dir, at(strings.Repeat("x", 200)): "too long", "": "--socket",
		} {
			var out bytes.Buffer
			code, said := weft(t, &out, command, "--json", "--socket", socket)
			if code == 0 || out.Len() > 0 || strings.Count(said, "\n") != 1 || !strings.HasPrefix(said, "weft: ") || !strings.Contains(said, want) {
				t.Errorf("%s --socket %q: exit code %d, %q, %q", command, socket, code, out.String(), said)
			}
		}
		if code, said := weft(t, io.Discard, command, "further"); code != 2 || strings.Count(said, "\n") != 1 || !strings.Contains(said, "further") {
			t.Errorf("%s with an argument: exit code %d, %q", command, code, said)
		}
	}
}

const hangupStorm = 200

// Hangups while the file flips between good and bad cost nothing that stays, and the last good configuration is in force.
func TestAStormOfHangupsLeaksNothingAndEndsWithTheLastGoodConfiguration(t *testing.T) {
	t.Parallel()
	c := newCluster(t, 1)
	n := c.Nodes[0]
	startAll(t, c)
	pid := n.Daemon().PID()
	open := openFiles(t, pid)
	for i := range hangupStorm {
		configure(t, n, "mtu", []string{"1300", "never", "1310"}[i%3])
		if err := syscall.Kill(pid, syscall.SIGHUP); err != nil {
			t.Fatal(err)
		}
	}
	configure(t, n, "mtu", "1320")
	if err := syscall.Kill(pid, syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	await(t, func() (bool, string) {
		s := status(t, n).Node
		return s.Device.MTU == 1320 && !strings.Contains(fmt.Sprint(s.Degraded), "never"), fmt.Sprintf("MTU %d, %v", s.Device.MTU, s.Degraded)
	})
	await(t, func() (bool, string) {
		now := openFiles(t, pid)
		return now <= open+2, fmt.Sprintf("%d descriptors were open, now %d", open, now) // a request of ours and the tick's
	})
	if n.Daemon().PID() != pid || !n.Running() {
		t.Error("the daemon has ended")
	}
}

func openFiles(t *testing.T, pid int) int {
	t.Helper()
	list, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", pid))
	if err != nil {
		t.Fatal(err)
	}
	return len(list)
}
