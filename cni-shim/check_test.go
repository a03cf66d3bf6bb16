package cnishim

import (
	"os"
	"strings"
	"testing"

	"github.com/weftnet/weft/cni-shim/ipam"
	"github.com/weftnet/weft/cni-shim/podnet"
)

// Each damage is done to a pod that is whole, and has to be named.
func TestCHECKFindsEverySingleThingThatIsBroken(t *testing.T) {
	s := newSite(t)
	port := podnet.HostEnd("one", "eth0")
	const mac = "0a:58:0a:f4:01:"
	for _, c := range []struct {
		what  string
		named string // in the sentence
		host  string // what is done at the host; HEX is the last byte of the address
		pod   string // and in the pod
	}{
		{"pod interface gone", "interface eth0 is gone", "", "ip link delete eth0"},
		{"pod interface down", "interface eth0 is down", "", "ip link set eth0 down"},
		{"pod interface renamed", "interface eth0 is gone", "", "ip link set eth0 down; ip link set eth0 name eth7"},
		{"pod interface another", "does not lead to", "", "ip link set eth0 down; ip link set eth0 name eth7; ip link add eth0 type bridge"},
		{"pod MAC", "has MAC 02:00:00:00:00:05", "", "ip link set eth0 address 02:00:00:00:00:05"},
		{"pod MTU", "interface eth0 has MTU 1300, not 1440", "", "ip link set eth0 mtu 1300"},
		{"pod gso_max_size", "gso_max_size 30000, not 60000", "", "ip link set eth0 gso_max_size 30000"},
		{"IPv4 address", "does not have address 10.244.1.", "", "ip -4 addr flush dev eth0"},
		{"IPv6 address", "does not have address fd10:", "", "ip -6 addr flush dev eth0 scope global"},
		{"default route", "no route default via 10.244.1.1 dev eth0", "", "ip route del default"},
		{"IPv6 default route", "no route default via fd10:244:0:1::1 dev eth0", "", "ip -6 route del default"},
		{"another gateway", "no route default via 10.244.1.1 dev eth0", "", "ip route replace default via 10.244.1.9 dev eth0 onlink"},
		{"route to the gateway", "no route 10.244.1.1/32 dev eth0", "", "ip route del 10.244.1.1"},
		{"pod's neighbour entry", "the pod has no permanent neighbour entry 10.244.1.1", "", "ip neigh del 10.244.1.1 dev eth0"},
		{"accept_ra", "net.ipv6.conf.eth0.accept_ra", "", "echo 2 >/proc/sys/net/ipv6/conf/eth0/accept_ra"},
		{"accept_redirects", "net.ipv4.conf.all.accept_redirects", "", "echo 1 >/proc/sys/net/ipv4/conf/all/accept_redirects"},
		{"host end gone", "host end " + port + " is gone", "ip link delete " + port, ""},
		{"host end down", "host end " + port + " is down", "ip link set " + port + " down", ""},
		{"host end renamed", "host end " + port + " is gone", "ip link set " + port + " down; ip link set " + port + " name elsewhere", ""},
		{"host end's MTU", "has MTU 1300, not 1440", "ip link set " + port + " mtu 1300", ""},
		{"host end's filter of sources", "net.ipv4.conf." + port + ".rp_filter is \"0\"", "sysctl -qw net.ipv4.conf." + port + ".rp_filter=0", ""},
		{"host end's IPv6", "net.ipv6.conf." + port + ".disable_ipv6 is \"0\"", "sysctl -qw net.ipv6.conf." + port + ".disable_ipv6=0", ""},
		{"bridge port", "no port of bridge weftbr0", "ip link set " + port + " nomaster", ""},
		{"port's state", "port " + port + " of bridge weftbr0 carries no frames", "bridge link set dev " + port + " state 0", ""},
		{"isolation", "isolated is true", "bridge link set dev " + port + " isolated on", ""},
		{"hairpin", "hairpin is false", "bridge link set dev " + port + " hairpin off", ""},
		{"learning", "learning is true", "bridge link set dev " + port + " learning on", ""},
		{"flooding", "flooding is true", "bridge link set dev " + port + " flood on", ""},
		{"flooding of multicast", "mcast_flood is true", "bridge link set dev " + port + " mcast_flood on", ""},
		{"flooding of broadcasts", "bcast_flood is true", "bridge link set dev " + port + " bcast_flood on", ""},
		{"the bridge's entry", "does not know that " + mac, "bridge fdb del " + mac + "HEX dev " + port + " master", ""},
		{"the host's neighbour entry", "the host has no permanent neighbour entry", "ip neigh flush dev weftbr0 nud permanent", ""},
		{"bridge gone", "bridge weftbr0 is gone", "ip link delete weftbr0", ""},
		{"bridge down", "bridge weftbr0 is down", "ip link set weftbr0 down", ""},
		{"bridge's spanning tree", "bridge weftbr0 has stp_state on", "ip link set weftbr0 type bridge stp_state 1", ""},
		{"bridge's snooping", "bridge weftbr0 has mcast_snooping on", "ip link set weftbr0 type bridge mcast_snooping 1", ""},
		{"bridge's address", "does not have address 10.244.1.1", "ip addr del 10.244.1.1/24 dev weftbr0", ""},
		{"bridge's MAC", "bridge weftbr0 has MAC", "ip link set weftbr0 address 02:00:00:00:00:06", ""},
		{"bridge's sysctl", "net.ipv4.conf.weftbr0.send_redirects", "sysctl -qw net.ipv4.conf.weftbr0.send_redirects=1", ""},
		{"bridge's questions", "net.ipv6.neigh.weftbr0.mcast_solicit is \"3\"", "sysctl -qw net.ipv6.neigh.weftbr0.mcast_solicit=3", ""},
		{"guard table", "nftables table bridge weft is gone", "nft delete table bridge weft", ""},
		{"guard rule", "nftables table bridge weft is not as", "nft flush chain bridge weft ipv6", ""},
		{"guard element", "lacks elements of port " + port, "nft delete element bridge weft ports '{ " + port + " }'", ""},
	} {
		t.Run(c.what, func(t *testing.T) {
			n := newSpace(t)
			result, again := s.add("one", n)
			defer s.must(again.as("DEL"))
			s.must(again.as("CHECK"))
			s.damage(c.host, result.IPs[0].Address.IP.To4()[3])
			n.run(t, c.pod)
			if _, err := s.try(again.as("CHECK")); err == nil || err.Code != codeBroken || !strings.Contains(err.Msg, c.named) {
				t.Errorf("CHECK says %v", err)
			}
			n.run(t, "ip link delete eth7 2>/dev/null || true")
			s.run("ip link delete elsewhere 2>/dev/null || true; nft delete table bridge weft 2>/dev/null || true; ip link delete weftbr0 2>/dev/null || true")
		})
	}
}

