package mesh

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strconv"
)

// systemResolver asks net.DefaultResolver.
type systemResolver struct{}

func (systemResolver) LookupNetIP(ctx context.Context, network, host string) ([]netip.Addr, error) {
	return net.DefaultResolver.LookupNetIP(ctx, network, host)
}

// SplitSeed splits "host", "host:port", "[v6]:port" and a bare IPv6 address; port is used where seed names none.
func SplitSeed(seed string, port uint16) (string, uint16, error) {
	if addr, err := netip.ParseAddr(seed); err == nil {
		return addr.String(), port, nil
	}
	host, text, err := net.SplitHostPort(seed)
	if err != nil {
		return seed, port, checkHost(seed)
	}
	number, err := strconv.ParseUint(text, 10, 16)
	if err != nil || number == 0 {
		return "", 0, fmt.Errorf("mesh: seed %q: bad port %q", seed, text)
	}
	return host, uint16(number), checkHost(host)
}

func checkHost(host string) error {
	if _, err := netip.ParseAddr(host); err == nil {
		return nil
	}
	if host == "" {
		return errors.New("mesh: a seed without host")
	}
	for _, r := range host {
		if r == '/' || r == ':' || r == '[' || r == ']' || r <= ' ' {
			return fmt.Errorf("mesh: seed %q is not host or host:port", host)
		}
	}
	return nil
}

// resolveSeed looks up where a seed is now.
func resolveSeed(ctx context.Context, r Resolver, seed string, port uint16) ([]netip.AddrPort, error) {
	host, port, err := SplitSeed(seed, port)
	if err != nil {
		return nil, err
	}
	if addr, err := netip.ParseAddr(host); err == nil {
		return []netip.AddrPort{netip.AddrPortFrom(addr.Unmap(), port)}, nil
	}
	addrs, err := r.LookupNetIP(ctx, "ip", host)
	if err != nil {
		return nil, fmt.Errorf("look up %s: %w", host, err)
	}
	at := make([]netip.AddrPort, 0, len(addrs))
	for _, a := range addrs {
		at = append(at, netip.AddrPortFrom(a.Unmap(), port))
	}
	return at, nil
}
