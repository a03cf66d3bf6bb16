package kernel

import (
	"os"
	"testing"
)

func TestFactsAreThoseOfTheNamespace(t *testing.T) {
	n := withDevice(t)
	for name, value := range map[string]string{"ipv4/ip_forward": "1", "ipv6/conf/all/forwarding": "0",
		"ipv4/conf/all/rp_filter": "1", "ipv4/conf/weft0/rp_filter": "2"} {
		if err := os.WriteFile("/proc/sys/net/"+name, []byte(value), 0); err != nil {
			t.Skipf("needs a writable /proc/sys: %v", err)
		}
	}
	f := n.host.Facts(device)
	if !f.Forwarding4.On() || f.Forwarding6.On() || f.Forwarding6.Err != nil || f.ReversePath != (Fact{Value: 2}) {
		t.Errorf("Facts = %+v", f)
	}
	if f := n.host.Facts("absent"); f.ReversePath != (Fact{Value: 1}) {
		t.Errorf("rp_filter without the device = %+v, want that of all interfaces", f.ReversePath)
	}
}

func TestAnUnreadableFactIsNotOff(t *testing.T) {
	if f := fact("absent/setting"); f.Err == nil || f.On() {
		t.Errorf("fact = %+v", f)
	}
}
