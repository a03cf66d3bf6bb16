package pods

import (
	"testing"

	"github.com/weftnet/weft/cni-shim/podnet"
)

// What ADD and DEL do at this moment is no damage that is to be put right and logged.
func TestTheGuardOfAPodThatComesOrGoesIsNotDemanded(t *testing.T) {
	b := newBench(t)
	b.set(own("10.244.1.0/24"), LeaseWritten)
	for _, name := range []string{"stays", "comes", "goes"} {
		b.add(name)
	}
	delete(b.host.ends, podnet.HostEnd("comes", "eth0"))
	b.host.ends[podnet.HostEnd("goes", "eth0")] = podnet.HostEndState{Master: Bridge}
	b.keep()
	for i, name := range []string{"stays", "comes", "goes"} {
		if m := b.host.guard[i]; m.HostEnd != podnet.HostEnd(name, "eth0") || m.Unsettled != (name != "stays") {
			t.Errorf("%s: %+v", name, m)
		}
	}
}