// Before version 1.1 a result tells no MTU, and gso_max_size none does.
func TestCHECKFindsAPodOfAnotherSizeThanItsHostEnd(t *testing.T) {
	s := newSite(t)
	for _, damage := range []string{"mtu 1300", "gso_max_size 30000"} {
		n := newSpace(t)
		_, one := s.addCall(s.pod("one", n).with("cniVersion", "1.0.0"))
		n.run(t, "ip link set eth0 "+damage)
		if _, err := s.try(one.as("CHECK")); err == nil || err.Code != codeBroken || !strings.Contains(err.Msg, strings.Replace(damage, "mtu", "MTU", 1)) {
			t.Errorf("%s: CHECK says %v", damage, err)
		}
		s.must(one.as("DEL"))
	}
}

// damage does something to the host; HEX in it is the last byte of the pod's address.
func (s *site) damage(lines string, last byte) {
	s.t.Helper()
	const digits = "0123456789abcdef"
	if lines != "" {
		s.run(strings.ReplaceAll(lines, "HEX", string([]byte{digits[last>>4], digits[last&15]})))
	}
}

func TestCHECKFindsARecordThatIsMissingOrOfOtherAddresses(t *testing.T) {
	s := newSite(t)
	_, one := s.add("one", newSpace(t))
	_, two := s.add("two", newSpace(t))
	mixed := one.with("prevResult", two.config["prevResult"])
	if _, err := s.try(mixed.as("CHECK")); err == nil || err.Code != codeBroken || !strings.Contains(err.Msg, "the address book gives one/eth0") {
		t.Errorf("with another's result CHECK says %v", err)
	}
	book := s.stateDir + "/" + ipam.Folder + "/" + ipam.File
	if err := os.Remove(book); err != nil {
		t.Fatal(err)
	}
	if _, err := s.try(one.as("CHECK")); err == nil || err.Code != codeBroken || !strings.Contains(err.Msg, book+" has no record of one/eth0") {
		t.Errorf("without a book CHECK says %v", err)
	}
	if err := os.WriteFile(book, []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := s.try(one.as("CHECK")); err == nil || err.Code != codeDecode || !strings.Contains(err.Msg, book) {
		t.Errorf("with a damaged book CHECK says %v", err)
	}
	s.must(one.as("DEL"))
}

// A pod keeps what it was made with when the node's subnets or MTU change.
func TestCHECKOfAPodOfEarlierSubnetsIsContent(t *testing.T) {
	s := newSite(t)
	_, one := s.add("one", newSpace(t))
	_, earlier := s.addCall(s.pod("earlier", newSpace(t)).with("cniVersion", "1.0.0")) // whose result tells no MTU
	s.lease(moved)
	s.must(one.as("CHECK"))
	s.must(earlier.as("CHECK"))
	n := newSpace(t)
	result, two := s.add("two", n)
	if got := result.IPs[0].Address.String(); got != "10.244.7.2/32" {
		t.Errorf("a new pod has %s", got)
	}
	s.must(two.as("CHECK"))
	s.must(one.as("CHECK"))
}
