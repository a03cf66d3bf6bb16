package tun

import (
	"errors"
	"fmt"

	"golang.org/x/sys/unix"

	"github.com/weftnet/weft/inherit"
)

// Choice says which driver Open took, and why.
type Choice struct {
	Driver    Driver
	Reason    string // one line, for people
	Degraded  bool   // a better driver was tried and did not work: Reason says what failed
	Adopted   bool   // the interface was there already, and was not replaced
	Inherited bool   // the queues are those of Options.Inherited
}

// drivers are tried by auto in this order: the fastest first.
var drivers = []Driver{DriverSuper, DriverBatch, DriverPlain}

// Open makes the device, or adopts the one that an earlier run left. The interface is left as it is otherwise: it may be
// up or down, and keeps its addresses. One queue or several is a matter of flags that cannot be changed on a living interface:
// one of ours with others is replaced, with all that was attached to it. With Options.Inherited it goes on with these or
// fails with inherit.ErrRefused, and opens nothing: where one is refused, whoever holds them has to let go first.
//
// Errors wrap ErrNoDevice, ErrBusy, ErrForeign or inherit.ErrRefused where one of these is the reason.
func Open(o Options) (Device, *Choice, error) {
	if err := o.validate(); err != nil {
		inherit.Close(o.Inherited)
		return nil, nil, err
	}
	if len(o.Inherited) > 0 {
		return openInherited(o)
	}
	if o.Driver != "" && o.Driver != DriverAuto {
		d, adopted, err := open(o, o.Driver)
		if err != nil {
			return nil, nil, err
		}
		return d, &Choice{Driver: o.Driver, Reason: "configured", Adopted: adopted}, nil
	}
	return openBest(o, open)
}

// openBest takes the first driver that works. What would stop every driver alike is returned at once.
func openBest(o Options, open func(Options, Driver) (Device, bool, error)) (Device, *Choice, error) {
	choice := &Choice{Reason: "auto: the fastest that this kernel offers"}
	var failed error
	for _, driver := range drivers {
		d, adopted, err := open(o, driver)
		if err == nil {
			choice.Driver, choice.Adopted = driver, adopted
			return d, choice, nil
		}
		failed = err
		if stopsAll(err) {
			break
		}
		choice.Degraded, choice.Reason = true, fmt.Sprintf("auto: driver %s does not work here: %v", driver, err)
	}
	return nil, nil, failed
}

func stopsAll(err error) bool {
	for _, stop := range []error{ErrNoDevice, ErrBusy, ErrForeign, errRequired} {
		if errors.Is(err, stop) {
			return true
		}
	}
	return false
}

// open opens one driver. A failure leaves no interface behind that was not there before.
func open(o Options, driver Driver) (Device, bool, error) {
	q, adopted, err := acquire(o, o.flags(driver))
	if err != nil {
		return nil, false, err
	}
	d, err := starts[driver](q, o)
	if err != nil && !adopted {
		_ = deleteLink(o.Name)
	}
	return d, adopted, err
}

// starts make a device of its first queue, which has no offloads yet. They close it when they fail.
var starts = map[Driver]func(*queue, Options) (Device, error){
	DriverPlain: startPlain,
	DriverBatch: startBatch,
	DriverSuper: startSuper,
}

// acquire attaches to the interface and makes it ours and persistent, with all offloads off. One of ours with flags that
// cannot be changed is replaced.
func acquire(o Options, flags uint16) (q *queue, adopted bool, err error) {
	what, err := inspect(o.Name, flags)
	if err == nil && what == mismatched {
		err = deleteLink(o.Name)
	}
	if err != nil {
		return nil, false, err
	}
	adopted = what == adoptable
	if !adopted {
		flags |= unix.IFF_TUN_EXCL
	}
	if q, err = attach(o.Name, flags); err != nil {
		return nil, false, err
	}
	if err := q.setUp(o); err != nil {
		q.close()
		return nil, false, err
	}
	return q, adopted, nil
}

// setUp brings the interface into the state that drivers begin with.
func (q *queue) setUp(o Options) error {
	if err := q.setOffloads(0); err != nil {
		return err
	}
	if err := q.resetHeader(); err != nil {
		return err
	}
	if err := configure(o); err != nil {
		return err
	}
	return q.persist()
}
