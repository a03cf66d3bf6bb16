package doctor

import (
	"fmt"
	"slices"
	"strings"

	"github.com/weftnet/weft/encap"
	"github.com/weftnet/weft/node/api"
	"github.com/weftnet/weft/tun"
)

// Checks of what makes packets move fast.

const (
	on  = "on"
	off = "off"

	largeBuffers = "large-buffers"
)

// covered are the subjects of the daemon's notes that have checks of their own, besides the features.
var covered = []string{"driver", "lanes", "gso", "secret", "state_dir", "encryption", "certificate", "clock"}

// checkDaemon passes on what else the daemon finds not as good as it could be.
func checkDaemon(f *Facts) (checks []Check) {
	if f.Daemon == nil {
		return nil
	}
	for _, d := range f.Daemon.Degraded {
		feature := func(x api.Feature) bool { return x.Name == d.What }
		if !slices.Contains(covered, d.What) && !slices.ContainsFunc(slices.Concat(f.Device, f.Port), feature) {
			checks = append(checks, Check{Name: "daemon." + d.What, Finding: Warn, Detail: d.Reason})
		}
	}
	return checks
}

func checkDriver(f *Facts) []Check {
	if f.Daemon == nil {
		return nil
	}
	d := f.Daemon.Device
	detail := fmt.Sprintf("%s: %s", d.Driver, d.Why)
	if note := degraded(f.Daemon, "driver"); note != "" {
		return one("driver", Warn, detail, "use a newer kernel; "+bugs)
	}
	if d.Driver == "plain" || d.Driver == "batch" {
		return one("driver", Warn, detail, "set driver: auto in the configuration and restart weft")
	}
	return one("driver", OK, detail, "")
}

const bugs = "or report it, with the output of 'weft doctor --json'"

// degraded is what the daemon says of a subject that is not as good as it could be.
func degraded(n *api.Node, what string) string {
	i := slices.IndexFunc(n.Degraded, func(d api.Note) bool { return d.What == what })
	if i < 0 {
		return ""
	}
	return n.Degraded[i].Reason
}

func checkDevice(f *Facts) []Check {
	switch {
	case f.DeviceErr != nil && (f.TUN != nil || f.Privileges != nil): // which is why
		return nil
	case f.DeviceErr != nil:
		return one("device", Fail, f.DeviceErr.Error(), newest)
	}
	return checkFeatures("device", f.Device)
}

func checkPort(f *Facts) []Check {
	if f.PortErr != nil {
		return one("port", Fail, f.PortErr.Error(), newest)
	}
	return checkFeatures("port", slices.DeleteFunc(slices.Clone(f.Port), func(p api.Feature) bool { return p.Name == largeBuffers }))
}

// checkFeatures makes a check of each.
func checkFeatures(where string, list []api.Feature) []Check {
	checks := make([]Check, 0, len(list))
	for _, feature := range list {
		c := Check{Name: where + "." + feature.Name, Finding: OK, Detail: feature.State}
		if feature.State != on {
			c.Finding, c.Detail, c.Remedy = Warn, feature.State+": "+feature.Reason, remedy(feature)
		}
		checks = append(checks, c)
	}
	return checks
}

// keys are the keys of the configuration that turn a feature off.
var keys = map[string]string{
	"tso": "offload.tso", "uso": "offload.uso", "join-tcp": "offload.join_tcp", "join-udp": "offload.join_udp",
	"gso": "offload.gso", "gro": "offload.gro",
}

// newest is the kernel with all that weft can use.
const newest = "boot Linux 6.2 or newer, which has everything that weft uses"

func remedy(feature api.Feature) string {
	key := keys[feature.Name]
	switch {
	case feature.State == off && key != "" && strings.Contains(feature.Reason, "configured"):
		return fmt.Sprintf("set %s: auto in the configuration and restart weft", key)
	case feature.Name == "ipv6":
		return "sysctl -w net.ipv6.conf.all.disable_ipv6=0, and listen at both families (listen: \":PORT\" without an address)"
	}
	return newest
}

