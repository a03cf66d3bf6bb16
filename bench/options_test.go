package bench

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func TestUnknownNameListsSubjectsAndMeasures(t *testing.T) {
	f, o := newFake(), options(t)
	o.Only = []string{"vxlan", "geneve"}
	_, err := run(t.Context(), o, f)
	if !errors.Is(err, ErrUsage) {
		t.Fatalf("error = %v, want ErrUsage", err)
	}
	for _, want := range []string{`"geneve"`, "host-gw, vxlan, weft-super-clear", "tcp1, tcp4, rr-tcp"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("error = %v: does not name %s", err, want)
		}
	}
}

func TestBadOptionsAreRefusedBeforeAnythingIsTouched(t *testing.T) {
	for name, change := range map[string]func(*Options){
		"too many rounds":  func(o *Options) { o.Rounds = 101 },
		"negative rounds":  func(o *Options) { o.Rounds = -1 },
		"unknown preset":   func(o *Options) { o.Preset = "slow" },
		"no folder":        func(o *Options) { o.Out = "" },
		"resume and fresh": func(o *Options) { o.Resume, o.Fresh = true, true },
	} {
		f, o := newFake(), options(t)
		out := o.Out
		change(&o)
		if _, err := run(t.Context(), o, f); !errors.Is(err, ErrUsage) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: error = %v, want ErrUsage in one line", name, err)
		}
		if len(f.log) > 0 {
			t.Errorf("%s: something was started: %q", name, f.log)
		}
		mustNotExist(t, out)
	}
}

func TestMachineThatIsNotReadyIsRefusedBeforeAnythingIsTouched(t *testing.T) {
	for name, change := range map[string]func(*fake, *Options){
		"no root":          func(f *fake, _ *Options) { f.notReady = errors.New("no root") },
		"another bench":    func(f *fake, _ *Options) { f.busy = true },
		"out in a file":    func(_ *fake, o *Options) { o.Out = "/proc/version" },
		"out not for us":   func(_ *fake, o *Options) { o.Out = "/proc/x" },
		"under a file":     func(_ *fake, o *Options) { o.Out = "/proc/version/x" },
		"name of a folder": func(_ *fake, o *Options) { o.Out += strings.Repeat("x", 300) },
	} {
		f, o := newFake(), options(t)
		out := o.Out
		change(f, &o)
		if _, err := run(t.Context(), o, f); err == nil || errors.Is(err, ErrUsage) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: error = %v, want one line", name, err)
		}
		if len(f.log) > 0 {
			t.Errorf("%s: something was started: %q", name, f.log)
		}
		mustNotExist(t, out)
	}
}

func TestFullDiskIsRefused(t *testing.T) {
	if err := enoughRoom("/proc"); err == nil || !strings.Contains(err.Error(), "0.0 MiB free") {
		t.Errorf("error = %v", err)
	}
}

func TestFoldersThatWereMadeGoAgainOthersStay(t *testing.T) {
	base := t.TempDir()
	f, err := openFolder(filepath.Join(base, "a", "b"))
	if err != nil {
		t.Fatal(err)
	}
	f.leave()
	mustNotExist(t, filepath.Join(base, "a"))
	if _, err := os.Stat(base); err != nil {
		t.Error(err)
	}
}

func TestOnlyTakesOfEachKindWhatIsNamed(t *testing.T) {
	f := newFake()
	for _, c := range []struct{ preset, only, subjects, measures string }{
		{Quick, "", "vxlan weft-super-clear weft-super-sealed", "tcp1 tcp4 rr-tcp"},
		{Standard, "", "host-gw vxlan weft-super-clear weft-super-sealed", "tcp1 tcp4 rr-tcp memory"},
		{Full, "", "host-gw vxlan weft-super-clear weft-super-sealed", "tcp1 tcp4 rr-tcp memory"},
		{Quick, "host-gw", "host-gw", "tcp1 tcp4 rr-tcp"},
		{Quick, "memory cpu tcp4", "vxlan weft-super-clear weft-super-sealed", "tcp4 memory"},
		{Quick, "rr-tcp vxlan host-gw", "host-gw vxlan", "rr-tcp"},
	} {
		p, err := newPlan(Options{Preset: c.preset, Only: strings.Fields(c.only), Out: "x"}, f)
		if err != nil {
			t.Fatal(err)
		}
		if got := strings.Join(subjectNames(p.subjects), " "); got != c.subjects {
			t.Errorf("%s, only %q: subjects %s", c.preset, c.only, got)
		}
		if got := strings.Join(measureNames(p.measures), " "); got != c.measures {
			t.Errorf("%s, only %q: measures %s", c.preset, c.only, got)
		}
	}
}

func TestPresetsNameWhatThereIs(t *testing.T) {
	m := &local{}
	for name, p := range presets {
		for _, s := range p.subjects {
			if !slices.Contains(subjectNames(m.subjects()), s) {
				t.Errorf("%s: there is no subject %s", name, s)
			}
		}
		for _, id := range p.measures {
			if one, known := m.measure(id); !known || one.ID() != id {
				t.Errorf("%s: there is no measure %s", name, id)
			}
		}
	}
}

func TestEnvironmentIsReadFromTheFilesOfTheMachine(t *testing.T) {
	env := files("testdata/machine").machine()
	if env.Kernel != "6.12.1" || env.OS != "Debian GNU/Linux 13 (trixie)" || env.CPU != "Some CPU @ 2.00GHz" {
		t.Errorf("kernel %q, system %q, CPU %q", env.Kernel, env.OS, env.CPU)
	}
	if env.Memory != 2048*1024 || env.Boot != "b00t" || env.Virtual != "QEMU Standard PC" || env.Governor != "performance" {
		t.Errorf("memory %d, boot %q, hypervisor %q, governor %q", env.Memory, env.Boot, env.Virtual, env.Governor)
	}
	if !slices.Equal(env.CPUFlags, []string{"aes", "avx2"}) || env.Mitigations["meltdown"] != "Not affected" {
		t.Errorf("flags %q, mitigations %q", env.CPUFlags, env.Mitigations)
	}
	if env.Sysctls["net.ipv4.tcp_rmem"] != "4096 131072 6291456" {
		t.Errorf("sysctls %q", env.Sysctls)
	}
}

func TestSysctlsOfThisMachineAreReadWhole(t *testing.T) {
	const path = "/proc/sys/net/core/netdev_budget_usecs" // at least four digits, unless somebody changed it
	want, err := os.ReadFile(path)
	if err != nil {
		t.Skipf("this machine shows no %s: %v", path, err)
	}
	if got := environment(t.Context(), "").Sysctls["net.core.netdev_budget_usecs"]; got != strings.TrimSpace(string(want)) {
		t.Errorf("read %q, want %q", got, want)
	}
}

func TestMachineWithoutThoseFilesIsDescribedByWhatIsKnown(t *testing.T) {
	if env := files(t.TempDir()).machine(); env.Cores < 1 || env.Kernel != "" {
		t.Errorf("environment = %+v", env)
	}
}

func TestCommitIsTakenFromTheVersion(t *testing.T) {
	for version, want := range map[string]string{
		"v1.2.3-4-gdbe7bd5": "dbe7bd5", "v1.2.3-4-gdbe7bd5-dirty": "dbe7bd5-dirty", "dbe7bd5": "dbe7bd5", "dbe7bd5-dirty": "dbe7bd5-dirty",
	} {
		if got := commit(version); got != want {
			t.Errorf("%s: commit %q, want %q", version, got, want)
		}
	}
}
