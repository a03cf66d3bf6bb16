package tun

import (
	"bytes"
	"errors"
	"net"
	"os"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/weftnet/weft/inherit"
	"github.com/weftnet/weft/inherit/inherittest"
	"github.com/weftnet/weft/packet/packettest"
)

var (
	_ Inheritable = (*super)(nil)
	_ Inheritable = (*batch)(nil)
)

// passedOn are the descriptors of a device as another process gets them.
func passedOn(t testing.TB, d Device) []*os.File {
	t.Helper()
	return inherittest.Pass(t, "tun", d.(Inheritable).Descriptors()...)
}

// hasCarrier reports whether somebody has the device open.
func (n *namespace) hasCarrier(t testing.TB, name string) bool {
	t.Helper()
	return n.link(t, name).Attrs().RawFlags&unix.IFF_LOWER_UP != 0
}

// sendTo sends UDP packets with these payloads to an address behind the device, each of a flow of its own.
func (n *namespace) sendTo(t testing.TB, payloads ...string) {
	t.Helper()
	n.do(t, func() error {
		for _, text := range payloads {
			conn, err := net.Dial("udp4", left4.Addr().String()+":9")
			if err != nil {
				return err
			}
			_, err = conn.Write([]byte(text))
			if err := errors.Join(err, conn.Close()); err != nil {
				return err
			}
		}
		return nil
	})
}

// payloads reads n packets from all queues together.
func payloads(t *testing.T, d Device, n int) map[string]bool {
	t.Helper()
	got := map[string]bool{}
	for len(got) < n {
		before := len(got)
		for _, q := range d.Queues() {
			if polled, ok := q.(PolledQueue); ok && !readable(t, polled.Descriptor()) {
				continue
			}
			batch, err := q.Read()
			if err != nil {
				t.Fatal(err)
			}
			for _, p := range batch {
				got[string(bytes.TrimRight(packettest.Payload(p.Data), "\x00"))] = true
			}
		}
		if len(got) == before {
			t.Fatalf("%d packets came, want %d", len(got), n)
		}
	}
	return got
}

func TestInheritedDeviceGoesOnWithWhatWaitsInItsQueues(t *testing.T) {
	for name, o := range map[string]Options{
		"super":          {Driver: DriverSuper},
		"auto":           {},
		"super 3 queues": {Driver: DriverSuper, Queues: 3},
		"batch":          {Driver: DriverBatch},
	} {
		t.Run(name, func(t *testing.T) {
			ns := newNamespace(t)
			ns.quiet(t)
			o.Name, o.MTU = "weft0", 1400
			before, first := ns.open(t, o)
			ns.up(t, "weft0", right4)
			o.Inherited = passedOn(t, before)
			if err := before.Close(); err != nil {
				t.Fatal(err)
			}
			if !ns.hasCarrier(t, "weft0") {
				t.Error("the carrier went off")
			}
			texts := []string{"one", "two", "three", "four", "five", "six", "seven"}
			ns.sendTo(t, texts...)
			after, choice := ns.open(t, o)
			if !choice.Inherited || !choice.Adopted || choice.Driver != first.Driver || choice.Reason != first.Reason {
				t.Errorf("choice %+v, before %+v", choice, first)
			}
			got := payloads(t, after, len(texts))
			for _, text := range texts {
				if !got[text] {
					t.Errorf("%q is lost", text)
				}
			}
			ns.sendTo(t, "later")
			if !payloads(t, after, 1)["later"] {
				t.Error("what comes later is not read")
			}
			inherittest.Closed(t, o.Inherited)
		})
	}
}

// What waits was made for the offloads of the process before: the kernel does not cut it any more.
func TestASuperpacketThatWaitsIsReadWhateverTheNextProcessAsksFor(t *testing.T) {
	const size, segment = 2000, 500
	off := superOptions
	off.Offloads.USO = KnobOff
	batch := superOptions
	batch.Driver = DriverBatch
	for name, o := range map[string]Options{"driver batch": batch, "without USO": off} {
		t.Run(name, func(t *testing.T) {
			ns := newNamespace(t)
			ns.quiet(t)
			before, _ := ns.open(t, superOptions)
			ns.up(t, "weft0", right4)
			o.Inherited = passedOn(t, before)
			_ = before.Close()
			ns.do(t, func() error { return sendTrain(left4.Addr().String()+":9", size, segment) })
			after, _ := ns.open(t, o)
			list, err := after.Queues()[0].Read()
			if err != nil {
				t.Fatal(err)
			}
			got := 0
			for _, p := range list {
				segments, err := segmentsOf(p)
				if err != nil {
					t.Error(err)
				}
				for _, s := range segments {
					got += len(packettest.Payload(s))
				}
			}
			if got != size {
				t.Errorf("%d bytes came, want %d", got, size)
			}
		})
	}
}

// sendTrain sends one UDP payload that the kernel is to cut into segments.
func sendTrain(to string, size, segment int) error {
	conn, err := net.Dial("udp4", to)
	if err != nil {
		return err
	}
	defer conn.Close()
	f, err := conn.(*net.UDPConn).File()
	if err != nil {
		return err
	}
	defer f.Close()
	err = inherit.With(f, func(fd int) error { return unix.SetsockoptInt(fd, unix.SOL_UDP, unix.UDP_SEGMENT, segment) })
	if err != nil {
		return err
	}
	_, err = conn.Write(make([]byte, size))
	return err
}

// refusedQueues is a device that an earlier process opened, what became of it and its queues, and why they are refused.
type refusedQueues struct {
	made, wanted Options
	harm         func(t *testing.T, ns *namespace, files []*os.File) []*os.File // nil: nothing
	reason       string
}

