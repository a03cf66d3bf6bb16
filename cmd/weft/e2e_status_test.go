package main

import (
	"strings"
	"testing"

	"github.com/weftnet/weft/lab/cluster"
)

// fastPathOf is what 'weft status --fastpath' prints on a node.
func fastPathOf(t *testing.T, n *cluster.Node) string {
	t.Helper()
	text, err := n.Weft(within(t, patience), "status", "--fastpath", "--socket", n.Socket())
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	t.Logf("%s:\n%s", n.Name(), text)
	return text
}

func assertSays(t *testing.T, text string, sentences ...string) {
	t.Helper()
	for _, s := range sentences {
		if !strings.Contains(text, s) {
			t.Errorf("it does not say %q:\n%s", s, text)
		}
	}
}

func TestTheFastPathOfARunningDaemonSaysWhatIsOnAndWhatIsNot(t *testing.T) {
	c := newCluster(t, 2, "--driver", "super", "--lanes", "2")
	if err := c.Nodes[0].Up(); err != nil {
		t.Fatal(err)
	}
	if err := c.Nodes[1].Up("--lanes", "1", "--offload-gso", "off", "--offload-tso", "off"); err != nil {
		t.Fatal(err)
	}
	awaitAll(t, c)
	pingAll(t, pods(t, c))
	assertSays(t, fastPathOf(t, c.Nodes[0]),
		"by driver super (configured)", "There are 2 lanes (configured); in each, one loop serves the device and the port.", "Out: ", " in each")
	assertSays(t, fastPathOf(t, c.Nodes[1]),
		"There is 1 lane (configured)", "gso is off: it is configured off.", "tso is off: configured.", "because a queue of weft0 was full or closed")
	for i, want := range []int{2, 1} {
		if f := status(t, c.Nodes[i]).Node.FastPath; f.Lanes != want || len(f.PerLane) != want || f.PacketsOut == 0 || f.PacketsIn == 0 {
			t.Errorf("vm-%d: %+v", i+1, f)
		}
	}
}

func TestLanesWithoutQueuesAreSaidToBeMissing(t *testing.T) {
	c := newCluster(t, 1)
	code, said := weft(t, &strings.Builder{}, "up", "--config", c.Nodes[0].Config(), "--driver", "batch", "--lanes", "2")
	if code != 2 {
		t.Errorf("exit code %d", code)
	}
	assertSays(t, said, "lanes: 2 are more", "driver batch", "driver super")
}
