package tun

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

var allOff = OffloadKnobs{TSO: KnobOff, USO: KnobOff, JoinTCP: KnobOff, JoinUDP: KnobOff}

func TestKnobOffIsObeyedAndSaid(t *testing.T) {
	for _, driver := range realDrivers() {
		t.Run(string(driver), func(t *testing.T) {
			d, _ := newNamespace(t).open(t, Options{Name: "weft0", Driver: driver, MTU: 1400, Offloads: allOff})
			if j := d.Joins(); j.TCP || j.UDP {
				t.Errorf("joins %+v", j)
			}
			for _, o := range d.Offloads() {
				if want := (Offload{o.Name, OffloadOff, "configured"}); o != want && o.Name != offloadChecksum {
					t.Errorf("%+v, want %+v", o, want)
				}
			}
		})
	}
}

func TestKnobsAreForOneOffloadEach(t *testing.T) {
	for name, knobs := range map[string]OffloadKnobs{
		offloadTSO: {TSO: KnobOff}, offloadUSO: {USO: KnobOff}, offloadJoinTCP: {JoinTCP: KnobOff}, offloadJoinUDP: {JoinUDP: KnobOff},
	} {
		a, err := knobs.apply(abilities{})
		if err != nil {
			t.Error(err)
		}
		for _, o := range a.list() {
			if (o.State == OffloadOff) != (o.Name == name) {
				t.Errorf("%s is off: %+v", name, o)
			}
		}
	}
}

func TestFlagsForTheKernelAreThoseOfWhatIsRead(t *testing.T) {
	const tcp = unix.TUN_F_TSO4 | unix.TUN_F_TSO6 | unix.TUN_F_TSO_ECN
	const udp = unix.TUN_F_USO4 | unix.TUN_F_USO6
	for _, c := range []struct {
		a    abilities
		want int
	}{
		{abilities{}, unix.TUN_F_CSUM | tcp | udp},
		{abilities{uso: ErrNotSupported}, unix.TUN_F_CSUM | tcp},
		{abilities{tso: errConfigured}, unix.TUN_F_CSUM | udp},
		{abilities{joinTCP: errConfigured, joinUDP: errConfigured}, unix.TUN_F_CSUM | tcp | udp},
		{none(errConfigured), unix.TUN_F_CSUM},
	} {
		if got := c.a.flags(); got != c.want {
			t.Errorf("%+v: flags %#x, want %#x", c.a, got, c.want)
		}
	}
}

func TestKnobOnFailsWhereTheKernelCannot(t *testing.T) {
	old := fmt.Errorf("%w (Linux 6.2 has it)", ErrNotSupported)
	able := abilities{uso: old, joinUDP: errors.New("the probe failed")}
	if _, err := (OffloadKnobs{TSO: KnobOn, JoinTCP: KnobOn, USO: KnobAuto}).apply(able); err != nil {
		t.Error(err)
	}
	_, err := OffloadKnobs{USO: KnobOn, JoinUDP: KnobOff}.apply(able)
	if !errors.Is(err, errRequired) || !errors.Is(err, ErrNotSupported) || !strings.Contains(err.Error(), "uso") || !strings.Contains(err.Error(), "6.2") {
		t.Errorf("USO on: %v", err)
	}
	if _, err := (OffloadKnobs{JoinUDP: KnobOn}).apply(able); !errors.Is(err, errRequired) || !strings.Contains(err.Error(), "the probe failed") {
		t.Errorf("joining of UDP on: %v", err)
	}
}

func TestKnobOnFailsWithDriverPlainAndLeavesNothingBehind(t *testing.T) {
	ns := newNamespace(t)
	_, _, err := ns.tryOpen(t, Options{Name: "weft0", Driver: DriverPlain, MTU: 1400, Offloads: OffloadKnobs{TSO: KnobOn, JoinTCP: KnobOff}})
	if !errors.Is(err, errRequired) || strings.Contains(err.Error(), "\n") || !strings.HasPrefix(err.Error(), "tun: open weft0: offload tso") {
		t.Errorf("Open: %v", err)
	}
	if ns.link(t, "weft0") != nil {
		t.Error("the interface is there")
	}
}

func TestKnobOnHoldsWhereTheKernelCan(t *testing.T) {
	for _, driver := range []Driver{DriverSuper, DriverBatch, DriverAuto} {
		d, choice := newNamespace(t).open(t, Options{Name: "weft0", Driver: driver, MTU: 1400, Offloads: OffloadKnobs{TSO: KnobOn, JoinTCP: KnobOn}})
		if choice.Degraded || d.Offloads()[1] != (Offload{Name: offloadTSO, State: OffloadOn}) {
			t.Errorf("%s: choice %+v, %+v", driver, choice, d.Offloads())
		}
	}
}
