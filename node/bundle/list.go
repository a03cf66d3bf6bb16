package bundle

import (
	"context"
	"errors"
	"slices"

	"github.com/weftnet/weft/node/api"
	"github.com/weftnet/weft/node/config"
	"github.com/weftnet/weft/node/doctor"
	"github.com/weftnet/weft/node/version"
)

// list is everything that is collected.
func list(facts *doctor.Facts, o Options) []item {
	return slices.Concat(ofWeft(facts, o), ofNetwork(facts), ofMachine())
}

// ofWeft is what weft says of itself.
func ofWeft(facts *doctor.Facts, o Options) []item {
	daemon := api.NewClient(o.Look.ControlSocket())
	text := func(path string) func(context.Context) ([]byte, error) {
		return func(ctx context.Context) ([]byte, error) { return daemon.Text(ctx, path) }
	}
	fastPath := func(ctx context.Context) (*api.FastPath, error) {
		s, err := daemon.Status(ctx)
		if err != nil {
			return nil, err
		}
		return &s.Node.FastPath, nil
	}
	return []item{
		{name: "version.json", source: fromValue(func(context.Context) (version.Info, error) { return version.Get(), nil })},
		{name: "doctor.json", source: fromValue(func(context.Context) (*doctor.Report, error) { return doctor.Examine(facts), nil })},
		{name: "status.json", source: fromValue(daemon.Status)},
		{name: "peers.json", source: fromValue(daemon.Peers)},
		{name: "routes.json", source: fromValue(daemon.Routes)},
		{name: "map.json", source: fromValue(daemon.Map)},
		{name: "fastpath.json", source: fromValue(fastPath)},
		{name: "config.json", source: fromValue(func(context.Context) ([]api.Setting, error) { return settings(facts) })},
		{name: "metrics.txt", source: fromExporter(exporter(facts))},
		{name: "log.txt", source: text(api.PathLog), tail: true},
		{name: "journal.txt", source: fromJournal, tail: true},
		{name: "service.txt", source: fromProgram("systemctl", "show", "weft", "--no-pager")},
		{name: "goroutines.txt", source: text(api.PathGoroutines)},
		{name: "heap.pprof", source: text(api.PathHeap)},
	}
}

// settings is the configuration, key by key: the file itself may hold anything in its comments.
func settings(facts *doctor.Facts) ([]api.Setting, error) {
	switch {
	case facts.Config != nil:
		return config.Settings(facts.Config), nil
	case facts.ConfigErr != nil:
		return nil, facts.ConfigErr
	}
	return nil, errors.New(facts.ConfigFile + " is not there")
}

// exporter is the address of the exporter of metrics; empty: there is none.
func exporter(facts *doctor.Facts) string {
	if facts.Config == nil || facts.Daemon == nil {
		return ""
	}
	return facts.Config.Metrics
}

// ofNetwork is the host's network as the kernel has it.
func ofNetwork(facts *doctor.Facts) []item {
	conf := []string{"core/*", "ipv4/*", "ipv6/*", "netfilter/nf_conntrack_*", "ipv4/neigh/default/*", "ipv6/neigh/default/*"}
	for _, device := range []string{"all", "default", facts.Overlay, facts.Egress.Interface} {
		if device != "" {
			conf = append(conf, "ipv4/conf/"+device+"/*", "ipv6/conf/"+device+"/*")
		}
	}
	items := []item{
		{name: "network/addresses.txt", source: fromProgram("ip", "-d", "address")},
		{name: "network/links.txt", source: fromProgram("ip", "-s", "-s", "link")},
		{name: "network/routes4.txt", source: fromProgram("ip", "-4", "route", "show", "table", "all")},
		{name: "network/routes6.txt", source: fromProgram("ip", "-6", "route", "show", "table", "all")},
		{name: "network/rules4.txt", source: fromProgram("ip", "-4", "rule")},
		{name: "network/rules6.txt", source: fromProgram("ip", "-6", "rule")},
		{name: "network/neighbours.txt", source: fromProgram("ip", "neighbour")},
		{name: "network/queues.txt", source: fromProgram("tc", "-s", "qdisc")},
		{name: "network/sockets.txt", source: fromProgram("ss", "-u", "-t", "-a", "-n", "-m")},
		{name: "network/nft.txt", source: fromProgram("nft", "list", "ruleset")},
		{name: "network/iptables.txt", source: fromProgram("iptables-save")},
		{name: "network/ip6tables.txt", source: fromProgram("ip6tables-save")},
		{name: "network/sysctl.txt", source: fromSettings(conf...)},
		{name: "network/offloads.txt", source: offloads(facts)},
	}
	for _, name := range []string{"snmp", "snmp6", "netstat", "softnet_stat", "dev", "sockstat", "sockstat6", "udp", "udp6"} {
		items = append(items, item{name: "network/" + name, source: fromFile("/proc/net/" + name)})
	}
	return items
}

// offloads are those of the interface that weft's packets leave by.
func offloads(facts *doctor.Facts) func(context.Context) ([]byte, error) {
	if facts.EgressErr != nil {
		return func(context.Context) ([]byte, error) { return nil, facts.EgressErr }
	}
	return fromProgram("ethtool", "-k", facts.Egress.Interface)
}

// ofMachine is what the host is.
func ofMachine() []item {
	items := []item{
		{name: "machine/os-release", source: fromFile("/etc/os-release")},
		{name: "machine/uname.txt", source: fromProgram("uname", "-a")},
	}
	for _, name := range []string{"cpuinfo", "meminfo", "loadavg", "uptime", "modules", "softirqs", "interrupts", "mounts"} {
		items = append(items, item{name: "machine/" + name, source: fromFile("/proc/" + name)})
	}
	return items
}
