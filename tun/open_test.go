package tun

import (
	"errors"
	"os"
	"testing"

	"github.com/vishvananda/netlink"

	"github.com/weftnet/weft/packet"
)

func realDrivers() []Driver { return []Driver{DriverPlain, DriverBatch, DriverSuper} }

func TestOpenedDeviceIsOursAndPersistent(t *testing.T) {
	for _, driver := range realDrivers() {
		t.Run(string(driver), func(t *testing.T) {
			ns := newNamespace(t)
			d, choice := ns.open(t, Options{Name: "weft0", Driver: driver, MTU: 1390})
			if d.Name() != "weft0" || d.Driver() != driver || choice.Driver != driver || choice.Adopted || choice.Degraded {
				t.Errorf("name %q, driver %q, choice %+v", d.Name(), d.Driver(), choice)
			}
			for range 2 { // while it is open, and after
				link := ns.link(t, "weft0")
				if link == nil {
					t.Fatal("the interface is not there")
				}
				a := link.Attrs()
				if a.Alias != "weft" || a.MTU != 1390 || a.TxQLen < 1000 || link.(*netlink.Tuntap).NonPersist {
					t.Errorf("alias %q, MTU %d, queue %d, %+v", a.Alias, a.MTU, a.TxQLen, link)
				}
				if err := d.Close(); err != nil {
					t.Error(err)
				}
			}
		})
	}
}

func TestOwnDeviceIsAdopted(t *testing.T) {
	for _, first := range realDrivers() {
		for _, second := range realDrivers() {
			t.Run(string(first+" then "+second), func(t *testing.T) {
				ns := newNamespace(t)
				d, _ := ns.open(t, Options{Name: "weft0", Driver: first, MTU: 1400})
				index := ns.link(t, "weft0").Attrs().Index
				_ = d.Close()
				_, choice := ns.open(t, Options{Name: "weft0", Driver: second, MTU: 1300})
				link := ns.link(t, "weft0").Attrs()
				if !choice.Adopted || link.Index != index || link.MTU != 1300 {
					t.Errorf("choice %+v, index %d then %d, MTU %d", choice, index, link.Index, link.MTU)
				}
			})
		}
	}
}

func TestAutoTakesSuperAndSaysWhy(t *testing.T) {
	_, choice := newNamespace(t).open(t, Options{Name: "weft0", MTU: 1400})
	if choice.Driver != DriverSuper || choice.Reason == "" || choice.Degraded {
		t.Errorf("choice %+v", choice)
	}
}

func TestCloseWakesRead(t *testing.T) {
	for _, driver := range realDrivers() {
		t.Run(string(driver), func(t *testing.T) {
			d, _ := newNamespace(t).open(t, Options{Name: "weft0", Driver: driver, MTU: 1400})
			got := make(chan error, 1)
			go func() {
				_, err := d.Queues()[0].Read()
				got <- err
			}()
			if err := d.Close(); err != nil {
				t.Error(err)
			}
			if err := <-got; !errors.Is(err, os.ErrClosed) {
				t.Errorf("Read: %v, want os.ErrClosed", err)
			}
			if _, err := d.Queues()[0].Write([]packet.Superpacket{{Data: make([]byte, 20)}}); !errors.Is(err, os.ErrClosed) {
				t.Errorf("Write: %v, want os.ErrClosed", err)
			}
			if err := d.Close(); err != nil {
				t.Errorf("second Close: %v", err)
			}
		})
	}
}

func TestDeletedInterfaceIsGone(t *testing.T) {
	for _, driver := range realDrivers() {
		t.Run(string(driver), func(t *testing.T) {
			ns := newNamespace(t)
			d, _ := ns.open(t, Options{Name: "weft0", Driver: driver, MTU: 1400})
			ns.up(t, "weft0")
			got := make(chan error, 1)
			go func() {
				var err error
				for err == nil {
					_, err = d.Queues()[0].Read()
				}
				got <- err
			}()
			ns.do(t, func() error { return Remove("weft0") })
			if err := <-got; !errors.Is(err, ErrGone) {
				t.Errorf("Read: %v, want ErrGone", err)
			}
			if _, err := d.Queues()[0].Write([]packet.Superpacket{{Data: make([]byte, 20)}}); !errors.Is(err, ErrGone) {
				t.Errorf("Write: %v, want ErrGone", err)
			}
		})
	}
}
