package pods

import (
	"slices"

	"github.com/weftnet/weft/cni-shim/ipam"
	"github.com/weftnet/weft/cni-shim/lease"
)

// Remove takes away what the daemon keeps for pods: the lease, and bridge and guard if no pod lives here. It returns how many do; their
// bridge and guard stay then, so that nothing of theirs is cut off or let loose. Pods of other books, as another node on this host has, count
// if they are at the bridge. A book that cannot be read is an error, and counts as if pods lived. No daemon may run.
func Remove(host Host, runDir, stateDir string) (living int, err error) {
	if err := lease.Remove(runDir); err != nil {
		return 0, err
	}
	k, err := New(host, runDir, stateDir)
	if err != nil {
		return 0, err
	}
	records, err := k.book.Records()
	if err != nil {
		return 0, err
	}
	l, err := k.look(records)
	if err != nil {
		return 0, err
	}
	others, err := strangers(host, l.pods)
	if living = len(l.pods) + others; err != nil || living > 0 {
		return living, err
	}
	if err := host.ClearGuard(); err != nil {
		return 0, err
	}
	if !l.bridge.Ours {
		return 0, nil
	}
	return 0, host.RemoveBridge()
}

// strangers is how many host ends at the bridge none of the records has.
func strangers(host Host, records []ipam.Record) (n int, err error) {
	ends, err := host.HostEnds()
	for name, end := range ends {
		if end.Master == Bridge && !slices.ContainsFunc(records, func(r ipam.Record) bool { return r.HostEnd == name }) {
			n++
		}
	}
	return n, err
}
