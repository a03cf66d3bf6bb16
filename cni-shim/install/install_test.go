package install

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
)

// bench is a host in a directory of its own.
type bench struct {
	*Installer
	t    *testing.T
	root string

	runtime Directories // where a keeper is told to look, and why it is not known
	unclear error
}

func newBench(t *testing.T) *bench {
	t.Helper()
	root := t.TempDir()
	o := Options{
		Directories: Directories{Bin: filepath.Join(root, "opt/cni/bin"), Conf: filepath.Join(root, "etc/cni/net.d")},
		Source:      filepath.Join(root, "source"), StateDir: filepath.Join(root, "state"), RunDir: "/run/weft",
	}
	b := &bench{Installer: NewInstaller(o), t: t, root: root}
	for _, name := range Plugins {
		b.write(filepath.Join(o.Source, name), "weft's "+name, 0o755)
	}
	return b
}

func (b *bench) write(path, text string, perm os.FileMode) {
	b.t.Helper()
	b.must(os.MkdirAll(filepath.Dir(path), 0o755))
	b.must(os.WriteFile(path, []byte(text), perm))
	b.must(os.Chmod(path, perm))
}

func (b *bench) must(err error) {
	b.t.Helper()
	if err != nil {
		b.t.Fatal(err)
	}
}

func (b *bench) bin(name string) string { return filepath.Join(b.o.Bin, name) }
func (b *bench) listFile() string       { return filepath.Join(b.o.Conf, ListFile) }

func (b *bench) install() Done {
	b.t.Helper()
	done, err := b.Install()
	b.must(err)
	return done
}

func (b *bench) uninstall() []Undone {
	b.t.Helper()
	list, err := Uninstall(b.o.StateDir)
	b.must(err)
	return list
}

// tree is all that the host has but for the source: kinds, permissions, contents.
func (b *bench) tree() (list []string) {
	b.t.Helper()
	err := filepath.WalkDir(b.root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if path == b.o.Source || path == b.o.StateDir {
			return filepath.SkipDir
		}
		info, err := d.Info()
		text := ""
		if info.Mode().IsRegular() {
			raw, _ := os.ReadFile(path)
			text = string(raw)
		}
		if info.Mode().Type() == fs.ModeSymlink {
			text, _ = os.Readlink(path)
		}
		list = append(list, strings.TrimPrefix(path, b.root)+" "+info.Mode().String()+" "+text)
		return err
	})
	b.must(err)
	return list
}

func (b *bench) holds(path, want string, perm os.FileMode) {
	b.t.Helper()
	text, err := os.ReadFile(path)
	info, statErr := os.Stat(path)
	if err != nil || statErr != nil || string(text) != want || info.Mode().Perm() != perm {
		b.t.Errorf("%s holds %q (%v), permissions %v; want %q, %v", path, text, err, info.Mode(), want, perm)
	}
}

func TestAllIsPlacedTheListLastAndAgainNothingIs(t *testing.T) {
	b := newBench(t)
	defer syscall.Umask(syscall.Umask(0o077)) // as the service has it
	done := b.install()
	var order []string
	for _, p := range done.Placed {
		order = append(order, filepath.Base(p.Path))
		if p.Cause != Missing || p.Aside != "" {
			t.Errorf("%+v", p)
		}
	}
	if want := append(slices.Clone(Plugins), ListFile); !slices.Equal(order, want) {
		t.Errorf("placed %v, want %v", order, want)
	}
	for _, name := range Plugins {
		b.holds(b.bin(name), "weft's "+name, 0o755)
	}
	b.holds(b.listFile(), string(list("/run/weft")), 0o644)
	if done := b.install(); done.Any() {
		t.Errorf("again: %+v", done)
	}
	if d, ok := Installed(b.o.StateDir); !ok || d.Bin != b.o.Bin || d.Conf != b.o.Conf {
		t.Errorf("installed %t in %+v", ok, d)
	}
	if done, err := NewInstaller(b.o).Install(); err != nil || done.Any() {
		t.Errorf("by another process: %+v, %v", done, err)
	}
}

