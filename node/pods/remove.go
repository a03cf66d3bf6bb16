package pods

import "github.com/weftnet/weft/cni-shim/lease"

// Remove takes away what the daemon keeps for pods: the lease, and bridge and guard if no pod lives here. It returns how many do; their
// bridge and guard stay then, so that nothing of theirs is cut off or let loose. A book that cannot be read is an error, and counts as if
// pods lived. No daemon may run.
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
	if err != nil || len(l.pods) > 0 {
		return len(l.pods), err
	}
	if err := host.ClearGuard(); err != nil {
		return 0, err
	}
	if !l.bridge.Ours {
		return 0, nil
	}
	return 0, host.RemoveBridge()
}
