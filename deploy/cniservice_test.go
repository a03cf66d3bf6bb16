package deploy

import (
	"strings"
	"testing"
)

func TestTheServiceOfThePluginInstallsItInItsSandboxOnceTheNodeIsReady(t *testing.T) {
	s := newService(t)
	s.setUp()
	s.run("systemctl", "start", "--no-block", "weft-cni")
	s.sh("for i in $(seq 300); do [ -e /etc/cni/net.d/10-weft.conflist ] && exit; sleep 0.1; done; exit 1")
	s.sh("rm /etc/cni/net.d/10-weft.conflist; for i in $(seq 300); do [ -e /etc/cni/net.d/10-weft.conflist ] && exit; sleep 0.1; done; exit 1")
	if log := s.sh("journalctl --no-pager -u weft-cni"); !strings.Contains(log, "cni.keeping") || !strings.Contains(log, "cni.restored") {
		t.Errorf("its log:\n%s", log)
	}
	s.sh("! weft cni uninstall 2>&1") // while it runs
	s.run("systemctl", "stop", "weft-cni")
	if state, err := s.Property(within(t, patience), "weft-cni", "Result"); err != nil || state != "success" {
		t.Errorf("it ended with %s, %v", state, err)
	}
	s.run("weft", "cni", "uninstall")
	s.sh("! [ -e /etc/cni/net.d/10-weft.conflist ]; ! [ -e /var/lib/weft/cni/installed.json ]")
}
