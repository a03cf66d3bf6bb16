package deploy

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/weftnet/weft/lab/labtest"
	"github.com/weftnet/weft/lab/systemd"
)

// packages makes the packages of a version in dir.
func packages(t *testing.T, dir, version, formats string) {
	t.Helper()
	check(t, os.MkdirAll(dir, 0o755))
	make := exec.CommandContext(within(t, 5*patience), "make", "--silent", "--assume-old=build", "packages",
		"WEFT="+labtest.Weft(t), "CNI="+pluginsDir(t), "DIST="+dir, "VERSION="+version, "FORMATS="+formats)
	make.Dir = repository(t)
	if out, err := make.CombinedOutput(); err != nil {
		if strings.Contains(string(out), "proxy.golang.org") || strings.Contains(string(out), "dial tcp") {
			t.Skipf("nfpm cannot be had: %s", out)
		}
		t.Fatalf("make packages: %v\n%s", err, out)
	}
}

// block is a piece of docs/install.md that is to be run on one host.
type block struct{ host, script string }

var runnable = regexp.MustCompile("(?s)<!-- service: ([a-z0-9-]+) -->\n```sh\n(.*?)```")

func blocks(t *testing.T) (list []block) {
	t.Helper()
	text, err := os.ReadFile("../docs/install.md")
	check(t, err)
	for _, m := range runnable.FindAllStringSubmatch(string(text), -1) {
		list = append(list, block{m[1], m[2]})
	}
	return list
}

// changed is what the machine has in its root that this one has not, or otherwise: kinds, modes, sizes and names. What keeps a
// record of everything that happens (logs, dpkg's own files, the journal) does not count.
func (v *vm) changed() (list []string) {
	v.t.Helper()
	find := fmt.Sprintf(`cd %s && find . \( -path ./var/log -o -path ./var/lib/dpkg -o -path ./var/cache -o -path ./tmp -o -path ./var/tmp \) `+
		`-prune -o -printf '%%y %%m %%s %%p %%l\n' | sort`, systemd.Upper)
	for line := range strings.Lines(v.sh(find)) {
		fields := strings.Fields(line)
		if _, err := os.Lstat(filepath.Join("/", fields[3])); fields[0] == "d" && err == nil {
			continue // a directory is copied when something in it changes
		}
		list = append(list, strings.TrimSpace(line))
	}
	return list
}

// network is what weft leaves in the host's network.
func (v *vm) network() string {
	return v.sh("ip -brief link | cut -d' ' -f1; ip route show table all; ip -6 route show table all; ip rule; " +
		"! command -v nft >/dev/null || nft list ruleset")
}

func TestThePackageDoesAsTheDocumentSaysAndLeavesTheHostAsBefore(t *testing.T) {
	if runtime.GOARCH != "amd64" {
		t.Skip("the document shows the package of amd64")
	}
	if _, err := exec.LookPath("dpkg"); err != nil {
		t.Skip("not a Debian: ", err)
	}
	l := newLab(t)
	dir := t.TempDir()
	packages(t, dir, "v1.0.0", "deb")
	packages(t, filepath.Join(dir, "newer"), "v1.0.0-3-g1234567", "deb")

	vms := map[string]*vm{"vm-1": boot(t, l, "vm-1"), "vm-2": boot(t, l, "vm-2")}
	last := vms["vm-2"]
	last.sh("rm -rf /etc/weft /var/lib/weft /etc/systemd/system/multi-user.target.wants") // as it is on a fresh host
	files, network := last.changed(), last.network()
	check(t, os.CopyFS(systemd.SharedDir(last.Host()), os.DirFS(dir))) // what is "copied over"

	list := blocks(t)
	if len(list) < 7 {
		t.Fatalf("%d runnable blocks in docs/install.md, want at least 7", len(list))
	}
	for _, b := range list {
		runBlock(t, vms[b.host], systemd.Shared, b.script)
	}
	if got := last.network(); got != network {
		t.Errorf("the network after the removal:\n%s\nbefore the installation:\n%s", got, network)
	}
	for _, change := range last.changed() {
		if !slices.Contains(files, change) {
			t.Errorf("left behind: %s", change)
		}
	}
	if out := last.sh("dpkg --get-selections weft 2>/dev/null"); out != "" {
		t.Errorf("dpkg still knows %s", out)
	}
}