func checkBuffers(f *Facts) []Check {
	if f.PortErr != nil {
		return nil
	}
	detail := fmt.Sprintf("%d KiB in and %d KiB out, of %d KiB that weft asks for", f.Receive>>10, f.Send>>10, encap.DefaultBuffer>>10)
	if min(f.Receive, f.Send) >= encap.DefaultBuffer {
		return one("buffers", OK, detail, "")
	}
	for _, name := range []string{"net.core.rmem_max", "net.core.wmem_max"} {
		if limit, ok := f.Limits[name]; ok {
			detail += fmt.Sprintf("; %s is %d", name, limit)
		}
	}
	return mended("buffers", Warn, detail,
		fmt.Sprintf("sysctl -w net.core.rmem_max=%[1]d net.core.wmem_max=%[1]d", encap.DefaultBuffer), ", and restart weft")
}

func checkQueue(f *Facts) []Check {
	switch {
	case f.QueueLen == 0:
		return one("queue", OK, fmt.Sprintf("%s is not there yet; it gets a queue of %d packets", f.Overlay, tun.DefaultQueueLen), "")
	case f.QueueLen < tun.DefaultQueueLen:
		return mended("queue", Warn, fmt.Sprintf("the queue of %s holds %d packets, and drops more at once", f.Overlay, f.QueueLen),
			fmt.Sprintf("ip link set dev %s txqueuelen %d", quoted(f.Overlay), tun.DefaultQueueLen), "")
	}
	return one("queue", OK, fmt.Sprintf("the queue of %s holds %d packets", f.Overlay, f.QueueLen), "")
}

func checkLanes(f *Facts) []Check {
	if f.Daemon == nil {
		return nil
	}
	p := f.Daemon.FastPath
	detail := fmt.Sprintf("%d (%s)", p.Lanes, p.LanesWhy)
	if p.LanesLack != "" {
		return one("lanes", Warn, fmt.Sprintf("%s; more are wanted, but %s", detail, p.LanesLack), "use a newer kernel, or set lanes: 1 in the configuration")
	}
	return one("lanes", OK, detail, "")
}

func checkSpin(f *Facts) []Check {
	spare, why := f.CPU.Spare()
	switch {
	case spare:
		return one("spin", OK, "lanes look again before they wait: "+why, "")
	case f.CPU.Quota > 0:
		return mended("spin", Warn, "lanes do not look again before they wait: "+why,
			"systemctl set-property weft.service CPUQuota=", ", which lifts the quota, or lift the CPU limit of the container; then restart weft")
	}
	return one("spin", Warn, "lanes do not look again before they wait: "+why, "give weft a second CPU")
}

func checkTrains(f *Facts) []Check {
	if f.Daemon == nil {
		return nil
	}
	refused := f.Daemon.FastPath.Refused
	if len(refused) == 0 {
		return one("trains", OK, "no peer's route refuses trains of frames", "")
	}
	names := make([]string, len(refused))
	for i, r := range refused {
		names[i] = r.What
	}
	return mended("trains", Warn, "the kernel refuses trains of frames to "+strings.Join(names, ", "),
		fmt.Sprintf("ethtool -K %s tx on", quoted(f.Egress.Interface)), " (checksums of the network card), or take IPsec off that route")
}

// checkLosses looks at what the kernel dropped because weft was too slow.
func checkLosses(f *Facts) []Check {
	if f.Daemon == nil {
		return nil
	}
	checks := one("overflow", OK, "no datagram was lost in a receive buffer", "")
	if n := f.Daemon.Socket.Overflow; n > 0 {
		checks = one("overflow", Warn, fmt.Sprintf("%d datagrams were lost, because a receive buffer was full", n),
			"more lanes (lanes: in the configuration), or fewer other programs on these CPUs")
	}
	q := f.Daemon.FastPath.Queue
	switch {
	case q == nil || q.KernelDrops == nil:
		return checks
	case *q.KernelDrops > 0:
		return append(checks, mended("queue-drops", Warn,
			fmt.Sprintf("%d packets were lost since %s was made, because its queue was full or weft did not run", *q.KernelDrops, f.Overlay),
			fmt.Sprintf("ip link set dev %s txqueuelen %d", quoted(f.Overlay), 2*max(f.QueueLen, tun.DefaultQueueLen)), "")...)
	}
	return append(checks, one("queue-drops", OK, fmt.Sprintf("no packet was lost in the queue of %s", f.Overlay), "")...)
}
