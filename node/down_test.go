package node

import (
	"errors"
	"testing"

	"github.com/weftnet/weft/node/config"
)

func TestNoDaemonStartsWhileDownRemovesWhatTheLastOneMade(t *testing.T) {
	cfg := config.Default()
	cfg.RunDir = t.TempDir()
	unlock, err := stopDaemon(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := lockRunDir(cfg.RunDir); !errors.Is(err, ErrRunning) {
		t.Errorf("another gets the lock: %v", err)
	}
	unlock()
	again, err := lockRunDir(cfg.RunDir)
	if err != nil {
		t.Fatal(err)
	}
	again()
}
