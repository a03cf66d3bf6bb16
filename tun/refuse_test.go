package tun

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"testing"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

func TestOpenDeviceIsBusyAndLeftAsItIs(t *testing.T) {
	for _, first := range realDrivers() {
		for _, second := range append(realDrivers(), DriverAuto) {
			t.Run(string(first+" then "+second), func(t *testing.T) {
				ns := newNamespace(t)
				ns.open(t, Options{Name: "weft0", Driver: first, MTU: 1400})
				if _, _, err := ns.tryOpen(t, Options{Name: "weft0", Driver: second, MTU: 1300}); !errors.Is(err, ErrBusy) {
					t.Errorf("%v, want ErrBusy", err)
				}
				if mtu := ns.link(t, "weft0").Attrs().MTU; mtu != 1400 {
					t.Errorf("the MTU was changed to %d", mtu)
				}
			})
		}
	}
}

// holdEnv makes the test binary hold the device of that name until its standard input ends.
const holdEnv = "WEFT_TEST_HOLD_DEVICE"

func TestMain(m *testing.M) {
	name := os.Getenv(holdEnv)
	if name == "" {
		os.Exit(m.Run())
	}
	d, _, err := Open(Options{Name: name, MTU: 1400})
	fmt.Println(err)
	_, _ = io.Copy(io.Discard, os.Stdin)
	runtime.KeepAlive(d)
}

func TestProcessThatHasTheDeviceIsNamed(t *testing.T) {
	ns := newNamespace(t)
	other := exec.Command(os.Args[0])
	other.Env = append(os.Environ(), holdEnv+"=weft0")
	in, err := other.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := other.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	ns.do(t, other.Start)
	t.Cleanup(func() { _, _ = in.Close(), other.Wait() })
	if line, err := bufio.NewReader(out).ReadString('\n'); line != "<nil>\n" {
		t.Fatalf("the other process: %q, %v", line, err)
	}
	_, _, err = ns.tryOpen(t, Options{Name: "weft0", MTU: 1400})
	if want := fmt.Sprintf("(process %d, ", other.Process.Pid); !errors.Is(err, ErrBusy) || !strings.Contains(err.Error(), want) {
		t.Errorf("%v, want ErrBusy with %q", err, want)
	}
}

// foreigners make an interface weft0 that is not ours.
var foreigners = map[string]func() error{
	"veth": func() error {
		return netlink.LinkAdd(&netlink.Veth{LinkAttrs: netlink.LinkAttrs{Name: "weft0"}, PeerName: "peer0"})
	},
	"veth with our alias": func() error {
		veth := &netlink.Veth{LinkAttrs: netlink.LinkAttrs{Name: "weft0"}, PeerName: "peer0"}
		return errors.Join(netlink.LinkAdd(veth), netlink.LinkSetAlias(veth, alias))
	},
	"persistent TUN": func() error {
		q, err := attach("weft0", unix.IFF_TUN|unix.IFF_NO_PI|unix.IFF_TUN_EXCL)
		if err != nil {
			return err
		}
		defer q.close()
		return q.persist()
	},
	"TUN with another alias": func() error {
		q, err := attach("weft0", unix.IFF_TUN|unix.IFF_NO_PI|unix.IFF_TUN_EXCL)
		if err != nil {
			return err
		}
		defer q.close()
		link, err := netlink.LinkByName("weft0")
		return errors.Join(err, netlink.LinkSetAlias(link, "wefty"), q.persist())
	},
}

func TestForeignInterfaceIsLeftAlone(t *testing.T) {
	for name, prepare := range foreigners {
		t.Run(name, func(t *testing.T) {
			ns := newNamespace(t)
			ns.do(t, prepare)
			before := ns.link(t, "weft0").Attrs()
			for _, driver := range append(realDrivers(), DriverAuto) {
				if _, _, err := ns.tryOpen(t, Options{Name: "weft0", Driver: driver, MTU: 1300}); !errors.Is(err, ErrForeign) {
					t.Errorf("Open with driver %s: %v, want ErrForeign", driver, err)
				}
			}
			ns.do(t, func() error {
				if err := Remove("weft0"); !errors.Is(err, ErrForeign) {
					t.Errorf("Remove: %v, want ErrForeign", err)
				}
				return nil
			})
			after := ns.link(t, "weft0")
			if after == nil || after.Attrs().Index != before.Index || after.Attrs().MTU != before.MTU || after.Attrs().Alias != before.Alias {
				t.Errorf("it was changed: %+v", after)
			}
		})
	}
}

