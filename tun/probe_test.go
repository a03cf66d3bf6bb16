package tun

import (
	"errors"
	"fmt"
	"testing"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

func TestProbeTellsWhatTheKernelTakesWhetherTheInterfaceIsUpOrDown(t *testing.T) {
	newNamespace(t).do(t, func() error {
		q, _, err := acquire(Options{Name: "weft0", MTU: 1400}, driverFlags[DriverBatch])
		if err != nil {
			return err
		}
		defer q.close()
		if err := checkProbe(q); err != nil {
			return fmt.Errorf("down: %w", err)
		}
		link, err := netlink.LinkByName("weft0")
		if err := errors.Join(err, netlink.LinkSetUp(link)); err != nil {
			return err
		}
		if err := checkProbe(q); err != nil {
			return fmt.Errorf("up: %w", err)
		}
		return nil
	})
}

// checkProbe relies on TCP superpackets being taken by all kernels, and on there being no type of superpacket 0x7f.
func checkProbe(q *queue) error {
	able, err := q.probe()
	if err = errors.Join(err, able.joinTCP); err != nil {
		return err
	}
	if err := q.probeWrite(0x7f, unix.IPPROTO_TCP, 20, 16); !errors.Is(err, ErrNotSupported) {
		return fmt.Errorf("a superpacket of no known type: %w, want ErrNotSupported", err)
	}
	return nil
}

func TestProbeThatFailedIsNotTakenForMissingSupport(t *testing.T) {
	q := &queue{fd: -1, name: "weft0"}
	if err := q.probeWrite(unix.VIRTIO_NET_HDR_GSO_TCPV4, unix.IPPROTO_TCP, 20, 16); err == nil || errors.Is(err, ErrNotSupported) {
		t.Errorf("%v, want the failure of the probe itself", err)
	}
}
