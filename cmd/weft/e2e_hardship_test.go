package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/weftnet/weft/lab"
	"github.com/weftnet/weft/lab/cluster"
	"github.com/weftnet/weft/lab/labtest"
)

// disk is a small file system of its own for a node's state directory. It is mounted in a mount namespace that lives as long as
// its holder, a process of the lab; the daemon runs in there too.
type disk struct {
	node   *cluster.Node
	holder *lab.Process
}

// newDisk gives a node that was not started yet a state directory of 64 KiB.
func newDisk(t *testing.T, n *cluster.Node) *disk {
	t.Helper()
	if err := os.MkdirAll(n.StateDir(), 0o700); err != nil {
		t.Fatal(err)
	}
	mount := fmt.Sprintf("mount -t tmpfs -o size=64k,mode=700 none %s && echo mounted && exec sleep infinity", n.StateDir())
	holder, err := n.Start("unshare", "--mount", "sh", "-c", mount)
	if err != nil {
		t.Fatal(err)
	}
	await(t, func() (bool, string) {
		said, err := holder.Stdout()
		return err == nil && said == "mounted\n", "no file system is mounted"
	})
	d := &disk{n, holder}
	n.Through(d.inside()...)
	return d
}

// inside is the command that runs another one where the disk is mounted.
func (d *disk) inside(args ...string) []string {
	return append([]string{"nsenter", fmt.Sprintf("--mount=/proc/%d/ns/mnt", d.holder.PID())}, args...)
}

// path is where this process sees a file of the disk.
func (d *disk) path(name string) string {
	return filepath.Join(fmt.Sprintf("/proc/%d/root", d.holder.PID()), d.node.StateDir(), name)
}

