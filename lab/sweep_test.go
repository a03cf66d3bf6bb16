package lab

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// The tests of other packages make labs at the same time, and New sweeps: what is dead may be gone before Sweep is called.

func TestSweepRemovesAllThatAKilledOwnerMade(t *testing.T) {
	for _, keep := range []bool{false, true} {
		owner := startOwner(t, keep)
		owner.kill()
		if _, err := Sweep(); err != nil {
			t.Error(err)
		}
		assertGone(t, owner.id)
		owner.assertEnded(t)
	}
}

func TestProcessesDieWithTheirOwner(t *testing.T) {
	owner := startOwner(t, false)
	started := owner.procs[0] // by Start; the next has left its parent and waits for Sweep
	owner.kill()
	await(t, "the process died", func() bool { return !started.alive() })
}

func TestSweepLeavesALivingOwnerAlone(t *testing.T) {
	owner := startOwner(t, false)
	own := testLab(t, Options{})
	if removed, err := Sweep(); err != nil || slices.Contains(removed, owner.id) || slices.Contains(removed, own.ID()) {
		t.Errorf("removed %v, %v", removed, err)
	}
	for _, p := range owner.procs {
		if !p.alive() {
			t.Errorf("process %d was killed", p.PID)
		}
	}
	if err := Remove(owner.id); err == nil || !strings.Contains(err.Error(), "in use") {
		t.Errorf("removal of a living owner's lab: %v", err)
	}
}

func TestKeptLabOutlivesItsOwnerUntilItIsRemoved(t *testing.T) {
	owner := startOwner(t, true)
	owner.input.Close()
	if err := owner.cmd.Wait(); err != nil {
		t.Fatal(err)
	}
	if removed, err := Sweep(); err != nil || slices.Contains(removed, owner.id) {
		t.Errorf("removed %v, %v", removed, err)
	}
	for _, p := range owner.procs {
		if !p.alive() {
			t.Errorf("process %d has ended", p.PID)
		}
	}
	runs, err := Runs()
	if err != nil || !slices.ContainsFunc(runs, func(r Run) bool { return r.ID == owner.id && r.Kept && !r.Alive }) {
		t.Errorf("runs = %+v, %v; want the kept one", runs, err)
	}
	if err := Remove(owner.id); err != nil {
		t.Fatal(err)
	}
	assertGone(t, owner.id)
	owner.assertEnded(t)
}

func TestRemoveOfAnUnknownLabIsRefused(t *testing.T) {
	for _, id := range []string{"", "../x", "nosuchlab"} {
		if err := Remove(id); err == nil {
			t.Errorf("%q was removed", id)
		}
	}
}

// TestInterruptedBeginningIsSwept covers a maker that was killed between any two steps: a directory without record, a name
// without namespace.
func TestInterruptedBeginningIsSwept(t *testing.T) {
	testLab(t, Options{}) // holds the registry open
	id, r := randomID(), registry{Directory}
	err := r.locked(func() error { // as New holds it
		if err := os.Mkdir(r.runDir(id), 0o755); err != nil {
			return err
		}
		return os.WriteFile(filepath.Join(namesDir, namespaceName(id, "a")), nil, 0o444)
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Sweep(); err != nil {
		t.Error(err)
	}
	assertGone(t, id)
}

func TestSweepGoesOnAfterADamagedRecord(t *testing.T) {
	r := registry{t.TempDir()}
	damaged, newer, dead := filepath.Join(r.dir, "damaged"), filepath.Join(r.dir, "newer"), filepath.Join(r.dir, "zdead")
	for dir, text := range map[string]string{damaged: "{", newer: `{"version":9}`, dead: ""} {
		if err := os.Mkdir(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		if text == "" {
			continue
		}
		if err := os.WriteFile(filepath.Join(dir, recordFile), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	removed, err := r.sweep()
	if len(removed) != 1 || removed[0] != "zdead" {
		t.Errorf("removed %v, want zdead", removed)
	}
	if err == nil || !strings.Contains(err.Error(), damaged) || !strings.Contains(err.Error(), "version 9") {
		t.Errorf("the others are not named: %v", err)
	}
}

func TestReusedPIDProtectsNoRunAndKillsNobody(t *testing.T) {
	bystander := exec.Command("sleep", "1000")
	if err := bystander.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { bystander.Process.Kill(); bystander.Wait() }()
	real, ok, err := findProc(bystander.Process.Pid)
	if err != nil || !ok {
		t.Fatal(err)
	}
	earlier := proc{PID: real.PID, Start: real.Start - 1}
	boot, space, err := readBoot()
	if err != nil {
		t.Fatal(err)
	}
	rec := record{Version: recordVersion, Owner: earlier, Boot: boot, PIDNamespace: space}
	if dead, err := rec.dead(); err != nil || !dead {
		t.Errorf("an owner whose pid is used again counts as alive: %v", err)
	}
	if err := earlier.kill(time.Now().Add(time.Second)); err != nil {
		t.Error(err)
	}
	if !real.alive() {
		t.Error("a bystander with the pid of an earlier process was killed")
	}
}

func TestOwnerOfAnotherBootIsDeadAndOfAnotherContainerIsNotJudged(t *testing.T) {
	rec, err := newRecord()
	if err != nil {
		t.Fatal(err)
	}
	if dead, err := rec.dead(); dead || err != nil {
		t.Errorf("this process counts as dead: %v", err)
	}
	other := rec
	other.Boot = "another"
	if dead, _ := other.dead(); !dead {
		t.Error("an owner of another boot counts as alive")
	}
	other = rec
	other.PIDNamespace, other.Owner.Start = "pid:[1]", 1
	if dead, _ := other.dead(); dead {
		t.Error("an owner in another pid namespace was judged by a pid of this one")
	}
}

func TestZombieOwnerIsDead(t *testing.T) {
	cmd := exec.Command("true")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer cmd.Wait()
	await(t, "the process ended and waits to be reaped", func() bool {
		_, ok, err := findProc(cmd.Process.Pid)
		return err == nil && !ok
	})
}
