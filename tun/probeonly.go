package tun

import "golang.org/x/sys/unix"

// probeName is a pattern: the kernel puts the first number there that is free.
const probeName = "weftprobe%d"

// Probe finds out which offloads the kernel would give to the drivers super and batch, by an interface of its own that is gone
// when Probe returns. It needs CAP_NET_ADMIN. Errors wrap ErrNoDevice where the machine does not let us have a device.
func Probe() ([]Offload, error) {
	q, err := attach(probeName, unix.IFF_TUN|unix.IFF_NO_PI|unix.IFF_VNET_HDR|unix.IFF_TUN_EXCL)
	if err != nil {
		return nil, err
	}
	defer q.close()
	able, err := q.probe()
	if err != nil {
		return nil, err
	}
	return able.list(), nil
}