// theFirst leaves the first descriptors, and closes the others.
func theFirst(n int) func(*testing.T, *namespace, []*os.File) []*os.File {
	return func(_ *testing.T, _ *namespace, files []*os.File) []*os.File {
		inherit.Close(files[n:])
		return files[:n]
	}
}

// holdTheFirst leaves the first descriptors, while somebody else has the others.
func holdTheFirst(n int) func(*testing.T, *namespace, []*os.File) []*os.File {
	return func(_ *testing.T, _ *namespace, files []*os.File) []*os.File { return files[:n] }
}

// makeAnew opens the device weft0 beside what came; remove: after the one before was deleted.
func makeAnew(remove bool) func(*testing.T, *namespace, []*os.File) []*os.File {
	return func(t *testing.T, ns *namespace, files []*os.File) []*os.File {
		if remove {
			ns.do(t, func() error { return Remove("weft0") })
		}
		ns.open(t, superOptions)
		return files
	}
}

// deleteIt deletes the device.
func deleteIt(t *testing.T, ns *namespace, files []*os.File) []*os.File {
	ns.do(t, func() error { return Remove("weft0") })
	return files
}

// detachTheLast takes a queue out of use, and attaches another.
func detachTheLast(t *testing.T, ns *namespace, files []*os.File) []*os.File {
	detach(t, files[len(files)-1])
	extra, err := attachOne(t, ns, withQueues(2))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(extra.close)
	return files
}

func noDevice(t *testing.T, _ *namespace, files []*os.File) []*os.File {
	inherit.Close(files)
	return []*os.File{inherittest.Null(t)}
}

// fromElsewhere gives a queue of the same name in another namespace.
func fromElsewhere(t *testing.T, _ *namespace, files []*os.File) []*os.File {
	inherit.Close(files)
	d, _ := newNamespace(t).open(t, superOptions)
	return passedOn(t, d)
}

var superOptions = Options{Name: "weft0", Driver: DriverSuper, MTU: 1400}

func withQueues(n int) Options {
	o := superOptions
	o.Queues = n
	return o
}

func TestInheritedDescriptorsAreCheckedAndRefusedWithAReason(t *testing.T) {
	other, plain := superOptions, superOptions
	other.Name, plain.Driver = "weft1", DriverPlain
	for name, c := range map[string]refusedQueues{
		"another interface": {made: other, wanted: superOptions, harm: makeAnew(false), reason: "it is a queue of weft1"},
		"no such interface": {made: other, wanted: superOptions, reason: "no interface weft0"},
		"deleted":           {made: superOptions, wanted: superOptions, harm: deleteIt, reason: "no interface weft0 any more"},
		"made anew":         {made: superOptions, wanted: superOptions, harm: makeAnew(true), reason: ErrGone.Error()},
		"several queues":    {made: superOptions, wanted: withQueues(2), reason: "1 queues came, 2 are wanted"},
		"other flags":       {made: withQueues(2), wanted: superOptions, harm: theFirst(1), reason: "its flags are"},
		"driver plain":      {made: superOptions, wanted: plain, reason: "driver plain"},
		"a queue too few":   {made: withQueues(3), wanted: withQueues(2), harm: holdTheFirst(2), reason: "has 3 queues open, 2 of them came"},
		"a detached queue":  {made: withQueues(2), wanted: withQueues(2), harm: detachTheLast, reason: "it is detached"},
		"not a TUN device":  {made: superOptions, wanted: superOptions, harm: noDevice, reason: "not a TUN device"},
		"another namespace": {made: superOptions, wanted: superOptions, harm: fromElsewhere, reason: "another network namespace"},
	} {
		t.Run(name, c.check)
	}
}

func (c refusedQueues) check(t *testing.T) {
	ns := newNamespace(t)
	d, _ := ns.open(t, c.made)
	files := passedOn(t, d)
	_ = d.Close()
	if c.harm != nil {
		files = c.harm(t, ns, files)
	}
	c.wanted.Inherited = files
	_, _, err := ns.tryOpen(t, c.wanted)
	if !errors.Is(err, inherit.ErrRefused) || !strings.Contains(err.Error(), c.reason) || strings.Contains(err.Error(), "\n") {
		t.Errorf("Open: %v, want %q", err, c.reason)
	}
	inherittest.Closed(t, files)
}

// detach takes a queue out of use, as TUNSETQUEUE does.
func detach(t testing.TB, f *os.File) {
	t.Helper()
	ifr, err := unix.NewIfreq("")
	if err != nil {
		t.Fatal(err)
	}
	ifr.SetUint16(unix.IFF_DETACH_QUEUE)
	if err := inherit.With(f, func(fd int) error { return unix.IoctlIfreq(fd, unix.TUNSETQUEUE, ifr) }); err != nil {
		t.Fatal(err)
	}
}

// attachOne opens one queue more.
func attachOne(t testing.TB, ns *namespace, o Options) (q *queue, err error) {
	t.Helper()
	ns.do(t, func() error {
		q, err = attach(o.Name, o.flags(DriverSuper))
		return nil
	})
	return q, err
}

func TestRefusedDescriptorsDoNotStandInTheWayOfAnOpeningAnew(t *testing.T) {
	ns := newNamespace(t)
	o := superOptions
	d, _ := ns.open(t, o)
	o.Inherited = append(passedOn(t, d), passedOn(t, d)...)
	_ = d.Close()
	if _, _, err := ns.tryOpen(t, o); !errors.Is(err, inherit.ErrRefused) {
		t.Fatalf("Open: %v", err)
	}
	o.Inherited = nil
	if _, choice := ns.open(t, o); !choice.Adopted || choice.Inherited {
		t.Errorf("choice %+v", choice)
	}
}
