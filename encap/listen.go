package encap

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"

	"golang.org/x/sys/unix"
)

// ErrInUse says that another process has the port.
var ErrInUse = errors.New("in use by another process (is weft already running?)")

// ListenTCP opens the port for streams: at ":9338", both families where the kernel has them, or at one address.
func ListenTCP(listen string) (net.Listener, error) {
	at, err := parseListen(listen)
	if err != nil {
		return nil, err
	}
	ln, err := net.Listen("tcp"+networkSuffix(at.Addr()), listen)
	if err != nil {
		return nil, listenError("TCP", listen, err)
	}
	return ln, nil
}

// parseListen reads where to listen. Without an address it is [::], for all addresses of both families.
func parseListen(listen string) (netip.AddrPort, error) {
	text := listen
	if strings.HasPrefix(text, ":") {
		text = "[::]" + text
	}
	at, err := netip.ParseAddrPort(text)
	if err != nil {
		return at, fmt.Errorf("encap: listen at %q: not an address and port, nor a port like \":9338\"", listen)
	}
	return netip.AddrPortFrom(at.Addr().Unmap(), at.Port()), nil
}

// networkSuffix is the end of the network's name: "4", "6", or none for both families at all addresses.
func networkSuffix(addr netip.Addr) string {
	switch {
	case addr.Is4():
		return "4"
	case addr.IsUnspecified():
		return ""
	default:
		return "6"
	}
}

func listenError(protocol, listen string, err error) error {
	if errors.Is(err, unix.EADDRINUSE) {
		_, port, _ := net.SplitHostPort(listen)
		return fmt.Errorf("encap: listen at %s: %s port %s: %w", listen, protocol, port, ErrInUse)
	}
	return fmt.Errorf("encap: listen at %s: %w", listen, err)
}
