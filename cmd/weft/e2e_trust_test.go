package main

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/weftnet/weft/lab"
	"github.com/weftnet/weft/lab/cluster"
	"github.com/weftnet/weft/node/api"
	"github.com/weftnet/weft/router"
	"github.com/weftnet/weft/trust"
)

// canary is a text that no underlay may ever carry.
const canary = "weft-canary-5f1d0c7e-that-nobody-on-the-underlay-may-read"

// capture writes all that a host's underlay interface carries to a file until the test ends, and returns a function
// that stops it and says how many packets hold text.
func capture(t *testing.T, n *cluster.Node) (stop func(text string) (packets, hits int)) {
	t.Helper()
	file := filepath.Join(n.Dir(), "capture.pcap")
	// Root, since the kernel forgets to end a process with its parent when that changes its user (PR_SET_PDEATHSIG).
	p, err := n.Start("tcpdump", "-Z", "root", "-i", "eth0", "-w", file, "-U", "-s", "0", "-B", "16384", "--immediate-mode")
	if err != nil {
		t.Fatal(err)
	}
	await(t, func() (bool, string) {
		text, err := p.Stderr()
		return err == nil && strings.Contains(text, "listening on"), "tcpdump does not listen: " + text
	})
	return func(text string) (int, int) {
		t.Helper()
		awaitCaptured(t, n, file)
		if err := p.Signal(os.Interrupt); err != nil {
			t.Fatal(err)
		}
		if err := p.Wait(within(t, patience)); err != nil {
			t.Fatal(err)
		}
		raw, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		said, err := p.Stderr()
		if err != nil {
			t.Fatal(err)
		}
		captured := regexp.MustCompile(`(\d+) packets? captured`).FindStringSubmatch(said)
		if captured == nil {
			t.Fatalf("tcpdump said: %s", said)
		}
		packets, err := strconv.Atoi(captured[1])
		if err != nil {
			t.Fatal(err)
		}
		return packets, bytes.Count(raw, []byte(text))
	}
}

