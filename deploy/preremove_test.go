package deploy

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// The script asks weft itself, which knows the state directory, and says nothing where nothing was installed.
func TestThePackageTakesThePluginAwayWhereverItsRecordIs(t *testing.T) {
	for _, test := range []struct{ does, says string }{
		{"echo nothing is installed", ""},
		{"echo /opt/cni/bin/weft-cni: removed", "/opt/cni/bin/weft-cni: removed\n"},
		{"exit 1", "the CNI plugin stays"},
	} {
		dir := t.TempDir() // the only one with programs: systemctl is none of them
		stub := fmt.Sprintf("#!/bin/sh\n[ \"$*\" != 'cni uninstall' ] || { %s; }\n", test.does)
		check(t, os.WriteFile(filepath.Join(dir, "weft"), []byte(stub), 0o755))
		cmd := exec.CommandContext(within(t, patience), "/bin/sh", "package/preremove.sh", "remove")
		cmd.Env = []string{"PATH=" + dir}
		out, err := cmd.CombinedOutput()
		said := string(out)
		if i := strings.Index(said, "systemctl"); i >= 0 { // this host has systemd
			_, said, _ = strings.Cut(said[i:], "\n")
		}
		if err != nil || !strings.Contains(said, test.says) || test.says == "" && said != "" {
			t.Errorf("weft cni uninstall: %s: it says %q, %v", test.does, out, err)
		}
	}
}
