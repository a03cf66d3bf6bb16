package impair

import (
	"encoding/binary"
	"fmt"
	"os"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// socketBuffer is for some thousand frames, so that those that are lost are lost by the dice.
const socketBuffer = 16 << 20

// openSocket opens a packet socket on an interface of the calling thread's namespace, for frames that arrive there and frames
// to send from there.
func openSocket(name string) (*os.File, error) {
	link, err := netlink.LinkByName(name)
	if err != nil {
		return nil, fmt.Errorf("find %s: %w", name, err)
	}
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return nil, fmt.Errorf("open a packet socket: %w", err)
	}
	file := os.NewFile(uintptr(fd), "packet socket on "+name)
	if err := prepareSocket(fd, link.Attrs().Index); err != nil {
		file.Close()
		return nil, fmt.Errorf("open a packet socket on %s: %w", name, err)
	}
	return file, nil
}

// prepareSocket keeps the socket's own frames away from it (PACKET_IGNORE_OUTGOING, Linux 4.20) and binds it.
func prepareSocket(fd, index int) error {
	if err := unix.SetsockoptInt(fd, unix.SOL_PACKET, unix.PACKET_IGNORE_OUTGOING, 1); err != nil {
		return err
	}
	if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, socketBuffer); err != nil {
		return err
	}
	return unix.Bind(fd, &unix.SockaddrLinklayer{Protocol: networkOrder(unix.ETH_P_ALL), Ifindex: index})
}

// networkOrder is what packet(7) wants of a protocol.
func networkOrder(protocol uint16) uint16 {
	var b [2]byte
	binary.BigEndian.PutUint16(b[:], protocol)
	return binary.NativeEndian.Uint16(b[:])
}
