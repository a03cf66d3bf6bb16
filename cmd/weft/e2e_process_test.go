package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/weftnet/weft/lab"
	"github.com/weftnet/weft/lab/cluster"
	"github.com/weftnet/weft/lab/labtest"
	"github.com/weftnet/weft/node/api"
)

const (
	frozen   = 20 * time.Second // longer than gossip and sessions wait for anybody
	restarts = 50
)

// While one node is frozen another one restarts all the time, in every way that there is; the third must bear both.
func TestAFrozenNodeComesBackAtOnceAndRestartsLeaveNothing(t *testing.T) {
	t.Parallel()
	c := newCluster(t, 3)
	startAll(t, c)
	watcher, sleeper, restless := c.Nodes[0], c.Nodes[1], c.Nodes[2]
	s := startStream(t, watcher, sleeper, status(t, sleeper).Node.Addresses[0])
	mark, slept := markLog(t, watcher), markLog(t, sleeper)
	await(t, func() (bool, string) {
		return slices.Contains(filesOf(t, restless), "state/peers.json"), "no peers are saved"
	})
	whole, files := network(t, restless), filesOf(t, restless)

	thaw := time.NewTimer(frozen)
	if err := sleeper.Daemon().Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	stopped := time.Now()
	awaitPeer(t, watcher, sleeper.Name(), api.StateDown)
	t.Logf("frozen to down: %v", time.Since(stopped).Round(time.Millisecond))
	refused(t, sleeper, 1, []string{sleeper.Socket(), "does not answer", "kill -CONT"}, labtest.Weft(t), "status", "--socket", sleeper.Socket())
	for i := range restarts {
		runBriefly(t, restless, i)
	}
	t.Logf("%d restarts: %v", restarts, time.Since(stopped).Round(time.Millisecond))
	awaitReturn(t, watcher, restless, whole, files)
	select {
	case <-thaw.C:
	case <-interrupted.Done():
		t.Fatal("interrupted")
	}

	if err := sleeper.Daemon().Signal(syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	woken := time.Now()
	s.flows(t)
	if gap := s.gap(woken); gap > backWithin {
		t.Errorf("the stream came back %v after the node was woken", gap)
	} else {
		t.Logf("woken to forwarding: %v", gap.Round(time.Millisecond))
	}
	awaitAll(t, c)
	for who, m := range map[string]logMark{"the watcher": mark, "the frozen one": slept} {
		if said := m.lines(t); len(said) > 3*restarts { // path and routes, up and down, of those that were seen
			t.Errorf("%s logs %d lines:\n%s", who, len(said), strings.Join(said, "\n"))
		}
	}
}

// runBriefly starts the daemon, which does not run, and ends it in the i-th way: at once or when it works, by SIGTERM, twice
// SIGTERM or SIGKILL.
func runBriefly(t *testing.T, n *cluster.Node, i int) {
	t.Helper()
	if i == 0 {
		end(t, n, syscall.SIGTERM)
	}
	if err := n.Up(); err != nil {
		t.Fatal(err)
	}
	if i%2 == 0 {
		await(t, func() (bool, string) {
			_, err := n.Status(within(t, patience))
			return err == nil, "no status"
		})
	}
	switch i % 3 {
	case 0:
		end(t, n, syscall.SIGTERM)
	case 1:
		end(t, n, syscall.SIGKILL)
	default:
		end(t, n, syscall.SIGTERM, syscall.SIGTERM)
	}
}

// end sends the signals and waits for the daemon's end, which is a clean one after SIGTERM; a daemon that was so young that it
// did not listen for signals yet may have been ended by the first.
func end(t *testing.T, n *cluster.Node, signals ...syscall.Signal) {
	t.Helper()
	for _, s := range signals {
		if err := n.Daemon().Signal(s); err != nil && !errors.Is(err, os.ErrProcessDone) {
			t.Fatal(err)
		}
	}
	err := n.Daemon().Wait(within(t, patience))
	exit := new(lab.ExitError)
	if errors.As(err, &exit) && exit.Code == -1 && (signals[0] == syscall.SIGKILL || exit.Stderr == "") {
		return
	}
	if err != nil {
		t.Fatalf("after %v: %v", signals, err)
	}
}

// awaitReturn starts the node, and waits until it is reached and its network and files are what they were.
func awaitReturn(t *testing.T, from, n *cluster.Node, whole string, files []string) {
	t.Helper()
	if err := n.Up(); err != nil {
		t.Fatal(err)
	}
	if err := from.AwaitReachable(within(t, patience), n.Name()); err != nil {
		t.Fatal(err)
	}
	addrs, err := n.Addresses(within(t, patience))
	if err != nil {
		t.Fatal(err)
	}
	awaitPing(t, from, addrs[0])
	own := func(text string) string { // routes to others depend on who is reached now
		return strings.Join(slices.DeleteFunc(strings.Split(text, "\n"), func(line string) bool { return strings.Contains(line, "metric 1000") }), "\n")
	}
	await(t, func() (bool, string) {
		now := own(network(t, n))
		return now == own(whole), fmt.Sprintf("the network was\n%s and is\n%s", own(whole), now)
	})
	await(t, func() (bool, string) {
		now := filesOf(t, n)
		return slices.Equal(now, files), fmt.Sprintf("the files were %v and are %v", files, now)
	})
	links, err := n.Run(within(t, patience), "ip", "-o", "link")
	if err != nil || strings.Count(links, "\n") != 3 {
		t.Errorf("%v; interfaces, want lo, eth0 and weft0:\n%s", err, links)
	}
	if rules, err := n.Run(within(t, patience), "ip", "rule"); err != nil || strings.Count(rules, "\n") != 3 {
		t.Errorf("%v; rules, want local, main and default:\n%s", err, rules)
	}
}

// filesOf lists what the daemon keeps in its directories.
func filesOf(t *testing.T, n *cluster.Node) []string {
	t.Helper()
	var list []string
	for _, dir := range []string{n.StateDir(), filepath.Dir(n.Socket())} {
		entries, err := os.ReadDir(dir)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range entries {
			list = append(list, filepath.Join(filepath.Base(dir), e.Name()))
		}
	}
	return list
}