// fill leaves no room on the disk.
func (d *disk) fill(t *testing.T) {
	t.Helper()
	f, err := os.Create(d.path("ballast"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := io.Copy(f, zeros{}); err == nil || !strings.Contains(err.Error(), "no space") {
		t.Fatalf("filling the disk: %v", err)
	}
}

// zeros reads as zeros for ever.
type zeros struct{}

// Read implements io.Reader.
func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

// drain makes room again.
func (d *disk) drain(t *testing.T) {
	t.Helper()
	if err := os.Remove(d.path("ballast")); err != nil {
		t.Fatal(err)
	}
}

// remount makes the disk read-only ("ro") or writable again ("rw").
func (d *disk) remount(t *testing.T, how string) {
	t.Helper()
	if _, err := d.node.Run(within(t, patience), d.inside("mount", "-o", "remount,"+how, d.node.StateDir())...); err != nil {
		t.Fatal(err)
	}
}

// contents is what the disk holds, by name; the ballast is left out. Every state file must be whole.
func (d *disk) contents(t *testing.T) map[string]string {
	t.Helper()
	entries, err := os.ReadDir(d.path(""))
	if err != nil {
		t.Fatal(err)
	}
	files := map[string]string{}
	for _, e := range entries {
		raw, err := os.ReadFile(d.path(e.Name()))
		if err != nil {
			t.Fatal(err)
		}
		if e.Name() == "ballast" {
			continue
		}
		if e.Name() != "node.key" && !json.Valid(raw) {
			t.Errorf("%s is not whole: %q", e.Name(), raw)
		}
		files[e.Name()] = string(raw)
	}
	return files
}

// One node's disk is full, another's is read-only: before the first start, while it runs, at a restart, and no longer.
func TestAStateDirectoryThatCannotBeWrittenStopsNoTraffic(t *testing.T) {
	t.Parallel()
	c := newCluster(t, 3)
	disks := []*disk{newDisk(t, c.Nodes[1]), newDisk(t, c.Nodes[2])}
	full, locked := disks[0], disks[1]
	spoil := func() { full.fill(t); locked.remount(t, "ro") }
	mend := func() { full.drain(t); locked.remount(t, "rw") }
	reason := map[*disk]string{full: "no space left on device (make room", locked: "read-only file system (mount it for writing"}

	spoil()
	keyless := map[*disk][]string{ // without a key there is no node
		full:   {filepath.Join(full.node.StateDir(), "node.key"), reason[full]},
		locked: {locked.node.StateDir(), "read-only file system (name another directory"},
	}
	for _, d := range disks {
		refused(t, d.node, 1, keyless[d],
			d.inside(labtest.Weft(t), "up", "--config", d.node.Config())...)
	}
	mend()
	startAll(t, c)
	streams, marks, before := map[*disk]*stream{}, map[*disk]logMark{}, map[*disk]map[string]string{}
	for _, d := range disks {
		streams[d] = startStream(t, c.Nodes[0], d.node, status(t, d.node).Node.Addresses[0])
		awaitSaved(t, d, 2)
		marks[d], before[d] = markLog(t, d.node), d.contents(t)
	}

	start := time.Now()
	spoil()
	if _, err := c.Add(within(t, patience)); err != nil { // somebody to remember
		t.Fatal(err)
	}
	startAll(t, c)
	for _, d := range disks {
		awaitDegraded(t, d.node, "state_dir", d.node.StateDir(), reason[d])
		if gap := streams[d].gap(start); gap > hiccup {
			t.Errorf("%s: the stream stood still for %v", d.node.Name(), gap)
		}
		halt := map[*disk]func(context.Context) error{full: d.node.Kill, locked: d.node.Stop}[d]
		if err := halt(within(t, patience)); err != nil {
			t.Fatal(err)
		}
		said := marks[d].lines(t)
		if count(said, "mesh.state.unwritable") != 1 || len(said) > 2*mostLines {
			t.Errorf("%s logs, want mesh.state.unwritable once:\n%s", d.node.Name(), strings.Join(said, "\n"))
		}
		if err := d.node.Up(); err != nil {
			t.Fatal(err)
		}
	}
	awaitAll(t, c)
	for _, d := range disks {
		awaitDegraded(t, d.node, "state_dir", reason[d])
		streams[d].flows(t)
		if now := d.contents(t); !maps.Equal(now, before[d]) {
			t.Errorf("%s: the files were %v and are %v", d.node.Name(), before[d], now)
		}
	}
	mend()
	for _, d := range disks {
		awaitNotDegraded(t, d.node, "state_dir")
		awaitSaved(t, d, 3)
		said := logMark{d.node, 0}.lines(t)
		for _, event := range []string{"node.epoch.unwritable", "node.epoch.written"} {
			if count(said, event) != 1 {
				t.Errorf("%s logs, want %s once:\n%s", d.node.Name(), event, strings.Join(said, "\n"))
			}
		}
		await(t, func() (bool, string) {
			names := slices.Sorted(maps.Keys(d.contents(t)))
			want := []string{"claim", "epoch.json", "node.key", "peers.json", "secrets.json", "version.json"}
			return slices.Equal(names, want), fmt.Sprintf("%s: the state directory holds %v, want %v", d.node.Name(), names, want)
		})
	}
}

// awaitSaved waits until the peers file holds so many peers, and the claim is there.
func awaitSaved(t *testing.T, d *disk, peers int) {
	t.Helper()
	await(t, func() (bool, string) {
		files := d.contents(t)
		n := strings.Count(files["peers.json"], `"id"`)
		return n == peers && files["claim"] != "", fmt.Sprintf("%s remembers %d peers", d.node.Name(), n)
	})
}

// What a cleaning script or a slip of the hand takes away under a running daemon is put back, or said with what to do.
func TestFilesDeletedUnderARunningDaemonAreNoticed(t *testing.T) {
	t.Parallel()
	c := newCluster(t, 2)
	startAll(t, c)
	a, b := c.Nodes[0], c.Nodes[1]
	s, start := startStream(t, a, b, status(t, b).Node.Addresses[0]), time.Now()
	marks := []logMark{markLog(t, a), markLog(t, b)}

	for _, path := range []string{filepath.Dir(a.Socket()), b.Socket(), b.Config()} {
		if err := os.RemoveAll(path); err != nil {
			t.Fatal(err)
		}
	}
	aside := a.StateDir() + ".aside"
	if err := os.Rename(a.StateDir(), aside); err != nil {
		t.Fatal(err)
	}
	awaitDegraded(t, a, "node_key", filepath.Join(a.StateDir(), "node.key"), "put it back") // by the new socket
	refused(t, a, 1, []string{"running already", fmt.Sprint(a.Daemon().PID())}, labtest.Weft(t), "up", "--config", a.Config(), "--state-dir", aside)
	if err := os.Rename(aside, a.StateDir()); err != nil {
		t.Fatal(err)
	}
	awaitNotDegraded(t, a, "node_key")
	await(t, func() (bool, string) {
		_, err := b.Status(t.Context())
		return err == nil, "vm-2 has no socket"
	})
	if gap := s.gap(start); gap > hiccup {
		t.Errorf("the stream stood still for %v", gap)
	}
	for i, n := range c.Nodes {
		said := marks[i].lines(t)
		if count(said, "node.rundir.restored") != 1 || len(said) > mostLines {
			t.Errorf("%s logs, want node.rundir.restored once:\n%s", n.Name(), strings.Join(said, "\n"))
		}
	}
	refused(t, b, 2, []string{b.Config()}, labtest.Weft(t), "up", "--config", b.Config())
	refused(t, a, 1, []string{"running already", a.StateDir()},
		labtest.Weft(t), "up", "--config", a.Config(), "--run-dir", filepath.Join(a.Dir(), "run2"))
	awaitAll(t, c)
}
