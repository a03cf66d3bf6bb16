package firewall

import "testing"

func TestWhatTheKernelResetsWithASwitchIsPutBackWithIt(t *testing.T) {
	h := newForwardingHost(t)
	h.uplink("1")
	hardened := []string{acceptRedirects4, "net/ipv4/conf/default/forwarding", "net/ipv6/conf/default/forwarding", "net/ipv6/conf/eth0/forwarding"}
	was := []string{"0", "1", "1", "1"}
	for i, path := range hardened {
		h.write(path, was[i])
	}
	h.set(h.want)
	h.has("net/ipv4/conf/eth0/forwarding", "1")

	four := h.want
	four.IPv6 = false
	h.set(four)
	h.has("net/ipv6/conf/eth0/forwarding", "1")
	h.has("net/ipv6/conf/default/forwarding", "1")
	h.has("net/ipv6/conf/eth0/accept_ra", "1")
	h.set(h.want)

	h.undo()
	for i, path := range hardened {
		h.has(path, was[i])
	}
	h.has("net/ipv4/conf/eth0/forwarding", "0")
	h.has(forward4, "0")
	h.has(forward6, "0")
}
