package tun

import (
	"errors"
	"testing"

	"github.com/vishvananda/netlink"
)

func TestARenamedInterfaceGetsItsNameAndAliasBack(t *testing.T) {
	for _, driver := range []Driver{DriverSuper, DriverBatch, DriverPlain} {
		t.Run(string(driver), func(t *testing.T) {
			n := newNamespace(t)
			d, _ := n.open(t, Options{Name: "weft0", Driver: driver, MTU: 1400})
			n.checkReclaim(t, d, "", nil)
			for was, harm := range map[string]func(netlink.Link) error{
				"foo":   func(l netlink.Link) error { return netlink.LinkSetName(l, "foo") },
				"weft0": func(l netlink.Link) error { return netlink.LinkSetAlias(l, "another") },
			} {
				n.withLink(t, "weft0", harm)
				n.checkReclaim(t, d, was, nil)
				n.checkReclaim(t, d, "", nil)
				n.withLink(t, "weft0", func(l netlink.Link) error {
					if l.Attrs().Alias != alias {
						t.Errorf("alias %q", l.Attrs().Alias)
					}
					return nil
				})
			}
		})
	}
}

func TestANameThatAnotherInterfaceTookIsGivenBackWhenThatIsGone(t *testing.T) {
	n := newNamespace(t)
	d, _ := n.open(t, Options{Name: "weft0", Driver: DriverSuper, MTU: 1400})
	n.withLink(t, "weft0", func(l netlink.Link) error { return netlink.LinkSetName(l, "foo") })
	other := &netlink.Bridge{LinkAttrs: netlink.LinkAttrs{Name: "weft0"}}
	n.do(t, func() error { return netlink.LinkAdd(other) })
	n.do(t, func() error {
		if was, err := d.(Reclaimable).Reclaim(); err == nil || errors.Is(err, ErrGone) {
			t.Errorf("Reclaim = %q, %v", was, err)
		}
		return netlink.LinkDel(other)
	})
	n.checkReclaim(t, d, "foo", nil)
}

func TestAnInterfaceThatIsGoneOrElsewhereCannotBeReclaimed(t *testing.T) {
	n := newNamespace(t)
	d, _ := n.open(t, Options{Name: "weft0", Driver: DriverSuper, MTU: 1400})
	n.withLink(t, "weft0", netlink.LinkDel)
	n.checkReclaim(t, d, "", ErrGone)

	moved, _ := n.open(t, Options{Name: "weft0", Driver: DriverSuper, MTU: 1400})
	other := newNamespace(t)
	n.withLink(t, "weft0", func(l netlink.Link) error { return netlink.LinkSetNsFd(l, int(other.handle)) })
	n.checkReclaim(t, moved, "", ErrGone)
	if err := moved.Close(); err != nil {
		t.Fatal(err)
	}
	other.do(t, func() error {
		if _, err := netlink.LinkByName("weft0"); !errors.As(err, new(netlink.LinkNotFoundError)) {
			t.Errorf("it stays where it was moved to: %v", err)
		}
		return nil
	})
}

func (n *namespace) checkReclaim(t *testing.T, d Device, want string, wantErr error) {
	t.Helper()
	n.do(t, func() error {
		if was, err := d.(Reclaimable).Reclaim(); was != want || !errors.Is(err, wantErr) {
			t.Errorf("Reclaim = %q, %v, want %q, %v", was, err, want, wantErr)
		}
		return nil
	})
}

func (n *namespace) withLink(t *testing.T, name string, do func(netlink.Link) error) {
	t.Helper()
	n.do(t, func() error {
		link, err := netlink.LinkByName(name)
		if err != nil {
			return err
		}
		return do(link)
	})
}
