package node

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/weftnet/weft/encap/simnet"
	"github.com/weftnet/weft/node/rundir"
	"github.com/weftnet/weft/node/statedir"
	"github.com/weftnet/weft/trust"
)

func TestOneDaemonAloneUsesAStateDirectory(t *testing.T) {
	m, _ := realTime(t)
	second := m.cfg
	second.RunDir = filepath.Join(shortDir(t), "run")
	n, err := New(second, m.platform(), testLogger(t))
	must(t, err)
	if err := n.Run(t.Context()); !errors.Is(err, rundir.ErrRunning) || !strings.Contains(err.Error(), m.cfg.StateDir) {
		t.Errorf("Run = %v", err)
	}
}

// degraded is the reason for which status names the subject, or "".
func (m *machine) degraded(what string) string {
	for _, d := range m.status().Node.Degraded {
		if d.What == what {
			return d.Reason
		}
	}
	return ""
}

func TestAnEpochThatCouldNotBeStoredIsStoredLater(t *testing.T) {
	m := (&site{t: t, net: simnet.New(simnet.Options{}), dir: t.TempDir()}).machine(1)
	must(t, m.boot())
	epoch, err := m.node.nextEpoch()
	must(t, err)
	must(t, os.RemoveAll(m.cfg.StateDir)) // root may write anything that is there
	m.node.unstored = unstoredEpoch{epoch + 1, "the disk was full"}
	m.node.storeEpoch()
	if !strings.Contains(m.node.unstored.why, m.cfg.StateDir) {
		t.Errorf("unstored: %+v", m.node.unstored)
	}
	must(t, os.Mkdir(m.cfg.StateDir, 0o700))
	m.node.storeEpoch()
	if m.node.unstored != (unstoredEpoch{}) {
		t.Errorf("unstored: %+v", m.node.unstored)
	}
	if next, _, err := statedir.NextEpoch(m.cfg.StateDir, time.Unix(0, 0)); err != nil || next != epoch+2 {
		t.Errorf("the next epoch is %d, %v, want %d", next, err, epoch+2)
	}
}

func TestAStartGoesOnWhereTheEpochCannotBeStored(t *testing.T) {
	m := (&site{t: t, net: simnet.New(simnet.Options{}), dir: t.TempDir()}).machine(1)
	must(t, m.boot())
	must(t, os.RemoveAll(m.cfg.StateDir))
	epoch, err := m.node.nextEpoch()
	if err != nil || epoch == 0 || m.node.unstored.epoch != epoch || m.node.unstored.why == "" {
		t.Errorf("epoch %d, %v; unstored: %+v", epoch, err, m.node.unstored)
	}
}

func TestAKeyThatIsGoneIsSaidAndNotPutBack(t *testing.T) {
	bubble(t, lan, func(t *testing.T, s *site) {
		a := s.machine(1)
		a.start()
		file := filepath.Join(a.cfg.StateDir, trust.IdentityFile)
		must(t, os.Rename(file, file+".aside"))
		within(t, 2*tidyPeriod, "it is said", func() bool { return strings.Contains(a.degraded("node_key"), file) })
		if _, err := os.Lstat(file); err == nil {
			t.Error("the key is back, though it may have been deleted on purpose")
		}
		must(t, os.Rename(file+".aside", file))
		within(t, 2*tidyPeriod, "it is not said any more", func() bool { return a.degraded("node_key") == "" })
	})
}