func TestRemoveDeletesOursAndIsContentWhenThereIsNone(t *testing.T) {
	ns := newNamespace(t)
	d, _ := ns.open(t, Options{Name: "weft0", MTU: 1400})
	_ = d.Close()
	for range 2 {
		ns.do(t, func() error { return Remove("weft0") })
		if ns.link(t, "weft0") != nil {
			t.Fatal("the interface is still there")
		}
	}
}

// odd makes an interface of ours with flags that no driver uses, and returns its queue.
func odd(flags uint16) (*queue, error) {
	q, err := attach("weft0", flags|unix.IFF_NO_PI|unix.IFF_TUN_EXCL)
	if err != nil {
		return nil, err
	}
	return q, errors.Join(configure(Options{Name: "weft0", MTU: 1500}), q.persist())
}

func TestOwnDeviceWithOtherFlagsIsReplaced(t *testing.T) {
	for name, flags := range map[string]uint16{"multi_queue": unix.IFF_TUN | unix.IFF_MULTI_QUEUE, "tap": unix.IFF_TAP} {
		for _, driver := range realDrivers() {
			t.Run(name+" for "+string(driver), func(t *testing.T) {
				ns := newNamespace(t)
				ns.do(t, func() error {
					q, err := odd(flags)
					if err == nil {
						q.close()
					}
					return err
				})
				before := ns.link(t, "weft0").Attrs().Index
				_, choice := ns.open(t, Options{Name: "weft0", Driver: driver, MTU: 1400})
				if after := ns.link(t, "weft0").Attrs().Index; choice.Adopted || after == before {
					t.Errorf("index %d, then %d; choice %+v", before, after, choice)
				}
			})
		}
	}
}

func TestOwnDeviceWithOtherFlagsIsNotReplacedWhileOpen(t *testing.T) {
	ns := newNamespace(t)
	var q *queue
	ns.do(t, func() (err error) {
		q, err = odd(unix.IFF_TUN | unix.IFF_MULTI_QUEUE)
		return err
	})
	defer q.close()
	if _, _, err := ns.tryOpen(t, Options{Name: "weft0", MTU: 1400}); !errors.Is(err, ErrBusy) {
		t.Errorf("Open: %v, want ErrBusy", err)
	}
}

func TestWithoutCapabilityTheErrorSaysWhatToDo(t *testing.T) {
	ns := newNamespace(t)
	ns.do(t, func() error { // this thread ends with the function
		header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
		var data [2]unix.CapUserData
		if err := unix.Capget(&header, &data[0]); err != nil {
			return err
		}
		data[0].Effective &^= 1 << unix.CAP_NET_ADMIN
		if err := unix.Capset(&header, &data[0]); err != nil {
			return err
		}
		for _, driver := range append(realDrivers(), DriverAuto) {
			_, _, err := Open(Options{Name: "weft0", Driver: driver, MTU: 1400})
			if !errors.Is(err, ErrNoDevice) || !strings.Contains(err.Error(), "CAP_NET_ADMIN") {
				t.Errorf("driver %s: %v, want ErrNoDevice with the capability", driver, err)
			}
		}
		return nil
	})
}

func TestRefusalsOfTheKernelGetAMeaning(t *testing.T) {
	for errno, want := range map[error]error{
		unix.ENOENT: ErrNoDevice, unix.ENODEV: ErrNoDevice, unix.ENXIO: ErrNoDevice, // no module, or not in the container
		unix.EACCES: ErrNoDevice, unix.EPERM: ErrNoDevice,
		unix.EBUSY: ErrBusy, unix.EMFILE: unix.EMFILE,
	} {
		err := attachError("weft0", errno)
		if !errors.Is(err, want) || strings.Contains(err.Error(), "\n") || !strings.HasPrefix(err.Error(), "tun: open weft0: ") {
			t.Errorf("%v: %v", errno, err)
		}
	}
}