func TestUninstallLeavesTheHostAsItWas(t *testing.T) {
	b := newBench(t)
	b.must(os.MkdirAll(filepath.Join(b.root, "etc"), 0o755)) // was there; cni below it was not
	b.write(b.bin("portmap"), "Debian's", 0o700)
	b.must(os.Symlink("../../../k3s/cni", b.bin("bandwidth")))
	b.write(b.bin("loopback"), "weft's loopback", 0o755) // the same as ours, by chance
	before := b.tree()
	for range 2 {
		b.install()
		b.holds(b.bin("portmap"), "weft's portmap", 0o755)
		b.holds(b.bin("bandwidth"), "weft's bandwidth", 0o755)
		b.holds(b.bin("portmap")+asideSuffix, "Debian's", 0o700)
	}
	undone := b.uninstall()
	b.must(os.Remove(b.o.Conf)) // stays, empty: containerd watches it
	b.must(os.Remove(filepath.Dir(b.o.Conf)))
	if len(undone) != 4 || undone[0].Path != b.listFile() || undone[0].Fate != Removed {
		t.Errorf("%+v: want the list first, and not loopback", undone)
	}
	if after := b.tree(); !slices.Equal(after, before) {
		t.Errorf("after:\n%s\nbefore:\n%s", strings.Join(after, "\n"), strings.Join(before, "\n"))
	}
	if again := b.uninstall(); len(again) != 0 {
		t.Errorf("again: %+v", again)
	}
	if left, _ := os.ReadDir(filepath.Join(b.o.StateDir, "cni")); len(left) != 1 || left[0].Name() != "keeper.lock" {
		t.Errorf("the state directory holds %v", left)
	}
}

func TestWhatSomebodyChangedSinceIsLeftAndNamed(t *testing.T) {
	b := newBench(t)
	b.write(b.bin("portmap"), "Debian's", 0o755)
	b.install()
	b.write(b.bin("portmap"), "Debian's new", 0o755)
	b.must(os.Remove(b.bin("bandwidth")))
	fates := map[string]Undone{}
	for _, u := range b.uninstall() {
		fates[filepath.Base(u.Path)] = u
	}
	if u := fates["portmap"]; u.Fate != Left || u.Aside != b.bin("portmap")+asideSuffix {
		t.Errorf("portmap: %+v", u)
	}
	if u := fates["bandwidth"]; u.Fate != Gone {
		t.Errorf("bandwidth: %+v", u)
	}
	b.holds(b.bin("portmap"), "Debian's new", 0o755)
	b.holds(b.bin("portmap")+asideSuffix, "Debian's", 0o755)
}

func TestAnUpgradeReplacesWeftsOwnAndKeepsWhatWasThereBefore(t *testing.T) {
	b := newBench(t)
	b.write(b.bin("portmap"), "Debian's", 0o755)
	b.install()
	b.write(filepath.Join(b.o.Source, "portmap"), "weft's newer", 0o755)
	done := b.install()
	if len(done.Placed) != 1 || done.Placed[0].Cause != Outdated {
		t.Errorf("%+v", done)
	}
	b.holds(b.bin("portmap"), "weft's newer", 0o755)
	b.uninstall()
	b.holds(b.bin("portmap"), "Debian's", 0o755)
}

func TestWhatAnUpgradeOfTheRuntimeReplacedIsPutBackAndRestoredInTheEnd(t *testing.T) {
	b := newBench(t)
	b.write(b.bin("portmap"), "k3s's", 0o755)
	b.install()
	b.write(b.bin("portmap"), "k3s's ne", 0o755) // half-replaced
	b.must(os.RemoveAll(b.o.Conf))
	done := b.install()
	if len(done.Placed) != 2 || done.Placed[0].Cause != Foreign || done.Placed[1].Cause != Missing {
		t.Errorf("%+v", done)
	}
	b.holds(b.bin("portmap"), "weft's portmap", 0o755)
	b.uninstall()
	b.holds(b.bin("portmap"), "k3s's ne", 0o755)
}

// The state directory was removed, and with it the record.
func TestWithoutTheRecordNothingOfOthersIsLostAndTheListGoesInTheEnd(t *testing.T) {
	b := newBench(t)
	b.write(b.bin("portmap"), "Debian's", 0o755)
	b.install()
	b.must(os.RemoveAll(b.o.StateDir))
	b.write(filepath.Join(b.o.Source, "portmap"), "weft's newer", 0o755)
	done := b.install()
	if len(done.Placed) != 1 || done.Placed[0].Aside != b.bin("portmap")+asideSuffix+".2" {
		t.Errorf("%+v", done)
	}
	if done := b.install(); done.Any() {
		t.Errorf("again: %+v", done)
	}
	b.holds(b.bin("portmap")+asideSuffix+".2", "weft's portmap", 0o755)
	b.uninstall()
	b.holds(b.bin("portmap"), "Debian's", 0o755)
	for _, path := range []string{b.listFile(), b.bin(Plugin)} {
		if _, err := os.Lstat(path); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s is left: %v", path, err)
		}
	}
}

