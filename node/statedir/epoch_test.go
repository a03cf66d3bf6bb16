package statedir

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestANodeWhoseClockWentBackIsReachedAfterARestart(t *testing.T) {
	dir := t.TempDir()
	later := time.Now().Add(240 * time.Hour)
	first, _, err := NextEpoch(dir, later)
	must(t, err)
	second, _, err := NextEpoch(dir, later.Add(-480*time.Hour))
	must(t, err)
	if second <= first {
		t.Errorf("epoch %d after %d", second, first)
	}
}

// TestAStateDirectoryThatWasPutBackGivesAHigherEpochAllTheSame restores a backup; the clock did not go back.
func TestAStateDirectoryThatWasPutBackGivesAHigherEpochAllTheSame(t *testing.T) {
	dir, now := t.TempDir(), time.Now()
	file := filepath.Join(dir, EpochFile)
	_, _, err := NextEpoch(dir, now)
	must(t, err)
	backup, err := os.ReadFile(file)
	must(t, err)
	var last uint64
	for i := range 5 {
		last, _, err = NextEpoch(dir, now.Add(time.Duration(i+1)*time.Hour))
		must(t, err)
	}
	must(t, os.WriteFile(file, backup, 0o600))
	again, _, err := NextEpoch(dir, now.Add(6*time.Hour))
	must(t, err)
	if again <= last {
		t.Errorf("epoch %d after %d", again, last)
	}
}

func TestADamagedEpochFileIsMadeUpForAndANewerOneIsRefused(t *testing.T) {
	dir := t.TempDir()
	now := time.Now()
	file := filepath.Join(dir, EpochFile)
	must(t, os.WriteFile(file, []byte("\x00\x00"), 0o600))
	if e, aside, err := NextEpoch(dir, now); err != nil || e < uint64(now.Unix()) || aside == "" {
		t.Errorf("damaged: epoch %d, %v", e, err)
	}
	must(t, os.WriteFile(file, []byte(`{"version": 9, "epoch": 1}`), 0o600))
	if _, _, err := NextEpoch(dir, now); err == nil || !strings.Contains(err.Error(), "9") || !strings.Contains(err.Error(), file) {
		t.Errorf("newer: %v", err)
	}
}
