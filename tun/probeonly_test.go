package tun

import (
	"slices"
	"testing"

	"github.com/vishvananda/netlink"
)

func TestProbeSaysWhatADeviceWouldGetAndLeavesNothingBehind(t *testing.T) {
	ns := newNamespace(t)
	d, _ := ns.open(t, Options{Name: "weft0", Driver: DriverSuper, MTU: 1400})
	ns.do(t, func() error {
		before, err := netlink.LinkList()
		if err != nil {
			return err
		}
		for range 2 {
			got, err := Probe()
			if err != nil {
				return err
			}
			if want := d.Offloads(); !slices.Equal(got, want) {
				t.Errorf("Probe says %+v, the device %+v", got, want)
			}
		}
		after, err := netlink.LinkList()
		if len(after) != len(before) {
			t.Errorf("%d interfaces, before %d", len(after), len(before))
		}
		return err
	})
}
