package attack

import (
	"errors"
	"fmt"
	"os"
	"unsafe"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/weftnet/weft/lab"
)

// Wire puts datagrams of any source onto the cable of one host, behind the switch: they arrive at its interface as they are.
type Wire struct {
	host *lab.Host
	file *os.File
}

// Tap opens a wire to a host of the lab. The caller closes it.
func Tap(l *lab.Lab, host *lab.Host) (*Wire, error) {
	w := &Wire{host: host}
	err := l.Switch().Do(func() (err error) {
		w.file, err = openPacketSocket(host.Port(), 0)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("attack: tap the cable of %s: %w", host.Name(), err)
	}
	return w, nil
}

// Close closes the socket.
func (w *Wire) Close() error { return w.file.Close() }

// sendBatch is how many frames one system call sends.
const sendBatch = 64

// Send puts datagrams onto the cable, in order. It does not wait for anybody to take them.
func (w *Wire) Send(datagrams ...Datagram) error {
	return w.SendEthernet(w.Ethernet(datagrams...)...)
}

// Ethernet makes the frames that Send sends, for those who send them many times.
func (w *Wire) Ethernet(datagrams ...Datagram) [][]byte {
	frames := make([][]byte, len(datagrams))
	for i, d := range datagrams {
		frames[i] = d.ethernet(w.host.MAC())
	}
	return frames
}

// SendEthernet puts whole Ethernet frames onto the cable.
func (w *Wire) SendEthernet(frames ...[]byte) error {
	var heads [sendBatch]unix.Mmsghdr
	var vectors [sendBatch]unix.Iovec
	for len(frames) > 0 {
		n := min(len(frames), sendBatch)
		for i, f := range frames[:n] {
			vectors[i].Base = &f[0]
			vectors[i].SetLen(len(f))
			heads[i] = unix.Mmsghdr{}
			heads[i].Hdr.Iov = &vectors[i]
			heads[i].Hdr.SetIovlen(1)
		}
		sent, err := w.sendmmsg(heads[:n])
		if err != nil {
			return fmt.Errorf("attack: send to %s: %w", w.host.Name(), err)
		}
		frames = frames[sent:]
	}
	return nil
}

func (w *Wire) sendmmsg(heads []unix.Mmsghdr) (int, error) {
	raw, err := w.file.SyscallConn()
	if err != nil {
		return 0, err
	}
	var sent uintptr
	var errno unix.Errno
	err = raw.Write(func(fd uintptr) bool {
		sent, _, errno = unix.Syscall6(unix.SYS_SENDMMSG, fd, uintptr(unsafe.Pointer(&heads[0])), uintptr(len(heads)), 0, 0, 0)
		return errno != unix.EAGAIN
	})
	switch {
	case err != nil:
		return 0, err
	case errno != 0 && !errors.Is(errno, unix.EINTR):
		return 0, errno
	case errno != 0:
		return 0, nil
	}
	return int(sent), nil
}

// openPacketSocket opens a packet socket on an interface of the calling thread's namespace, or on all of them (""), for whole
// frames of a protocol (unix.ETH_P_ALL), or for sending alone (0).
func openPacketSocket(name string, protocol uint16) (*os.File, error) {
	index := 0
	if name != "" {
		link, err := netlink.LinkByName(name)
		if err != nil {
			return nil, fmt.Errorf("find %s: %w", name, err)
		}
		index = link.Attrs().Index
	}
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return nil, fmt.Errorf("open a packet socket: %w", err)
	}
	if protocol != 0 {
		err = prepareCapture(fd)
	}
	if err == nil {
		err = unix.Bind(fd, &unix.SockaddrLinklayer{Protocol: networkOrder(protocol), Ifindex: index})
	}
	if err != nil {
		unix.Close(fd)
		return nil, fmt.Errorf("set up a packet socket: %w", err)
	}
	return os.NewFile(uintptr(fd), "packet socket"), nil
}