// An upgrade of the package replaced a source between its sum and its copy.
func TestARecordThatIsBehindIsBroughtUpToDate(t *testing.T) {
	b := newBench(t)
	b.install()
	r, err := readRecord(b.o.StateDir)
	b.must(err)
	r.Files[1].Sum = sumOfBytes([]byte("an older one"))
	b.must(r.write())
	if done := b.install(); done.Any() {
		t.Errorf("%+v", done)
	}
	for _, u := range b.uninstall() {
		if u.Fate != Removed {
			t.Errorf("%+v", u)
		}
	}
}

// Earlier builds removed the directory of the list, which containerd watches.
func TestTheDirectoryOfTheListStaysAlsoWhereAnEarlierBuildHadMadeIt(t *testing.T) {
	b := newBench(t)
	b.install()
	r, err := readRecord(b.o.StateDir)
	b.must(err)
	r.Made = append(r.Made, b.o.Conf)
	b.must(r.write())
	if done := b.install(); done.Any() {
		t.Errorf("%+v", done)
	}
	b.uninstall()
	if _, err := os.Stat(b.o.Conf); err != nil {
		t.Error(err)
	}
}

func TestPermissionsAreMended(t *testing.T) {
	b := newBench(t)
	b.install()
	b.must(os.Chmod(b.bin(Plugin), 0o600))
	if done := b.install(); len(done.Placed) != 1 {
		t.Errorf("%+v", done)
	}
	b.holds(b.bin(Plugin), "weft's "+Plugin, 0o755)
	b.uninstall()
	if _, err := os.Lstat(b.bin(Plugin) + asideSuffix); err == nil {
		t.Error("weft's own was kept aside")
	}
}

func TestOtherDirectoriesTakeOverAsAWhole(t *testing.T) {
	b := newBench(t)
	b.write(b.bin("portmap"), "Debian's", 0o755)
	b.install()
	old := b.o
	b.o.Bin = filepath.Join(b.root, "usr/lib/cni")
	done := b.install()
	if len(done.Removed) != len(Plugins) {
		t.Errorf("%+v", done)
	}
	b.holds(filepath.Join(old.Bin, "portmap"), "Debian's", 0o755)
	b.holds(b.bin("portmap"), "weft's portmap", 0o755)
	b.uninstall()
	b.holds(filepath.Join(old.Bin, "portmap"), "Debian's", 0o755)
	if _, err := os.Stat(b.bin("portmap")); !errors.Is(err, fs.ErrNotExist) {
		t.Error(err)
	}
}

// The list cannot be placed: a directory has its name, or its own directory takes nothing.
func TestAFailureHalfWayIsUndone(t *testing.T) {
	for what, spoil := range map[string]func(b *bench){
		"a directory has the list's name": func(b *bench) { b.must(os.MkdirAll(b.listFile(), 0o755)) },
		"a file has the directory's name": func(b *bench) { b.write(b.o.Conf, "", 0o644) },
		"a plugin became unreadable": func(b *bench) {
			b.write(b.bin(Plugin), "old", 0o755)
			b.sums[filepath.Join(b.o.Source, "bandwidth")] = stamped{}
			b.must(os.Remove(filepath.Join(b.o.Source, "bandwidth")))
			b.must(os.Mkdir(filepath.Join(b.o.Source, "bandwidth"), 0o755))
		},
	} {
		t.Run(what, func(t *testing.T) {
			b := newBench(t)
			b.write(b.bin("portmap"), "Debian's", 0o755)
			spoil(b)
			before := b.tree()
			if _, err := b.Install(); err == nil || strings.Contains(err.Error(), "\n") {
				t.Errorf("err = %v", err)
			}
			if after := b.tree(); !slices.Equal(after, before) {
				t.Errorf("after:\n%s\nbefore:\n%s", strings.Join(after, "\n"), strings.Join(before, "\n"))
			}
		})
	}
}

func TestAReadOnlyDirectoryIsOneLineAndUndone(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("mounts need root")
	}
	for _, dir := range []string{"opt/cni/bin", "etc/cni/net.d"} {
		b := newBench(t)
		b.install()
		b.write(filepath.Join(b.o.Source, Plugin), "newer", 0o755)
		b.must(os.Remove(b.listFile()))
		before := b.tree()
		target := filepath.Join(b.root, dir)
		b.must(syscall.Mount(target, target, "", syscall.MS_BIND, ""))
		defer func() { b.must(syscall.Unmount(target, syscall.MNT_DETACH)) }()
		b.must(syscall.Mount("", target, "", syscall.MS_REMOUNT|syscall.MS_BIND|syscall.MS_RDONLY, ""))
		_, err := b.Install()
		if err == nil || !errors.Is(err, syscall.EROFS) || strings.Contains(err.Error(), "\n") || !strings.Contains(err.Error(), target) {
			t.Errorf("err = %v", err)
		}
		if after := b.tree(); !slices.Equal(after, before) {
			t.Errorf("after:\n%s\nbefore:\n%s", strings.Join(after, "\n"), strings.Join(before, "\n"))
		}
	}
}