func TestOptionsAreValidatedAtTheDoor(t *testing.T) {
	for _, o := range []Options{
		{Name: "", MTU: 1400},
		{Name: "sixteen-letters-", MTU: 1400},
		{Name: ".", MTU: 1400},
		{Name: "..", MTU: 1400},
		{Name: "we/ft", MTU: 1400},
		{Name: "we ft", MTU: 1400},
		{Name: "we:ft", MTU: 1400},
		{Name: "weft%d", MTU: 1400},
		{Name: "weft\n", MTU: 1400},
		{Name: "wéft0", MTU: 1400},
		{Name: "weft0", MTU: 0},
		{Name: "weft0", MTU: 67},
		{Name: "weft0", MTU: 65536},
		{Name: "weft0", MTU: 1400, Driver: "fast"},
		{Name: "weft0", MTU: 1400, Driver: DriverMemory},
		{Name: "weft0", MTU: 1400, Queues: -1},
		{Name: "weft0", MTU: 1400, Queues: 257},
		{Name: "weft0", MTU: 1400, Queues: 2, Driver: DriverBatch},
		{Name: "weft0", MTU: 1400, Queues: 2, Driver: DriverPlain},
		{Name: "weft0", MTU: 1400, QueueLen: -1},
		{Name: "weft0", MTU: 1400, QueueLen: 65537},
		{Name: "weft0", MTU: 1400, Offloads: OffloadKnobs{JoinUDP: "yes"}},
	} {
		if _, _, err := Open(o); err == nil || errors.Is(err, ErrNoDevice) || !strings.HasPrefix(err.Error(), "tun: ") {
			t.Errorf("%+v: %v", o, err)
		}
	}
	for _, o := range []Options{
		{Name: "weft0", MTU: 68},
		{Name: "fifteen-letters", MTU: 65535, Driver: DriverAuto, Queues: 256, QueueLen: 65536, Offloads: allOff},
		{Name: "weft0", MTU: 1400, Driver: DriverBatch, Queues: 1, Offloads: OffloadKnobs{TSO: KnobOn, USO: KnobAuto}},
	} {
		if err := o.validate(); err != nil {
			t.Errorf("%+v: %v", o, err)
		}
	}
}

func TestAutoFallsBackAndSaysWhatFailed(t *testing.T) {
	want := NewMemory("weft0", 1400)
	d, choice, err := openBest(Options{}, func(_ Options, driver Driver) (Device, bool, error) {
		if driver != DriverPlain {
			return nil, false, errors.New("no virtio-net header here")
		}
		return want, true, nil
	})
	if err != nil || d != want || choice.Driver != DriverPlain || !choice.Degraded || !choice.Adopted {
		t.Fatalf("%v, choice %+v, %v", d, choice, err)
	}
	if !strings.Contains(choice.Reason, "batch") || !strings.Contains(choice.Reason, "no virtio-net header here") {
		t.Errorf("reason %q", choice.Reason)
	}
}

func TestAutoDoesNotTryOtherDriversOnWhatStopsThemAll(t *testing.T) {
	for _, stop := range []error{ErrNoDevice, ErrBusy, ErrForeign, errRequired} {
		tries := 0
		_, _, err := openBest(Options{}, func(Options, Driver) (Device, bool, error) {
			tries++
			return nil, false, fmt.Errorf("tun: %w", stop)
		})
		if tries != 1 || !errors.Is(err, stop) {
			t.Errorf("%v: %d tries, %v", stop, tries, err)
		}
	}
}

func TestAutoReturnsTheLastFailureWhenNothingWorks(t *testing.T) {
	d, choice, err := openBest(Options{}, func(_ Options, driver Driver) (Device, bool, error) {
		return nil, false, fmt.Errorf("driver %s", driver)
	})
	if d != nil || choice != nil || err == nil || err.Error() != "driver plain" {
		t.Errorf("%v, %+v, %v", d, choice, err)
	}
}
