package main

import (
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/weftnet/weft/lab/cluster"
	"github.com/weftnet/weft/lab/labtest"
)

// handoverStep is a change between the stop and the start of a daemon, and what becomes of the descriptors that were kept.
type handoverStep struct {
	what      string
	change    func(*testing.T, *managed) // nil: nothing
	inherited string                     // the kinds that are used, as logged
	refused   []string                   // the kinds that are refused
	reason    string                     // why they are
}

// key changes a key of the configuration.
func key(key, value string) func(*testing.T, *managed) {
	return func(t *testing.T, m *managed) { setKey(t, m.Node, key, value) }
}

func setKey(t *testing.T, n *cluster.Node, key, value string) {
	t.Helper()
	text, err := os.ReadFile(n.Config())
	if err != nil {
		t.Fatal(err)
	}
	line := regexp.MustCompile(`(?m)^` + key + `:.*\n`)
	changed := line.ReplaceAllLiteralString(string(text), "") + fmt.Sprintf("%s: %s\n", key, value)
	if err := os.WriteFile(n.Config(), []byte(changed), 0o600); err != nil {
		t.Fatal(err)
	}
}

func deleteDevice(t *testing.T, m *managed) {
	t.Helper()
	if out, err := m.Run(within(t, patience), "ip", "link", "del", "weft0"); err != nil {
		t.Fatal(err, out)
	}
}

// end ends the daemon and leaves its descriptors with the manager. It returns the process that is gone.
func (m *managed) end(t *testing.T) (pid int) {
	t.Helper()
	pid = status(t, m.Node).Node.PID
	m.command(t, "end", "SIGTERM")
	await(t, func() (bool, string) {
		_, err := os.Stat(fmt.Sprintf("/proc/%d", pid))
		return os.IsNotExist(err), fmt.Sprintf("process %d is there", pid)
	})
	return pid
}

// check makes the change while the daemon is away.
func (s handoverStep) check(t *testing.T, m *managed, peer *cluster.Node) {
	refusals, uses := m.logged(t, "node.handover.refused"), m.logged(t, "node.handover.inherited", s.inherited)
	before := m.end(t)
	if s.change != nil {
		s.change(t, m)
	}
	m.command(t, "start", m.binary)
	m.awaitUp(t, before)
	awaitPing(t, m.Node, status(t, peer).Node.Addresses[0])
	awaitPing(t, peer, status(t, m.Node).Node.Addresses[0])
	if got := m.logged(t, "node.handover.refused") - refusals; got != len(s.refused) {
		t.Errorf("%d kinds were refused, want %v", got, s.refused)
	}
	for _, kind := range s.refused {
		if m.logged(t, "node.handover.refused", "what="+kind, s.reason) == 0 {
			t.Errorf("%s was not refused because of %q", kind, s.reason)
		}
	}
	if m.logged(t, "node.handover.inherited", s.inherited) != uses+1 {
		t.Errorf("%s were not used", s.inherited)
	}
}

// What still fits is used, what does not fit any more is refused, once and with a reason, and opened anew. A device of another
// name is not made beside the one that is there, which would still have the addresses.
func TestAStartAfterAChangeGoesOnWithWhatStillFits(t *testing.T) {
	c := newCluster(t, 2)
	if err := c.Nodes[0].Up(); err != nil {
		t.Fatal(err)
	}
	m := manage(t, c.Nodes[1], false, labtest.Weft(t))
	for _, s := range []handoverStep{
		{what: "another driver", change: key("driver", "batch"), inherited: "[udp tcp tun]"},
		{what: "a driver that inherits nothing", change: key("driver", "plain"), inherited: "[udp tcp]", refused: []string{"tun"}, reason: "driver plain"},
		{what: "the first driver again", change: key("driver", "super"), inherited: "[udp tcp]"},
		{what: "another port", change: key("listen", `":9400"`), inherited: "[tun]", refused: []string{"udp", "tcp"}, reason: "bound to port 9338"},
		{what: "no device any more", change: deleteDevice, inherited: "[udp tcp]", refused: []string{"tun"}, reason: "no interface weft0 any more"},
		{what: "nothing else", inherited: "[udp tcp tun]"},
	} {
		t.Run(s.what, func(t *testing.T) { s.check(t, m, c.Nodes[0]) })
	}
	before := m.end(t)
	setKey(t, m.Node, "device", "weft7")
	m.command(t, "start", m.binary)
	remedy := "run 'weft down --device weft0' first"
	await(t, func() (bool, string) { return m.logged(t, remedy) == 1, "it does not say: " + remedy })
	m.command(t, "stop", "SIGTERM") // it has ended; the manager lets go of the device
	await(t, func() (bool, string) {
		out, err := m.Weft(within(t, patience), "down", "--config", m.Config(), "--device", "weft0")
		return err == nil, strings.TrimSpace(out)
	})
	m.command(t, "start", m.binary)
	m.awaitUp(t, before)
	awaitPing(t, c.Nodes[0], status(t, m.Node).Node.Addresses[0])
}
