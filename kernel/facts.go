package kernel

import (
	"fmt"
	"os"
	"strconv"
	"strings"
)

// Fact is a number that the kernel keeps under /proc/sys, or why it could not be read.
type Fact struct {
	Value int
	Err   error
}

// On reports whether the switch is known to be on.
func (f Fact) On() bool { return f.Err == nil && f.Value != 0 }

// Facts are settings of the host that weft depends on; status and doctor show them. This package changes none of them,
// kernel/firewall turns forwarding on.
type Facts struct {
	Forwarding4 Fact // net.ipv4.ip_forward: without it pods reach nobody
	Forwarding6 Fact // net.ipv6.conf.all.forwarding
	ReversePath Fact // net.ipv4.conf rp_filter that holds for the device: 0 off, 1 strict, 2 loose
}

// Facts reads them for the device, in the network namespace of the calling thread.
func (h *Host) Facts(device string) Facts {
	return Facts{
		Forwarding4: fact("ipv4/ip_forward"),
		Forwarding6: fact("ipv6/conf/all/forwarding"),
		ReversePath: higher(fact("ipv4/conf/all/rp_filter"), fact("ipv4/conf/"+device+"/rp_filter")),
	}
}

// higher is how the kernel combines rp_filter of `all` with that of an interface (ip-sysctl.rst).
func higher(all, one Fact) Fact {
	if one.Err != nil || all.Err == nil && all.Value > one.Value {
		return all
	}
	return one
}

func fact(name string) Fact {
	text, err := os.ReadFile("/proc/sys/net/" + name)
	if err != nil {
		return Fact{Err: fmt.Errorf("kernel: read setting: %w", err)}
	}
	value, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil {
		return Fact{Err: fmt.Errorf("kernel: read setting %s: %w", name, err)}
	}
	return Fact{Value: value}
}
