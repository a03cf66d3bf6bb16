package deploy

import (
	"fmt"
	"os/exec"
	"strings"
	"testing"
)

// manageAll makes NetworkManager manage every device, those that others made and configured, too.
const manageAll = "[main]\nplugins=keyfile\nno-auto-default=*\n[keyfile]\nunmanaged-devices=none\n"

// startNetworkManager starts it where it manages whatever no file keeps it off.
func (s *service) startNetworkManager() {
	s.t.Helper()
	_, err := s.Shell(within(s.t, patience), "/", "cat >/etc/NetworkManager/NetworkManager.conf", strings.NewReader(manageAll))
	check(s.t, err)
	s.sh("rm -f /etc/NetworkManager/conf.d/* /etc/NetworkManager/system-connections/*; " +
		"mkdir /run/systemd/system/NetworkManager.service.d; " + // with /sys read-only it does not wait for udev
		"printf '[Service]\\nReadOnlyPaths=/sys\\n' >/run/systemd/system/NetworkManager.service.d/sys.conf; systemctl daemon-reload; " +
		"systemctl start dbus.service; systemctl start NetworkManager")
}

// managed waits until NetworkManager says of a device what is wanted: a pattern of its state.
func (s *service) managed(device, want string) {
	s.t.Helper()
	s.sh(fmt.Sprintf(`for i in $(seq 1000); do
		state=$(nmcli --terse --get-values GENERAL.STATE device show %s) || true
		case $state in %s) exit ;; esac
		sleep 0.05
	done; echo "%[1]s is $state"; exit 1`, device, want))
}

func TestNetworkManagerLeavesTheDeviceAloneWhateverElseItManages(t *testing.T) {
	if _, err := exec.LookPath("NetworkManager"); err != nil {
		t.Skip("NetworkManager is not installed: scripts/setup.sh --all")
	}
	s := newService(t)
	s.join()
	const configured = "ip -brief address show dev weft0; ip route show table all dev weft0; ip -6 route show table all dev weft0"
	before := s.sh(configured)
	s.startNetworkManager()
	for _, what := range []string{"true", "systemctl restart NetworkManager"} {
		s.sh(what)
		s.managed("eth0", "*connected*") // so it does manage what it finds
		s.managed("weft0", "*unmanaged*")
		if after := s.sh(configured); after != before {
			t.Errorf("after %q weft0 was\n%s\nand is\n%s", what, before, after)
		}
		s.reached()
	}
	s.sh("rm /usr/lib/NetworkManager/conf.d/90-weft.conf; systemctl restart NetworkManager")
	s.managed("weft0", "*connected*") // it is the file that keeps it away
}