// runBlock runs a block, and checks what must hold after it.
func runBlock(t *testing.T, v *vm, dir, script string) {
	t.Helper()
	t.Logf("%s:\n%s", v.Host().Name(), script)
	pid := ""
	if strings.Contains(script, "newer/") {
		pid = v.show("MainPID")
	}
	out, err := v.Shell(within(t, patience), dir, "set -eu\nsudo() { \"$@\"; }\n"+script, nil)
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	t.Log(out)
	switch {
	case pid != "":
		checkUpgrade(t, v, pid)
	case strings.Contains(script, "dpkg -r"):
		v.sh("! ip link show weft0 2>/dev/null; ! command -v weft; test -f /etc/weft/weft.yaml; test -f /var/lib/weft/node.key")
	case strings.Contains(script, "dpkg -i") && !strings.Contains(script, "start"):
		if enabled, active := v.show("UnitFileState"), v.show("ActiveState"); enabled != "enabled" || active != "inactive" {
			t.Errorf("after the installation the service is %s and %s", enabled, active)
		}
	case strings.Contains(script, "peers"):
		v.sh("for i in $(seq 100); do weft peers | grep -q ' up ' && exit; sleep 0.1; done; exit 1")
	}
}

// checkUpgrade checks that another daemon runs now, of the newer package.
func checkUpgrade(t *testing.T, v *vm, pid string) {
	t.Helper()
	if now := v.show("MainPID"); now == pid || now == "0" {
		t.Errorf("the daemon is process %s, before the upgrade %s", now, pid)
	}
	if got := v.sh("dpkg-query --show --showformat '${Version}' weft"); got != "1.0.0+3.g1234567" {
		t.Errorf("version %s is installed", got)
	}
	v.sh("for i in $(seq 100); do weft peers | grep -q ' up ' && exit; sleep 0.1; done; exit 1")
}

func TestTheRPMHoldsWhatTheDebHolds(t *testing.T) {
	t.Parallel()
	if _, err := exec.LookPath("rpm"); err != nil {
		t.Skip("rpm is not installed: scripts/setup.sh --all")
	}
	dir := t.TempDir()
	packages(t, dir, "v1.0.0", "deb rpm")
	deb, err := filepath.Glob(dir + "/*.deb")
	check(t, err)
	rpm, err := filepath.Glob(dir + "/*.rpm")
	check(t, err)
	debFiles, err := exec.Command("sh", "-c", "dpkg-deb --fsys-tarfile \"$1\" | tar t | grep -v '/$' | sed 's/^\\.//; s/vendor-completions/site-functions/' | sort", "sh", deb[0]).Output()
	check(t, err)
	rpmFiles, err := exec.Command("sh", "-c", "rpm -qlp \"$1\" | sort", "sh", rpm[0]).Output()
	check(t, err)
	for file := range strings.Lines(string(debFiles)) {
		if !strings.Contains(string(rpmFiles), file) {
			t.Errorf("the rpm has no %s", file)
		}
	}
}

func TestMakeUninstallLeavesNothingOfMakeInstall(t *testing.T) {
	root := t.TempDir()
	for _, goal := range []string{"install", "uninstall"} {
		out, err := exec.CommandContext(within(t, patience), "make", "--silent", "--directory", repository(t), goal,
			"WEFT="+labtest.Weft(t), "CNI="+pluginsDir(t), "DESTDIR="+root).CombinedOutput()
		if err != nil {
			t.Fatalf("make %s: %v\n%s", goal, err, out)
		}
		files := 0
		check(t, filepath.Walk(root, func(path string, info os.FileInfo, err error) error {
			if err == nil && !info.IsDir() {
				files++
				if goal == "uninstall" {
					t.Errorf("left: %s", path)
				}
			}
			return err
		}))
		if goal == "install" && files < 8 {
			t.Errorf("%d files were installed", files)
		}
	}
}
