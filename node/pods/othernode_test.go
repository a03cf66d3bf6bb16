package pods

import (
	"reflect"
	"testing"

	"github.com/weftnet/weft/cni-shim/podnet"
)

// Two nodes on one host have run and state directories of their own; what pods of one need on the bridge is none of the other's business.
func TestTheBridgeOfAnotherNodeOnThisHostIsLeftAlone(t *testing.T) {
	b := newBench(t)
	b.set(own("10.244.1.0/24"), LeaseWritten)
	b.add("a")
	b.keep()
	host := b.host
	other := &bench{t: t, host: host, run: t.TempDir(), dir: t.TempDir()}
	other.restart()
	other.set(own("10.244.2.0/24"), LeaseWritten)
	before := *host
	for range 3 {
		if done := other.keep(); done.Bridge.Any() || done.Guard.Any() || len(done.Ended) != 0 || other.Due() {
			t.Errorf("%+v", done)
		}
	}
	if r := other.Report(); r.Bridge != "" || r.Guard != GuardOff || len(r.Former) != 0 {
		t.Errorf("it reports %+v", r)
	}
	for range 2 {
		if living, err := Remove(host, other.run, other.dir); living != 1 || err != nil {
			t.Errorf("down: %d pods live, %v", living, err)
		}
	}
	if !reflect.DeepEqual(*host, before) {
		t.Errorf("the host was\n%+v\nand is\n%+v", before, *host)
	}
	if done := b.keep(); done.Bridge.Any() || done.Guard.Any() {
		t.Errorf("%+v", done)
	}
}

// Somebody else's veth may begin like a host end and be no port of the bridge.
func TestDownLeavesTheBridgeToPortsThatNoRecordSpeaksOf(t *testing.T) {
	b := newBench(t)
	b.set(own("10.244.1.0/24"), LeaseWritten)
	b.add("a")
	b.del("a")
	b.host.ends["wv00000000000"] = podnet.HostEndState{Master: Bridge, Up: true}
	b.host.ends["wv11111111111"] = podnet.HostEndState{}
	if living, err := Remove(b.host, b.run, b.dir); living != 1 || err != nil || !b.host.exists {
		t.Errorf("%d pods live, %v, bridge %t", living, err, b.host.exists)
	}
}
