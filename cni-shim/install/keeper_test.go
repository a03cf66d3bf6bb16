package install

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestTheListIsWhatRuntimesRead(t *testing.T) {
	r := readRival(containerdFileOf(t, string(list("/run/weft"))))
	if r.Damage != "" || r.Network != "weft" || r.Types != "weft-cni, portmap, bandwidth" {
		t.Errorf("%+v", r)
	}
	if strings.Contains(string(list("/run/weft/")), "runDir") || !strings.Contains(string(list("/run/other")), `"runDir": "/run/other"`) {
		t.Errorf("%s", list("/run/other"))
	}
}

func TestRivalsAreWhatTheRuntimeReadsFirst(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{
		"05-cilium.conflist":  `{"name":"cilium","plugins":[{"type":"cilium-cni"}]}`,
		"10-flannel.conflist": `{"name":"cbr0","plugins":[{"type":"flannel"},{"type":"portmap"}]}`,
		"00-half.conf":        `{"name":`,
		"01-single.json":      `{"name":"mine","type":"bridge"}`,
		"02-empty.conflist":   `{"name":"none"}`,
		"05-old.bak":          `{}`,
		"87-podman.conflist":  `{"name":"podman","plugins":[{"type":"bridge"}]}`,
		ListFile:              string(list("/run/weft")),
		ListFile + ".12":      "",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	found, err := Rivals(dir)
	var names []string
	for _, r := range found {
		names = append(names, filepath.Base(r.Path)+" "+r.Network)
		if strings.Contains(r.String(), "\n") {
			t.Errorf("%s", r)
		}
	}
	want := "00-half.conf , 01-single.json mine, 02-empty.conflist none, 05-cilium.conflist cilium, 10-flannel.conflist cbr0"
	if got := strings.Join(names, ", "); err != nil || got != want || found[0].Damage == "" || found[2].Damage == "" {
		t.Errorf("%s (%v), want %s", got, err, want)
	}
}

// keeperOf is a keeper, and what it has logged since the last call of said.
func keeperOf(b *bench) (k *Keeper, said func() string) {
	var log bytes.Buffer
	b.runtime = b.o.Directories
	where := func() (Directories, error) { return b.runtime, b.unclear }
	k = NewKeeper(b.Installer, where, slog.New(slog.NewTextHandler(&log, nil)))
	return k, func() string {
		text := log.String()
		log.Reset()
		return text
	}
}

func TestAKeeperPutsBackWhatIsRemovedAndTellsOfItAFewTimes(t *testing.T) {
	b := newBench(t)
	k, said := keeperOf(b)
	now := time.Unix(1000, 0)
	k.Look(now)
	if text := said(); strings.Count(text, "cni.installed") != len(Plugins)+1 {
		t.Errorf("at first: %s", text)
	}
	if k.Look(now); said() != "" {
		t.Error("it told of nothing")
	}
	told := ""
	for range 10 {
		now = now.Add(KeepPeriod)
		b.must(os.Remove(b.listFile()))
		k.Look(now)
		b.holds(b.listFile(), string(list("/run/weft")), 0o644)
		told += said()
	}
	if strings.Count(told, "cni.restored") != maxTold || strings.Count(told, "cni.contested") != 1 {
		t.Errorf("of 10 repairs: %s", told)
	}
	now = now.Add(2 * quiet)
	b.must(os.Remove(b.listFile()))
	if k.Look(now); strings.Count(said(), "cni.restored") != 1 {
		t.Error("after a while of quiet it is not told")
	}
}

func TestAKeeperTellsOfAnUpgradeAndOfRivalsOnce(t *testing.T) {
	b := newBench(t)
	k, said := keeperOf(b)
	k.Look(time.Unix(1000, 0))
	said()
	b.write(filepath.Join(b.o.Source, Plugin), "newer", 0o755)
	b.write(filepath.Join(b.o.Conf, "05-x.conflist"), `{"name":"x","plugins":[{"type":"y"}]}`, 0o644)
	for range 3 {
		k.Look(time.Unix(1004, 0))
	}
	text := said()
	if strings.Count(text, "cni.installed") != 1 || strings.Count(text, "cni.rival") != 1 || strings.Count(text, "\n") != 2 {
		t.Errorf("%s", text)
	}
	b.holds(b.bin(Plugin), "newer", 0o755)
}

func TestAKeeperFollowsTheRuntimeOnceItsConfigurationHasSettled(t *testing.T) {
	b := newBench(t)
	k, said := keeperOf(b)
	k.Look(time.Unix(1000, 0))
	said()
	old, moved := b.runtime, Directories{Bin: filepath.Join(b.root, "usr/lib/cni"), Conf: b.o.Conf, Why: "so it says"}
	for _, d := range []Directories{moved, old, moved, old} { // it is being written
		b.runtime = d
		k.Look(time.Unix(1004, 0))
	}
	if text := said(); text != "" || b.o.Directories != old {
		t.Errorf("it moved to %+v: %s", b.o.Directories, text)
	}
	b.unclear = errors.New("half a file")
	b.must(os.Remove(b.bin("portmap")))
	for range 3 {
		k.Look(time.Unix(1008, 0))
	}
	b.holds(b.bin("portmap"), "weft's portmap", 0o755)
	b.runtime, b.unclear = moved, nil
	k.Look(time.Unix(1012, 0))
	k.Look(time.Unix(1016, 0))
	text := said()
	if strings.Count(text, "cni.refused") != 1 || strings.Count(text, "cni.keeping") != 1 || strings.Count(text, "cni.removed") != len(Plugins) {
		t.Errorf("%s", text)
	}
	b.holds(filepath.Join(moved.Bin, "portmap"), "weft's portmap", 0o755)
}

// A container has its directories by mounts, which go on showing what was removed.
func TestAKeeperEndsWhereItsDirectoryWasRemovedBelowIt(t *testing.T) {
	b := newBench(t)
	b.must(os.MkdirAll(b.o.Conf, 0o755))
	held, err := os.Open(b.o.Conf)
	b.must(err)
	defer held.Close()
	b.must(os.Remove(b.o.Conf))
	b.o.Conf = fmt.Sprintf("/proc/self/fd/%d", held.Fd())
	k, said := keeperOf(b)
	if err := k.Run(t.Context()); err == nil || !strings.Contains(err.Error(), "starts anew") || strings.Contains(err.Error(), "\n") {
		t.Errorf("err = %v; %s", err, said())
	}
}

func TestTwoKeepersOfDifferentVersionsAreToldOfAFewTimes(t *testing.T) {
	b := newBench(t)
	older := newBench(t)
	older.o.Directories, older.o.StateDir = b.o.Directories, b.o.StateDir
	older.write(filepath.Join(older.o.Source, Plugin), "weft's older", 0o755)
	k, said := keeperOf(b)
	other, _ := keeperOf(older)
	now, told := time.Unix(1000, 0), ""
	for range 10 {
		now = now.Add(KeepPeriod)
		k.Look(now)
		other.Look(now)
		told += said()
	}
	if strings.Count(told, Plugin+" ") != 1+maxTold+1 || strings.Count(told, "cni.contested") != 1 {
		t.Errorf("%s", told)
	}
}

func TestAKeeperTellsOnceOfWhatFailsAndGoesOn(t *testing.T) {
	b := newBench(t)
	source := filepath.Join(b.o.Source, "portmap")
	b.must(os.Remove(source))
	k, said := keeperOf(b)
	for range 3 {
		k.Look(time.Unix(1000, 0))
	}
	if text := said(); strings.Count(text, "cni.refused") != 1 || strings.Count(text, "\n") != 1 {
		t.Errorf("%s", text)
	}
	b.write(source, "weft's portmap", 0o755)
	k.Look(time.Unix(1004, 0))
	b.holds(b.bin("portmap"), "weft's portmap", 0o755)
}

func TestNothingIsUninstalledWhileAKeeperRuns(t *testing.T) {
	b := newBench(t)
	k, _ := keeperOf(b)
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error)
	release, err := lockKeeper(b.o.StateDir) // as another keeper does
	b.must(err)
	b.install()
	if _, err := Uninstall(b.o.StateDir); !errors.Is(err, errKept) {
		t.Errorf("err = %v", err)
	}
	go func() { ended <- k.Run(ctx) }()
	release()
	stop()
	b.must(<-ended)
	if list := b.uninstall(); len(list) != len(Plugins)+1 {
		t.Errorf("%+v", list)
	}
}
