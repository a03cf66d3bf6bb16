package doctor

import (
	"errors"
	"fmt"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/weftnet/weft/cni-shim/podnet"
	"github.com/weftnet/weft/node/api"
	"github.com/weftnet/weft/node/pods"
)

// probeLinks makes a bridge and a veth pair, in a network namespace that is gone at once. The errors are as those of probeNAT.
func probeLinks() error { return elsewhere(makeLinks) }

func makeLinks() error {
	nl, err := netlink.NewHandle(unix.NETLINK_ROUTE)
	if err != nil {
		return fmt.Errorf("%w: %w", errNoProbe, err)
	}
	defer nl.Close()
	bridge, veth := netlink.NewLinkAttrs(), netlink.NewLinkAttrs()
	bridge.Name, veth.Name = "probe0", "probe1"
	if err := nl.LinkAdd(&netlink.Bridge{LinkAttrs: bridge}); err != nil {
		return fmt.Errorf("no bridge can be made: %w", err)
	}
	if err := nl.LinkAdd(&netlink.Veth{LinkAttrs: veth, PeerName: "probe2"}); err != nil {
		return fmt.Errorf("no veth pair can be made: %w", err)
	}
	return nil
}

// probeGuard makes the guard of pods, in a network namespace that is gone at once. The errors are as those of probeNAT.
func probeGuard() error {
	return elsewhere(func() error { return podnet.NewGuard(pods.Bridge).Supported() })
}

// checkPods says what pods of this host would lack. A host without pods needs none of it.
func checkPods(f *Facts) []Check {
	return append(append(checkLinks(f), checkGuard(f)...), checkLease(f)...)
}

func checkLinks(f *Facts) []Check {
	switch {
	case f.Links == nil:
		return one("pods.links", OK, "bridges and veth pairs can be made", "")
	case errors.Is(f.Links, errNoProbe):
		return one("pods.links", OK, "not known: "+f.Links.Error(), "")
	}
	return mended("pods.links", Warn, fmt.Sprintf("%v: no pod can start here (CNI)", f.Links), "modprobe -a bridge veth", "")
}

func checkGuard(f *Facts) []Check {
	switch {
	case f.Guard == nil:
		return one("pods.guard", OK, "pods are kept to their own addresses", "")
	case errors.Is(f.Guard, errNoProbe):
		return one("pods.guard", OK, "not known: "+f.Guard.Error(), "")
	}
	return mended("pods.guard", Warn, fmt.Sprintf("pods can use addresses that are not theirs: %v", f.Guard), "modprobe -a nf_tables nf_tables_bridge", "")
}

// checkLease says why no pod can start, where the daemon runs.
func checkLease(f *Facts) []Check {
	if f.Daemon == nil || f.Daemon.Pods.Lease == "" { // an older daemon does not say
		return nil
	}
	p := &f.Daemon.Pods
	switch {
	case p.BridgeTaken != "":
		return one("pods", OK, "none can start through CNI unless its configuration names another bridge: "+p.BridgeTaken, "")
	case !p.Leased:
		return one("pods", Warn, "no pod can start here (CNI): "+p.Reason, "weft status")
	}
	return one("pods", OK, podsDetail(p), "")
}

func podsDetail(p *api.Pods) string {
	return fmt.Sprintf("they can start (%s); %d have addresses", p.Lease, p.Held)
}
