package encap

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// ErrInUse says that another process has the port.
var ErrInUse = errors.New("in use by another process (is weft already running?)")

// ListenTCP opens the port for streams: at ":9338", both families where the kernel has them, or at one address.
func ListenTCP(listen string) (net.Listener, error) {
	family, err := listenFamily(listen)
	if err != nil {
		return nil, err
	}
	ln, err := net.Listen("tcp"+family, listen)
	if err != nil {
		return nil, listenError("TCP", listen, err)
	}
	return ln, nil
}

// listenFamily is the suffix of the network's name: "4", "6", or none for both families at all addresses.
func listenFamily(listen string) (string, error) {
	if strings.HasPrefix(listen, ":") {
		listen = "[::]" + listen
	}
	at, err := netip.ParseAddrPort(listen)
	if err != nil {
		return "", fmt.Errorf("encap: listen at %q: not an address and port, nor a port like \":9338\"", listen)
	}
	switch addr := at.Addr(); {
	case addr.Is4():
		return "4", nil
	case addr.IsUnspecified():
		return "", nil
	default:
		return "6", nil
	}
}

func listenError(protocol, listen string, err error) error {
	if errors.Is(err, unix.EADDRINUSE) {
		_, port, _ := net.SplitHostPort(listen)
		return fmt.Errorf("encap: listen at %s: %s port %s: %w", listen, protocol, port, ErrInUse)
	}
	return fmt.Errorf("encap: listen at %s: %w", listen, err)
}

func listenPacket(listen string, control func(network, address string, c syscall.RawConn) error) (*net.UDPConn, error) {
	family, err := listenFamily(listen)
	if err != nil {
		return nil, err
	}
	lc := net.ListenConfig{Control: control}
	pc, err := lc.ListenPacket(context.Background(), "udp"+family, listen)
	if err != nil {
		return nil, listenError("UDP", listen, err)
	}
	return pc.(*net.UDPConn), nil
}
