package kernel

import (
	"errors"
	"net/netip"
	"os"
	"strings"
	"sync"
	"testing"

	"golang.org/x/sys/unix"
)

func TestWithoutTheDeviceNothingOfTheOverlayLeaks(t *testing.T) {
	n := newNamespace(t)
	n.uplink()
	n.ip("route add default via 192.0.2.1")
	changes, err := n.host.Set(dualStack())
	if !errors.Is(err, ErrNoDevice) {
		t.Errorf("Set = %v, want ErrNoDevice", err)
	}
	if len(changes) != 4 {
		t.Errorf("changes = %v, want the 4 unreachable routes", changes)
	}
	n.hasRoute("unreachable 10.244.0.0/16 proto 157 metric 2000000000")
	n.hasRoute("unreachable fd00:244::/48 dev lo proto 157 metric 2000000000 pref medium")
}

func TestBeforeTheDeviceIsOpenTheGuardCanBeSetAndLeftoversStay(t *testing.T) {
	n := withDevice(t)
	n.set(dualStack())
	n.ip("route del unreachable 10.244.0.0/16")
	if _, err := n.host.Set(State{Network: dualStack().Network}); !errors.Is(err, ErrNoDevice) {
		t.Errorf("Set = %v, want ErrNoDevice", err)
	}
	n.isDualStack()
}

func TestADeletedDeviceIsReportedAndANewOneTakenUp(t *testing.T) {
	n := withDevice(t)
	n.set(dualStack())
	n.ip("link del weft0")
	if _, err := n.host.Set(dualStack()); !errors.Is(err, ErrNoDevice) {
		t.Fatalf("Set = %v, want ErrNoDevice", err)
	}
	n.addDevice(device)
	n.set(dualStack())
	n.isDualStack()
}

func TestWithIPv6SwitchedOffTheIPv4HalfIsSetAndTheErrorSaysWhy(t *testing.T) {
	n := withDevice(t)
	if err := os.WriteFile("/proc/sys/net/ipv6/conf/weft0/disable_ipv6", []byte("1"), 0); err != nil {
		t.Skipf("needs a writable /proc/sys: %v", err)
	}
	_, err := n.host.Set(dualStack())
	if !errors.Is(err, ErrNoIPv6) || strings.Contains(err.Error(), "\n") {
		t.Errorf("Set = %v, want ErrNoIPv6 in one line", err)
	}
	n.hasRoute("10.244.2.0/24 dev weft0 proto 157 scope link src 10.244.1.1 metric 1000 mtu 1440")
}

func TestWithoutTheRightToChangeTheNetworkTheErrorSaysSo(t *testing.T) {
	n := withDevice(t)
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var before, without [2]unix.CapUserData
	if err := unix.Capget(&header, &before[0]); err != nil {
		t.Fatal(err)
	}
	without = before
	without[0].Effective &^= 1 << unix.CAP_NET_ADMIN
	if err := unix.Capset(&header, &without[0]); err != nil {
		t.Fatal(err)
	}
	_, err := n.host.Set(dualStack()) // on this thread, which newNamespace locked
	if restored := unix.Capset(&header, &before[0]); restored != nil {
		t.Fatal(restored)
	}
	if !errors.Is(err, ErrPermission) || strings.Contains(err.Error(), "\n") {
		t.Errorf("Set = %v, want ErrPermission in one line", err)
	}
}

func TestTheDeviceGetsNoLinkLocalAddressAndSendsNothingByItself(t *testing.T) {
	n := withDevice(t)
	n.set(dualStack())
	if shown := n.ip("-d link show dev weft0"); !strings.Contains(shown, "addrgenmode none") {
		t.Errorf("device:\n%s", shown)
	}
}

func TestOtherGoroutinesMayAskWhileOneSets(t *testing.T) {
	n := withDevice(t)
	n.uplink()
	var group sync.WaitGroup
	for range 3 {
		group.Go(func() {
			for range 20 {
				if _, err := n.host.Egress(netip.Addr{}); err != nil {
					t.Error(err)
				}
				if _, err := n.host.Underlay(device, nil); err != nil {
					t.Error(err)
				}
			}
		})
	}
	for range 10 {
		n.set(dualStack())
		n.set(State{Device: device, Network: dualStack().Network})
	}
	group.Wait()
}
