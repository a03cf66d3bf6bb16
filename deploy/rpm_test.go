package deploy

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/weftnet/weft/lab/systemd"
)

// How rpm is called in a machine whose packages are Debian's: with a database of its own, where 'changed' does not look, and which
// knows of nothing that the package may need.
const (
	rpm       = "rpm --dbpath /var/cache/rpm "
	rpmChange = rpm + "--force-debian --nodeps "
)

// distribution makes what other packages hold where rpm knows them: the directories of package filesystem, and NetworkManager's,
// which rpm would take for ours alone.
const distribution = "mkdir -p /usr/share/zsh/site-functions /usr/lib/NetworkManager/conf.d; touch /usr/lib/NetworkManager/conf.d/other.conf"

func TestTheRPMIsInstalledUpgradedAndRemovedAndLeavesTheHostAsBefore(t *testing.T) {
	if _, err := exec.LookPath("rpm"); err != nil {
		t.Skip("rpm is not installed: scripts/setup.sh --all")
	}
	l := newLab(t)
	dir := t.TempDir()
	packages(t, filepath.Join(dir, "older"), "v1.0.0", "rpm")
	packages(t, filepath.Join(dir, "newer"), "v1.0.0-3-g1234567", "rpm")
	c, n := peer(t, l)
	s := &service{vm: boot(t, l, "vm-2"), cluster: c, peer: n}
	s.sh("rm -rf /etc/weft /var/lib/weft /etc/systemd/system/multi-user.target.wants") // as it is on a fresh host
	s.sh(distribution)
	check(t, os.CopyFS(systemd.SharedDir(s.Host()), os.DirFS(dir)))
	files, network := s.changed(), s.network()

	s.sh(rpmChange + "-i " + systemd.Shared + "/older/*.rpm")
	if enabled, active := s.show("UnitFileState"), s.show("ActiveState"); enabled != "enabled" || active != "inactive" {
		t.Errorf("after the installation the service is %s and %s, want enabled and inactive", enabled, active)
	}
	s.join()
	s.upgradeRPM()
	s.sh(rpmChange + "-e weft")
	s.sh("! ip link show weft0 2>/dev/null; ! command -v weft; ! test -e /run/weft; " +
		"test -f /etc/weft/weft.yaml; test -f /var/lib/weft/node.key; rm -rf /etc/weft /var/lib/weft") // as the document says
	if state := s.show("LoadState"); state != "not-found" {
		t.Errorf("after the removal the unit is %s", state)
	}
	if got := s.network(); got != network {
		t.Errorf("the network after the removal:\n%s\nbefore the installation:\n%s", got, network)
	}
	for _, change := range s.changed() {
		if !slices.Contains(files, change) {
			t.Errorf("left behind: %s", change)
		}
	}
}

// upgradeRPM installs the newer package over the one that runs: another daemon then runs, the service stays enabled.
func (s *service) upgradeRPM() {
	s.t.Helper()
	pid := s.pid()
	s.sh(rpmChange + "-U " + systemd.Shared + "/newer/*.rpm")
	if now := s.pid(); now == pid || now == "0" {
		s.t.Errorf("after the upgrade the daemon is process %s, before %s", now, pid)
	}
	if got := s.sh(rpm + "-q weft"); !strings.HasPrefix(got, "weft-1.0.0+3.g1234567-") {
		s.t.Errorf("%s is installed", got)
	}
	if enabled, left := s.show("UnitFileState"), s.show("NRestarts"); enabled != "enabled" || left != "0" {
		s.t.Errorf("after the upgrade the service is %s, with %s restarts by itself", enabled, left)
	}
	s.reached()
}
