package main

import (
	"net/netip"
	"path/filepath"
	"strings"
	"testing"

	"github.com/weftnet/weft/cni-shim/ipam"
	"github.com/weftnet/weft/cni-shim/lease"
	"github.com/weftnet/weft/cni-shim/podnet"
	"github.com/weftnet/weft/lab"
	"github.com/weftnet/weft/lab/labtest"
)

func TestTheCommandsOfTheCNIPageWork(t *testing.T) {
	needRoot(t)
	list := blocks(t, "docs/cni.md")
	if len(list) != 2 {
		t.Fatalf("%d runnable blocks in docs/cni.md, want 2", len(list))
	}
	h := labtest.Host(t, labtest.Lab(interrupted, t, lab.Options{}), list[0].host)
	runBlock(t, h, "/", block{h.Name(), "true\n"}) // makes the directories
	vanishedPod(t, h, "10.244.1.7")
	for _, b := range list {
		runBlock(t, h, "/", b)
	}
}

// vanishedPod gives a host what a pod left that went without a DELETE: an address, and its place in the guard.
func vanishedPod(t *testing.T, h *lab.Host, address string) {
	t.Helper()
	dir := func(name string) string { return filepath.Join(h.Dir(), "weft", name) }
	noError(t, lease.Write(dir("run/weft"), lease.Lease{Node: h.Name(), Subnets: podSubnets, Device: "weft0", MTU: 1440, StateDir: "/var/lib/weft"}))
	boot, err := lease.BootID()
	noError(t, err)
	book, err := ipam.Open(dir("var/lib/weft"), ipam.Options{BootID: boot})
	noError(t, err)
	container := strings.Repeat("3f2a91c04d77e000", 4)
	record, _, err := book.Reserve(t.Context(), ipam.Request{Key: ipam.Key{Container: container, IfName: "eth0"}, Network: "weft",
		HostEnd: podnet.HostEnd(container, "eth0"), Subnets: podSubnets, Wanted: []netip.Addr{netip.MustParseAddr(address)}})
	noError(t, err)
	pod := podnet.Pod{HostEnd: record.HostEnd, Addrs: record.Addresses}
	noError(t, h.Do(func() error { return podnet.NewGuard("weftbr0").Add(pod.Member()) }))
}
