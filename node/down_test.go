package node

import (
	"errors"
	"testing"

	"github.com/weftnet/weft/node/config"
	"github.com/weftnet/weft/node/rundir"
)

func TestNoDaemonStartsWhileDownRemovesWhatTheLastOneMade(t *testing.T) {
	cfg := config.Default()
	cfg.RunDir = t.TempDir()
	unlock, err := stopDaemon(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := rundir.Lock(cfg.RunDir); !errors.Is(err, rundir.ErrRunning) {
		t.Errorf("another gets the lock: %v", err)
	}
	unlock()
	again, err := rundir.Lock(cfg.RunDir)
	if err != nil {
		t.Fatal(err)
	}
	again()
}
