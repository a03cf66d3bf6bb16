package config

import (
	"net"
	"net/netip"
)

// DefaultMetrics is where the metrics are offered: on this host alone.
const DefaultMetrics = "127.0.0.1:9339"

// setMetrics takes an address and port, or nothing.
func setMetrics(c *Config, v []string) error {
	if v[0] != "" {
		if err := checkListen(v[0], DefaultMetrics+`, nor "" for none`); err != nil {
			return err
		}
	}
	c.Metrics = v[0]
	return nil
}

// checkMetrics refuses the port of the gossip streams.
func (c *Config) checkMetrics() error {
	if c.Metrics == "" {
		return nil
	}
	host, port := splitListen(c.Metrics)
	other, taken := splitListen(c.Listen)
	if port == taken && (host == other || host.IsUnspecified() || other.IsUnspecified()) {
		return KeyErrorf("metrics", "%s is where weft listens for its peers (listen: %s); take another port", c.Metrics, c.Listen)
	}
	return nil
}

// splitListen reads an address and port that the keys' setters accept; no address means all.
func splitListen(at string) (netip.Addr, string) {
	host, port, _ := net.SplitHostPort(at)
	addr, err := netip.ParseAddr(host)
	if err != nil {
		addr = netip.IPv4Unspecified()
	}
	return addr.Unmap(), port
}
