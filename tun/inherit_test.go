package tun

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/weftnet/weft/packet/packettest"
)

var (
	_ Inheritable = (*super)(nil)
	_ Inheritable = (*batch)(nil)
)

// passedOn are the descriptors of a device as another process gets them.
func passedOn(t testing.TB, d Device) (files []*os.File) {
	t.Helper()
	for i, fd := range d.(Inheritable).Descriptors() {
		files = append(files, duplicate(t, fd, fmt.Sprintf("tun.%d", i)))
	}
	return files
}

func duplicate(t testing.TB, fd int, name string) *os.File {
	t.Helper()
	dup, err := unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	f := os.NewFile(uintptr(dup), name)
	t.Cleanup(func() { f.Close() })
	return f
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
			if !closedFiles(o.Inherited) {
				t.Error("the inherited descriptors are still open")
			}
		})
	}
}

func closedFiles(files []*os.File) bool {
	for _, f := range files {
		if !errors.Is(f.Close(), os.ErrClosed) {
			return false
		}
	}
	return true
}

func TestInheritedDescriptorsAreCheckedAndRefusedWithAReason(t *testing.T) {
	super := Options{Name: "weft0", Driver: DriverSuper, MTU: 1400}
	with := func(change func(*Options)) Options {
		o := super
		change(&o)
		return o
	}
	for name, c := range map[string]struct {
		made, wanted Options
		harm         func(t *testing.T, ns *namespace, files []*os.File) []*os.File
		reason       string
	}{
		"another interface": {made: with(func(o *Options) { o.Name = "weft1" }), wanted: super, reason: "it is a queue of weft1",
			harm: func(t *testing.T, ns *namespace, files []*os.File) []*os.File {
				ns.open(t, super)
				return files
			}},
		"no such interface": {made: with(func(o *Options) { o.Name = "weft1" }), wanted: super, reason: "no interface weft0"},
		"several queues":    {made: super, wanted: with(func(o *Options) { o.Queues = 2 }), reason: "1 queues came, 2 are wanted"},
		"other flags": {made: with(func(o *Options) { o.Queues = 2 }), wanted: super, reason: "its flags are",
			harm: func(t *testing.T, _ *namespace, files []*os.File) []*os.File {
				files[1].Close()
				return files[:1]
			}},
		"driver plain": {made: super, wanted: with(func(o *Options) { o.Driver = DriverPlain }), reason: "driver plain"},
		"a queue too few": {made: with(func(o *Options) { o.Queues = 3 }), wanted: with(func(o *Options) { o.Queues = 2 }), reason: "has 3 queues open, 2 of them came",
			harm: func(_ *testing.T, _ *namespace, files []*os.File) []*os.File { return files[:2] }},
		"a detached queue": {made: with(func(o *Options) { o.Queues = 2 }), wanted: with(func(o *Options) { o.Queues = 2 }), reason: "it is detached",
			harm: func(t *testing.T, ns *namespace, files []*os.File) []*os.File {
				detach(t, files[1])
				extra, err := attachOne(t, ns, with(func(o *Options) { o.Queues = 2 }))
				if err != nil {
					t.Fatal(err)
				}
				t.Cleanup(extra.close)
				return files
			}},
		"deleted": {made: super, wanted: super, reason: ErrGone.Error(),
			harm: func(t *testing.T, ns *namespace, files []*os.File) []*os.File {
				ns.do(t, func() error { return Remove("weft0") })
				ns.open(t, super)
				return files
			}},
		"not a TUN device": {made: super, wanted: super, reason: "not a TUN device",
			harm: func(t *testing.T, _ *namespace, _ []*os.File) []*os.File {
				null, err := os.Open(os.DevNull)
				if err != nil {
					t.Fatal(err)
				}
				return []*os.File{null}
			}},
		"another namespace": {made: super, wanted: super, reason: "another network namespace",
			harm: func(t *testing.T, _ *namespace, _ []*os.File) []*os.File {
				elsewhere, _ := newNamespace(t).open(t, super)
				return passedOn(t, elsewhere)
			}},
	} {
		t.Run(name, func(t *testing.T) {
			ns := newNamespace(t)
			d, _ := ns.open(t, c.made)
			files := passedOn(t, d)
			_ = d.Close()
			if c.harm != nil {
				files = c.harm(t, ns, files)
			}
			c.wanted.Inherited = files
			_, _, err := ns.tryOpen(t, c.wanted)
			if !errors.Is(err, ErrInherited) || !strings.Contains(err.Error(), c.reason) || strings.Contains(err.Error(), "\n") {
				t.Errorf("Open: %v, want %q", err, c.reason)
			}
			if !closedFiles(files) {
				t.Error("the refused descriptors are still open")
			}
		})
	}
}

// detach takes a queue out of use, as TUNSETQUEUE does.
func detach(t testing.TB, f *os.File) {
	t.Helper()
	ifr, err := unix.NewIfreq("")
	if err != nil {
		t.Fatal(err)
	}
	ifr.SetUint16(unix.IFF_DETACH_QUEUE)
	if err := control(f, func(fd int) error { return unix.IoctlIfreq(fd, unix.TUNSETQUEUE, ifr) }); err != nil {
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
	o := Options{Name: "weft0", Driver: DriverSuper, MTU: 1400}
	d, _ := ns.open(t, o)
	o.Inherited = append(passedOn(t, d), passedOn(t, d)...)
	_ = d.Close()
	if _, _, err := ns.tryOpen(t, o); !errors.Is(err, ErrInherited) {
		t.Fatalf("Open: %v", err)
	}
	o.Inherited = nil
	if _, choice := ns.open(t, o); !choice.Adopted || choice.Inherited {
		t.Errorf("choice %+v", choice)
	}
}
