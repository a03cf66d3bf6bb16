package main

import (
	"encoding/json"
	"fmt"
	"os/exec"
	"strings"
	"testing"

	"github.com/weftnet/weft/lab/cluster"
	"github.com/weftnet/weft/lab/labtest"
	"github.com/weftnet/weft/node/doctor"
)

// examined is what 'weft doctor --json' says on a node's host.
func examined(t *testing.T, n *cluster.Node) doctor.Report {
	t.Helper()
	text, err := n.Weft(within(t, patience), "doctor", "--json", "--socket", n.Socket())
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	var r doctor.Report
	if err := json.Unmarshal([]byte(text), &r); err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	return r
}

// names are those of the checks, and whether all passed.
func names(r doctor.Report) map[string]doctor.Finding {
	list := map[string]doctor.Finding{}
	for _, c := range r.Checks {
		list[c.Name] = c.Finding
	}
	return list
}

func TestTheDoctorLooksAtTheMachineAndAtTheDaemonOnceItRuns(t *testing.T) {
	c := newCluster(t, 1)
	n := c.Nodes[0]
	links := func() string {
		t.Helper()
		text, err := n.Run(within(t, patience), "ip", "-o", "link")
		if err != nil {
			t.Fatal(err)
		}
		return text
	}
	before := links()
	alone := examined(t, n)
	if found := names(alone); found["tun"] != doctor.OK || found["device.tso"] == "" || found["port.gso"] == "" || found["driver"] != "" {
		t.Errorf("without a daemon: %+v", alone)
	}
	if after := links(); after != before {
		t.Errorf("interfaces were\n%s\nand are\n%s", before, after)
	}
	if err := n.Up("--offload-gso", "off"); err != nil {
		t.Fatal(err)
	}
	awaitAll(t, c)
	served := examined(t, n)
	if found := names(served); found["driver"] == "" || found["lanes"] != doctor.OK || found["port.gso"] != doctor.Warn {
		t.Errorf("with a daemon: %+v", served)
	}
	assertSays(t, served.Daemon, fmt.Sprintf("process %d", status(t, n).Node.PID))
}

func TestTheDoctorFailsWhereWeftCannotRun(t *testing.T) {
	needRoot(t)
	if _, err := exec.LookPath("setpriv"); err != nil {
		t.Skip("setpriv is not installed")
	}
	c := newCluster(t, 1)
	n := c.Nodes[0]
	text, err := n.Run(within(t, patience), "setpriv", "--bounding-set", "-net_admin", "--inh-caps", "-net_admin",
		labtest.Weft(t), "doctor", "--socket", n.Socket())
	if err == nil {
		t.Errorf("no error; it says\n%s", text)
	}
	assertSays(t, text+fmt.Sprint(err), "privileges", "remedy: run it as root: sudo weft doctor", "checks failed")
	if strings.Contains(text, "weftprobe") {
		t.Errorf("it says more than the reason:\n%s", text)
	}
}