// awaitCaptured waits until all that the host has sent so far is in the file: what tcpdump has not read when it is interrupted it
// never writes.
func awaitCaptured(t *testing.T, n *cluster.Node, file string) {
	t.Helper()
	mark := fmt.Sprintf("weft-mark-%016x", rand.Uint64())
	err := n.Do(func() error {
		to := n.Addr4().As4()
		to[3] = 255 // the broadcast of 192.0.2.0/24: it needs no answer
		conn, err := net.Dial("udp4", netip.AddrPortFrom(netip.AddrFrom4(to), 9).String())
		if err != nil {
			return err
		}
		defer conn.Close()
		_, err = conn.Write([]byte(mark))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	await(t, func() (bool, string) {
		raw, err := os.ReadFile(file)
		return err == nil && bytes.Contains(raw, []byte(mark)), "tcpdump has not written what was sent"
	})
}

// shout sends the canary from a pod to an address, n times.
func shout(t *testing.T, from *lab.Pod, to netip.Addr, n int) {
	t.Helper()
	var conn net.Conn
	err := from.Do(func() (err error) {
		conn, err = net.Dial("udp", netip.AddrPortFrom(to, 9).String())
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	for range n {
		_, _ = conn.Write([]byte(canary)) // unreachable is an answer, too
	}
}

func TestNothingOfTheOverlayIsInClearOnTheUnderlayAlsoWhileADaemonIsDown(t *testing.T) {
	c := newClusterOf(t, cluster.Options{Hosts: 2, Prepare: withDefaultRoute})
	startAll(t, c)
	all := pods(t, c)
	pingAll(t, all)
	stop := capture(t, c.Nodes[0])
	to := []netip.Addr{all[1].Addr4(), all[1].Addr6()}
	for _, addr := range to {
		shout(t, all[0], addr, 50)
	}
	await(t, func() (bool, string) { // a daemon that is killed at once may have sent nothing
		sent := status(t, c.Nodes[0]).Node.Sent.Packets
		return sent >= 50, fmt.Sprintf("%d packets are sent", sent)
	})
	if err := c.Nodes[0].Kill(within(t, patience)); err != nil {
		t.Fatal(err)
	}
	for _, addr := range to {
		shout(t, all[0], addr, 50)
	}
	if err := c.Nodes[0].Up(); err != nil {
		t.Fatal(err)
	}
	for _, addr := range to {
		shout(t, all[0], addr, 50)
	}
	awaitAll(t, c)
	if err := c.Nodes[0].Stop(within(t, patience)); err != nil {
		t.Fatal(err)
	}
	for _, addr := range append(to, netip.MustParseAddr("10.244.250.9"), netip.MustParseAddr("fd10:244::9")) {
		shout(t, all[0], addr, 50)
	}
	packets, hits := stop(canary)
	if packets < 30 {
		t.Fatalf("only %d packets were captured; the test proves nothing", packets)
	}
	if hits != 0 {
		t.Errorf("%d packets on the underlay show what a pod sent", hits)
	}
}

// withDefaultRoute gives a host a default route over the underlay: what the overlay does not take would leave by it.
func withDefaultRoute(h *lab.Host) error {
	return h.SetDefaultRoute(h.Addr4().Next())
}

// The same capture must find the text when it is allowed to be there: else the test above could not fail.
func TestWithEncryptionOffTheCaptureShowsThePackets(t *testing.T) {
	c := newCluster(t, 2, "--encryption", "off")
	startAll(t, c)
	all := pods(t, c)
	pingAll(t, all)
	stop := capture(t, c.Nodes[0])
	shout(t, all[0], all[1].Addr4(), 50)
	awaitPing(t, all[0], all[1].Addr4())
	if packets, hits := stop(canary); hits == 0 {
		t.Errorf("0 of %d packets show the text, want some", packets)
	}
}

func TestPeersOfAnotherSecretNetworkOrEncryptionAreRefusedAndNamedOnBothSidesWithin5Seconds(t *testing.T) {
	for setting, spoil := range map[string]func(t *testing.T, n *cluster.Node) []string{
		"secret": func(t *testing.T, n *cluster.Node) []string {
			other := filepath.Join(n.Dir(), "other-secret")
			text := trust.Secret{1, 2, 3}.Text()
			if err := os.WriteFile(other, []byte(text+"\n"), 0o600); err != nil {
				t.Fatal(err)
			}
			return []string{"--secret-file", other}
		},
		"network": func(*testing.T, *cluster.Node) []string {
			return []string{"--network", "10.99.0.0/16"}
		},
		"encryption": func(*testing.T, *cluster.Node) []string {
			return []string{"--encryption", "off"}
		},
	} {
		t.Run(setting, func(t *testing.T) {
			c := newCluster(t, 3)
			flags := spoil(t, c.Nodes[2])
			for i, n := range c.Nodes {
				args := []string{}
				if i == 2 {
					args = flags
				}
				if err := n.Up(args...); err != nil {
					t.Fatal(err)
				}
			}
			awaitPeer(t, c.Nodes[0], "vm-2", api.StateUp)
			ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second+2*time.Second) // 2 s for a loaded machine to start
			defer cancel()
			for _, n := range []*cluster.Node{c.Nodes[0], c.Nodes[2]} {
				err := n.AwaitStatus(ctx, func(s *api.Status) (bool, string) {
					for _, r := range s.Node.Refused {
						if strings.Contains(r.Reason, setting) {
							return true, ""
						}
					}
					return false, fmt.Sprintf("nobody is refused for %s: %v", setting, s.Node.Refused)
				})
				if err != nil {
					t.Error(err)
				}
			}
			for _, p := range status(t, c.Nodes[2]).Peers {
				if p.State == api.StateUp {
					t.Errorf("%s is up in spite of another %s", p.Name, setting)
				}
			}
		})
	}
}

func TestGarbageOnThePortIsCountedAndNothingElse(t *testing.T) {
	c := newCluster(t, 2)
	startAll(t, c)
	n := c.Nodes[0]
	total := func() (sum uint64) {
		for reason, count := range status(t, n).Node.Drops {
			if reason != router.Multicast.String() { // what this host's own kernel sends at times
				sum += count
			}
		}
		return sum
	}
	before := total()
	var conn net.Conn
	err := c.Nodes[1].Do(func() (err error) {
		conn, err = net.Dial("udp", netip.AddrPortFrom(n.Addr4(), 9338).String())
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	random := rand.NewChaCha8([32]byte{7})
	const frames = 2000
	for i := range frames {
		frame := make([]byte, 2+i%1400) // one byte could be padding, which is thrown away and not counted
		_, _ = random.Read(frame)       // never fails
		if i%2 == 0 {                   // looks like a frame of ours
			frame[0] = 1<<4 | byte(i/2%8)
		}
		if _, err := conn.Write(frame); err != nil {
			t.Fatal(err)
		}
		if i%100 == 99 {
			time.Sleep(time.Millisecond) // a pace that the socket's buffer holds; nothing can be awaited here
		}
	}
	await(t, func() (bool, string) {
		got := total() - before
		return got == frames, fmt.Sprintf("%d of %d frames of garbage were counted", got, frames)
	})
	for _, garbage := range []string{"", "GET / HTTP/1.1\r\n\r\n", "WEFT", strings.Repeat("x", 1<<16)} {
		sendTCP(t, c.Nodes[1], netip.AddrPortFrom(n.Addr4(), 9338), garbage)
	}
	if p := status(t, n).Peers; len(p) != 1 || p[0].State != api.StateUp {
		t.Errorf("peers after the garbage: %+v", p)
	}
	awaitPing(t, c.Nodes[1], status(t, n).Node.Addresses[0])
}

func sendTCP(t *testing.T, from *cluster.Node, to netip.AddrPort, text string) {
	t.Helper()
	err := from.Do(func() error {
		conn, err := net.Dial("tcp", to.String())
		if err != nil {
			return err
		}
		defer conn.Close()
		_, _ = conn.Write([]byte(text)) // it may be cut off
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestAClonedIdentityStopsTheYoungerAndNamesTheFileToDelete(t *testing.T) {
	c := newCluster(t, 3)
	for _, n := range c.Nodes[:2] {
		if err := n.Up(); err != nil {
			t.Fatal(err)
		}
	}
	awaitAll(t, c)
	original, clone := c.Nodes[1], c.Nodes[2]
	started := status(t, original).Node.Started
	await(t, func() (bool, string) { // two that started together cannot be told apart by age
		return time.Since(started) > 3*time.Second, "the original is not older yet"
	})
	if err := os.CopyFS(clone.StateDir(), os.DirFS(original.StateDir())); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(filepath.Join(clone.StateDir(), trust.IdentityFile), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := clone.Up(); err != nil {
		t.Fatal(err)
	}
	if err := clone.Daemon().Wait(within(t, patience)); err == nil {
		t.Fatal("the clone ended without an error")
	}
	said, err := clone.Daemon().Stderr()
	if err != nil {
		t.Fatal(err)
	}
	if file := filepath.Join(clone.StateDir(), trust.IdentityFile); !strings.Contains(said, "delete "+file) {
		t.Errorf("the clone said:\n%s\nwant it to name %s", said, file)
	}
	stopped := time.Now()
	awaitPeer(t, c.Nodes[0], "vm-2", api.StateUp)
	if !original.Running() {
		t.Fatal("the original stopped, too")
	}
	awaitPing(t, c.Nodes[0], status(t, original).Node.Addresses[0])
	t.Logf("the original is reached again %v after the clone stopped", time.Since(stopped))
}

func TestOneStaticSubnetOfTwoNodesIsReportedTheSameWayOnAllSides(t *testing.T) {
	c := newCluster(t, 3)
	if err := c.Nodes[0].Up(); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Nodes[0].Addresses(within(t, patience)); err != nil {
		t.Fatal(err)
	}
	owner, loser := c.Nodes[1], c.Nodes[2]
	if err := owner.Up("--subnet", "10.244.7.0/24"); err != nil {
		t.Fatal(err)
	}
	awaitPeer(t, c.Nodes[0], "vm-2", api.StateUp)
	if err := loser.Up("--subnet", "10.244.7.0/24"); err != nil {
		t.Fatal(err)
	}
	for _, n := range c.Nodes {
		err := n.AwaitStatus(within(t, patience), func(s *api.Status) (bool, string) {
			for _, conflict := range s.Node.Conflicts {
				if strings.Contains(conflict.Reason, "vm-3") && strings.Index(conflict.Reason, "vm-3") < strings.Index(conflict.Reason, "vm-2") {
					return true, ""
				}
			}
			return false, fmt.Sprintf("conflicts: %v", s.Node.Conflicts)
		})
		if err != nil {
			t.Error(err)
		}
	}
	if got := status(t, loser).Node; len(got.Addresses) != 0 || got.SubnetNote == "" {
		t.Errorf("the loser has addresses %v and says %q", got.Addresses, got.SubnetNote)
	}
	awaitPing(t, c.Nodes[0], netip.MustParseAddr("10.244.7.1"))
}

func TestARouteOverAnotherNodesEndpointIsRefusedAndCutsNothing(t *testing.T) {
	c := newCluster(t, 3)
	for _, n := range c.Nodes[:2] {
		if err := n.Up(); err != nil {
			t.Fatal(err)
		}
	}
	awaitAll(t, c)
	hostile := netip.PrefixFrom(c.Nodes[1].Addr4(), 32).String()
	if err := c.Nodes[2].Up("--routes", hostile); err != nil {
		t.Fatal(err)
	}
	awaitAll(t, c)
	for _, n := range c.Nodes[:2] {
		err := n.AwaitStatus(within(t, patience), func(s *api.Status) (bool, string) {
			for _, conflict := range s.Node.Conflicts {
				if strings.Contains(conflict.Reason, hostile) {
					return true, ""
				}
			}
			return false, fmt.Sprintf("conflicts: %v", s.Node.Conflicts)
		})
		if err != nil {
			t.Error(err)
		}
	}
	if routes := kernelRoutes(t, c.Nodes[0]); strings.Contains(routes, c.Nodes[1].Addr4().String()+" dev weft0") {
		t.Errorf("the route is in force:\n%s", routes)
	}
	awaitPing(t, c.Nodes[0], status(t, c.Nodes[1]).Node.Addresses[0])
}

func TestAPeerThatOnlyTCPReachesIsShownAsSuch(t *testing.T) {
	c := newCluster(t, 2)
	if _, err := c.Nodes[0].Run(within(t, patience), "nft", "add table inet block; add chain inet block in { type filter hook input priority 0; }; add rule inet block in udp dport 9338 drop"); err != nil {
		t.Fatal(err)
	}
	if err := c.UpAll(); err != nil {
		t.Fatal(err)
	}
	err := c.Nodes[1].AwaitStatus(within(t, patience), func(s *api.Status) (bool, string) {
		for _, p := range s.Peers {
			if strings.Contains(strings.Join(p.Tried, "; "), "TCP works, UDP does not") {
				return true, ""
			}
		}
		return false, fmt.Sprintf("peers: %+v", s.Peers)
	})
	if err != nil {
		t.Fatal(err)
	}
}