func TestAPlaceThatIsNotRootsSaysSo(t *testing.T) {
	if err := unwritten("/opt/cni/bin/portmap", syscall.EACCES); !errors.Is(err, syscall.EACCES) || !strings.Contains(err.Error(), "root must own /opt/cni/bin") {
		t.Error(err)
	}
}

// A process that is killed leaves the record and some of the files: each prefix of them is what one may have left.
func TestWhatAKilledProcessLeftIsCompletedOrTakenBack(t *testing.T) {
	for killed := range len(Plugins) + 1 {
		for _, next := range []string{"install", "uninstall"} {
			b := newBench(t)
			b.write(b.bin("portmap"), "Debian's", 0o755)
			before := b.tree()
			b.install()
			for _, name := range append(slices.Clone(Plugins), ListFile)[killed:] {
				b.forget(name)
			}
			b.write(filepath.Join(b.o.Bin, "."+Plugin+"123"), "half", 0o600) // its temporary file
			if next == "install" {
				b.install()
				b.holds(b.listFile(), string(list("/run/weft")), 0o644)
				b.holds(b.bin("portmap"), "weft's portmap", 0o755)
			}
			b.uninstall()
			b.must(os.RemoveAll(filepath.Join(b.root, "etc")))
			_ = os.Remove(filepath.Join(b.o.Bin, "."+Plugin+"123")) // Install removes it, where it places that file
			if after := b.tree(); !slices.Equal(after, before) {
				t.Errorf("killed before file %d, then %s:\n%s\nbefore:\n%s", killed, next, strings.Join(after, "\n"), strings.Join(before, "\n"))
			}
		}
	}
}

// forget makes a file as it was before it was placed. What was kept aside may have its second name already.
func (b *bench) forget(name string) {
	path := b.bin(name)
	if name == ListFile {
		path = b.listFile()
	}
	b.must(os.Remove(path))
	if _, err := os.Lstat(path + asideSuffix); err == nil {
		b.must(os.Link(path+asideSuffix, path))
	}
}

func TestAMissingPluginIsNamedAndNothingIsDone(t *testing.T) {
	b := newBench(t)
	b.must(os.Remove(filepath.Join(b.o.Source, "portmap")))
	if _, err := b.Install(); err == nil || !strings.Contains(err.Error(), filepath.Join(b.o.Source, "portmap")) {
		t.Errorf("err = %v", err)
	}
	if _, err := os.Stat(b.o.Bin); !errors.Is(err, fs.ErrNotExist) {
		t.Error("something was made")
	}
}

func TestADamagedRecordIsNamedAndNothingIsDone(t *testing.T) {
	b := newBench(t)
	b.install()
	for _, text := range []string{"", "{", `{"version":2}`, `{"version":1,"files":[{"path":"x","sha256":""}]}`, `{"version":1,"directories":["../x"]}`} {
		b.write(recordPath(b.o.StateDir), text, 0o600)
		b.write(filepath.Join(b.o.Source, Plugin), "newer", 0o755)
		_, err := b.Install()
		if err == nil || !strings.Contains(err.Error(), recordPath(b.o.StateDir)) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%q: err = %v", text, err)
		}
		if _, err := Uninstall(b.o.StateDir); err == nil {
			t.Errorf("%q: it was uninstalled", text)
		}
		b.holds(b.bin(Plugin), "weft's "+Plugin, 0o755)
	}
}

func FuzzDecodeRecord(f *testing.F) {
	f.Add([]byte(`{"version":1,"files":[{"path":"/opt/cni/bin/weft-cni","sha256":"` + strings.Repeat("ab", 32) + `"}],"directories":["/opt/cni"]}`))
	f.Add([]byte(`{"version":1,"files":[{"path":"opt","sha256":"ab"}]}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		r, err := decodeRecord(data)
		if err != nil {
			return
		}
		for _, p := range r.Files {
			if !filepath.IsAbs(p.Path) || len(p.Sum) != 64 {
				t.Errorf("%+v was taken", p)
			}
		}
		if again, err := decodeRecord(r.encode()); err != nil || !slices.Equal(again.Files, r.Files) || !slices.Equal(again.Made, r.Made) {
			t.Errorf("%+v became %+v, %v", r, again, err)
		}
	})
}
