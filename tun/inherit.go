package tun

import (
	"errors"
	"fmt"

	"golang.org/x/sys/unix"

	"github.com/weftnet/weft/inherit"
)

// openInherited goes on with the queues that an earlier process left. They are checked before anything is changed; all of
// them are closed when one is refused.
func openInherited(o Options) (Device, *Choice, error) {
	queues, err := takeQueues(o)
	if err != nil {
		return nil, nil, err
	}
	driver := inheritingDriver(o)
	d, err := startInherited(queues, o, driver)
	if err != nil {
		return nil, nil, fmt.Errorf("%w (%w)", err, inherit.ErrRefused)
	}
	reason := "auto: the fastest that this kernel offers"
	if o.Driver == driver {
		reason = "configured"
	}
	return d, &Choice{Driver: driver, Reason: reason, Adopted: true, Inherited: true}, nil
}

// inheritingDriver is the driver that goes on with inherited queues: auto would have taken super, were they made anew.
func inheritingDriver(o Options) Driver {
	if o.Driver == "" || o.Driver == DriverAuto {
		return DriverSuper
	}
	return o.Driver
}

// takeQueues makes queues of all inherited descriptors, or closes them and says what is wrong with the first that is not
// what the options ask for.
func takeQueues(o Options) ([]*queue, error) {
	err := checkInherited(o)
	if err != nil {
		inherit.Close(o.Inherited)
		return nil, fmt.Errorf("tun: open %s: %w: %w", o.Name, inherit.ErrRefused, err)
	}
	queues := make([]*queue, 0, len(o.Inherited))
	for _, f := range o.Inherited {
		var fd int
		if fd, err = inherit.Detach(f); err != nil {
			break
		}
		queues = append(queues, &queue{fd: fd, name: o.Name})
	}
	inherit.Close(o.Inherited)
	if err != nil {
		closeQueues(queues)
		return nil, fmt.Errorf("tun: open %s: %w: %w", o.Name, inherit.ErrRefused, err)
	}
	return queues, nil
}

// checkInherited says what stands against the inherited descriptors.
func checkInherited(o Options) error {
	driver := inheritingDriver(o)
	if driver == DriverPlain {
		return errors.New("driver plain opens a queue of its own")
	}
	if want := o.queues(driver); len(o.Inherited) != want {
		return fmt.Errorf("%d queues came, %d are wanted", len(o.Inherited), want)
	}
	device, err := lookUp(o.Name)
	switch {
	case err != nil:
		return err
	case device == nil:
		return fmt.Errorf("there is no interface %s any more", o.Name)
	case device.Queues > 0 && device.Queues != len(o.Inherited):
		return fmt.Errorf("%s has %d queues open, %d of them came", o.Name, device.Queues, len(o.Inherited))
	}
	for i, f := range o.Inherited {
		if err := inherit.With(f, func(fd int) error { return checkQueue(fd, o.Name, o.flags(driver)) }); err != nil {
			return fmt.Errorf("queue %d: %w", i, err)
		}
	}
	return nil
}

// typeFlags are the flags of an interface that are settled when it is made, and that its queues must agree on.
const typeFlags = unix.IFF_TUN | unix.IFF_TAP | unix.IFF_NO_PI | unix.IFF_VNET_HDR | unix.IFF_MULTI_QUEUE

// checkQueue reports what is wrong with a descriptor that is to be a queue of the interface name, in our network namespace,
// with these flags.
func checkQueue(fd int, name string, flags uint16) error {
	ifr, err := unix.NewIfreq("")
	if err != nil {
		return err
	}
	switch err := unix.IoctlIfreq(fd, unix.TUNGETIFF, ifr); {
	case errors.Is(err, unix.EBADFD):
		return ErrGone
	case err != nil:
		return fmt.Errorf("not a TUN device (%w)", err)
	case ifr.Name() != name:
		return fmt.Errorf("it is a queue of %s", ifr.Name())
	case ifr.Uint16()&typeFlags != flags:
		return fmt.Errorf("its flags are %#x, not %#x", ifr.Uint16()&typeFlags, flags)
	case ifr.Uint16()&unix.IFF_DETACH_QUEUE != 0:
		return errors.New("it is detached")
	}
	return inherit.CheckDeviceNamespace(fd)
}

// startInherited makes a device of all its queues, which it takes over.
func startInherited(queues []*queue, o Options, driver Driver) (Device, error) {
	first, rest := queues[0], queues[1:]
	if err := first.setUp(o); err != nil {
		closeQueues(queues)
		return nil, err
	}
	if driver == DriverBatch {
		return startBatch(first, o)
	}
	d, err := superOf(first, o, func() (*queue, error) {
		q := rest[0]
		rest = rest[1:]
		return q, nil
	})
	if err != nil {
		closeQueues(rest)
	}
	return d, err
}

func closeQueues(queues []*queue) {
	for _, q := range queues {
		q.close()
	}
}
