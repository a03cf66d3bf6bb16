package main

import (
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"testing"

	"github.com/weftnet/weft/encap"
	"github.com/weftnet/weft/lab/attack"
	"github.com/weftnet/weft/lab/cluster"
	"github.com/weftnet/weft/node/api"
	"github.com/weftnet/weft/router"
)

// replayed is how many captured frames are sent again.
const replayed = 10_000

// Frames that were captured are delivered once, whatever became of the session since, whoever sends them.
func TestNoCapturedFrameIsDeliveredAgain(t *testing.T) {
	t.Parallel()
	s := newSiege(t, 2)
	data, initiations := s.captured(t)
	t.Run("at once", func(t *testing.T) { s.replay(t, router.Replayed, data) })
	t.Run("initiations", func(t *testing.T) {
		s.repels(t, once(router.HandshakeRefused, len(initiations)), s.again(t, initiations))
	})
	t.Run("after a rekey", func(t *testing.T) {
		s.restart(t, s.Nodes[1])
		s.replay(t, router.Replayed, data)
	})
	t.Run("after a restart", func(t *testing.T) {
		s.restart(t, s.victim)
		s.replay(t, router.UnknownIndex, data)
	})
	t.Run("after a return to an earlier state directory", func(t *testing.T) {
		s.rollBack(t)
		s.replay(t, router.UnknownIndex, data)
	})
	s.stands(t, status(t, s.victim))
}

// captured are data frames that the other node has sent to the victim, and the initiations of their session.
func (s *siege) captured(t *testing.T) (data, initiations []attack.Datagram) {
	t.Helper()
	heard, err := attack.Listen(s.Lab)
	if err != nil {
		t.Fatal(err)
	}
	s.restart(t, s.Nodes[1])
	inner, to := s.delivered(t), netip.AddrPortFrom(status(t, s.victim).Node.Addresses[0], 9)
	for s.delivered(t)-inner < replayed {
		s.shower(t, s.Nodes[1], to)
	}
	if err := heard.Stop(); err != nil {
		t.Fatal(err)
	}
	data, initiations = heard.Datagrams(s.carries(encap.Data)), heard.Datagrams(s.carries(encap.Initiation))
	if len(data) < replayed || len(initiations) == 0 {
		t.Fatalf("%d frames and %d initiations are captured", len(data), len(initiations))
	}
	return data[:replayed], initiations
}

// shower sends some datagrams from a node, and waits until the last of them is delivered.
func (s *siege) shower(t *testing.T, from *cluster.Node, to netip.AddrPort) {
	t.Helper()
	var conn net.Conn
	err := from.Do(func() (err error) {
		conn, err = net.Dial("udp", to.String())
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	for range 500 {
		_, _ = conn.Write(noise(1, 100)) // nobody listens there
	}
	awaitPing(t, from, to.Addr())
}

// replay sends captured frames again: as they came, and from elsewhere.
func (s *siege) replay(t *testing.T, reason router.Reason, frames []attack.Datagram) {
	t.Helper()
	s.repels(t, once(reason, len(frames)), s.again(t, frames))
	stranger := s.origins()["of a stranger, over IPv6"]
	s.repels(t, once(reason, forgeries), func() {
		for _, d := range frames[:forgeries] {
			s.send(t, stranger, d.Payload)
		}
	})
}

// again sends datagrams once more.
func (s *siege) again(t *testing.T, frames []attack.Datagram) func() {
	return func() {
		t.Helper()
		s.flood(t, s.wire.Ethernet(frames...))
	}
}

// restart kills a daemon, starts it again, and waits until both nodes have keys of the new session alone in use.
func (s *siege) restart(t *testing.T, n *cluster.Node) {
	t.Helper()
	if err := n.Kill(within(t, patience)); err != nil {
		t.Fatal(err)
	}
	s.start(t, n)
}

func (s *siege) start(t *testing.T, n *cluster.Node) {
	t.Helper()
	if err := n.Up(); err != nil {
		t.Fatal(err)
	}
	awaitAll(t, s.Cluster)
	for _, from := range s.Nodes {
		for _, to := range s.Nodes {
			if from != to {
				awaitPing(t, from, status(t, to).Node.Addresses[0])
			}
		}
	}
}

// rollBack starts the other node with a state directory of before, as a restored snapshot of a machine does. It must be reached:
// its initiations are newer than all before, though it has forgotten them.
func (s *siege) rollBack(t *testing.T) {
	n := s.Nodes[1]
	saved := t.TempDir()
	copyPrivate(t, saved, n.StateDir())
	s.restart(t, n)
	if err := n.Kill(within(t, patience)); err != nil {
		t.Fatal(err)
	}
	if err := os.RemoveAll(n.StateDir()); err != nil {
		t.Fatal(err)
	}
	copyPrivate(t, n.StateDir(), saved)
	s.start(t, n)
	awaitPeer(t, s.victim, n.Name(), api.StateUp)
}

// copyPrivate copies the files of a directory, for their owner's eyes alone.
func copyPrivate(t *testing.T, to, from string) {
	t.Helper()
	if err := os.CopyFS(to, os.DirFS(from)); err != nil {
		t.Fatal(err)
	}
	err := filepath.WalkDir(to, func(path string, d os.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() {
			err = os.Chmod(path, 0o600)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}
