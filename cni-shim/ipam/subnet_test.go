package ipam

import (
	"net/netip"
	"testing"
)

func TestPodsGetNeitherTheNetworksNorTheGatewaysNorTheBroadcastAddress(t *testing.T) {
	for _, test := range []struct {
		subnet, gateway, first, last string
		size                         uint64
	}{
		{"10.244.1.0/24", "10.244.1.1", "10.244.1.2", "10.244.1.254", 253},
		{"10.244.0.0/16", "10.244.0.1", "10.244.0.2", "10.244.255.254", 65533},
		{"10.244.1.8/29", "10.244.1.9", "10.244.1.10", "10.244.1.14", 5},
		{"10.244.1.8/30", "10.244.1.9", "10.244.1.10", "10.244.1.10", 1},
		{"10.244.1.8/31", "10.244.1.9", "10.244.1.8", "10.244.1.8", 1},
		{"10.244.1.8/32", "10.244.1.8", "", "", 0},
		{"fd00:0:0:1::/64", "fd00:0:0:1::1", "fd00:0:0:1::2", "fd00::1:ffff:ffff:ffff:ffff", MaxCapacity},
		{"fd00::1:0/112", "fd00::1:1", "fd00::1:2", "fd00::1:ffff", 65534},
		{"fd00::4/126", "fd00::5", "fd00::6", "fd00::7", 2},
		{"fd00::4/127", "fd00::5", "fd00::4", "fd00::4", 1},
		{"fd00::4/128", "fd00::4", "", "", 0},
		{"::/0", "::1", "::2", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", MaxCapacity},
		{"0.0.0.0/0", "0.0.0.1", "0.0.0.2", "255.255.255.254", 1<<32 - 3},
	} {
		subnet := netip.MustParsePrefix(test.subnet)
		if got := gateway(subnet); got.String() != test.gateway {
			t.Errorf("gateway(%s) = %s", test.subnet, got)
		}
		pods, ok := forPods(subnet)
		if ok != (test.first != "") || ok && (pods.First.String() != test.first || pods.Last.String() != test.last || pods.size() != test.size) {
			t.Errorf("forPods(%s) = %s-%s (%d), %v", test.subnet, pods.First, pods.Last, pods.size(), ok)
		}
	}
}

func TestTheOffsetOfAnIPv4AddressIsCarriedOverToIPv6(t *testing.T) {
	for _, test := range []struct{ addr, from, to, want string }{
		{"10.244.1.77", "10.244.1.0/24", "fd10:244:0:1::/64", "fd10:244:0:1::4d"},
		{"10.244.1.77", "10.244.1.64/26", "fd00::ab00/120", "fd00::ab0d"},
		{"10.244.2.3", "10.244.0.0/16", "fd00::/112", "fd00::203"},
		{"10.244.0.1", "10.244.0.0/16", "fd00::ffff:ffff:ffff:ffff/128", "invalid IP"},
	} {
		got := sameOffset(netip.MustParseAddr(test.addr), netip.MustParsePrefix(test.from), netip.MustParsePrefix(test.to))
		if got.String() != test.want {
			t.Errorf("%s of %s in %s: %s, want %s", test.addr, test.from, test.to, got, test.want)
		}
	}
}
