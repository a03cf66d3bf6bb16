package lease

import (
	"errors"
	"net/netip"
	"os"
	"reflect"
	"strings"
	"testing"
)

func sample() Lease {
	return Lease{
		Node:       "vm-1",
		Network:    []netip.Prefix{netip.MustParsePrefix("10.244.0.0/16"), netip.MustParsePrefix("fd10:244::/48")},
		Subnets:    []netip.Prefix{netip.MustParsePrefix("10.244.1.0/24"), netip.MustParsePrefix("fd10:244:0:1::/64")},
		Device:     "weft0",
		MTU:        1440,
		GSOMaxSize: 65536,
		StateDir:   "/var/lib/weft",
	}
}

func TestALeaseIsReadAsItWasWritten(t *testing.T) {
	dir, want := t.TempDir(), sample()
	if err := Write(dir, want); err != nil {
		t.Fatal(err)
	}
	got, err := Read(dir)
	if err != nil {
		t.Fatal(err)
	}
	if want.Version, want.BootID = Version, got.BootID; !reflect.DeepEqual(got, want) || got.BootID == "" {
		t.Errorf("read %+v, want %+v", got, want)
	}
	info, err := os.Stat(Path(dir))
	if err != nil || info.Mode().Perm()&0o077 != 0o044 {
		t.Errorf("permissions %v, %v: want them to let everybody read", info.Mode(), err)
	}
	if err := errors.Join(Remove(dir), Remove(dir)); err != nil {
		t.Errorf("removed twice: %v", err)
	}
	if _, err := Read(dir); !errors.Is(err, ErrNone) || !strings.Contains(err.Error(), Path(dir)) {
		t.Errorf("read after Remove: %v", err)
	}
}

func TestALeaseOfAnotherBootIsNoLease(t *testing.T) {
	dir, old := t.TempDir(), sample()
	old.BootID = "6a1f5c5e-0000-4000-8000-000000000000"
	if err := Write(dir, old); err != nil {
		t.Fatal(err)
	}
	if _, err := Read(dir); !errors.Is(err, ErrNone) || !strings.Contains(err.Error(), old.BootID) {
		t.Errorf("err = %v", err)
	}
}

func TestADamagedLeaseIsNamedAndIsNotAbsent(t *testing.T) {
	dir := t.TempDir()
	for _, text := range []string{"", "{", "[]", `{"version":2}`, `{"version":1,"mtu":"x"}`} {
		if err := os.WriteFile(Path(dir), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		_, err := Read(dir)
		if err == nil || errors.Is(err, ErrNone) || !strings.Contains(err.Error(), Path(dir)) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%q: err = %v", text, err)
		}
	}
}

func TestALeaseThatNoPluginWouldTakeIsNotWritten(t *testing.T) {
	for what, spoil := range map[string]func(*Lease){
		"no subnets":        func(l *Lease) { l.Subnets = nil },
		"no device":         func(l *Lease) { l.Device = "" },
		"mtu":               func(l *Lease) { l.MTU = 0 },
		"IPv6 wants 1280":   func(l *Lease) { l.MTU = 1279 },
		"gso_max_size":      func(l *Lease) { l.GSOMaxSize = -1 },
		"state_dir":         func(l *Lease) { l.StateDir = "weft" },
		"is not a prefix":   func(l *Lease) { l.Subnets[0] = netip.MustParsePrefix("10.244.1.7/24") },
		"no room":           func(l *Lease) { l.Subnets[0] = netip.MustParsePrefix("10.244.1.0/32") },
		"prefix (address b": func(l *Lease) { l.Network[0] = netip.Prefix{} },
	} {
		dir, l := t.TempDir(), sample()
		spoil(&l)
		if err := Write(dir, l); err == nil || !strings.Contains(err.Error(), what) {
			t.Errorf("%s: err = %v", what, err)
		}
		if _, err := os.Stat(Path(dir)); err == nil {
			t.Errorf("%s: it was written", what)
		}
	}
}

func TestTheGatewayIsTheFirstAddress(t *testing.T) {
	for subnet, want := range map[string]string{"10.244.1.0/24": "10.244.1.1", "fd10:244:0:1::/64": "fd10:244:0:1::1"} {
		if got := Gateway(netip.MustParsePrefix(subnet)).String(); got != want {
			t.Errorf("gateway of %s = %s, want %s", subnet, got, want)
		}
	}
}

func FuzzDecode(f *testing.F) {
	good := sample()
	good.BootID = "x"
	data, err := good.encode()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(data)
	f.Fuzz(func(t *testing.T, data []byte) {
		l, err := Decode(data)
		if err != nil {
			return
		}
		again, err := l.encode()
		if err != nil {
			t.Fatalf("a lease that was read cannot be written: %v", err)
		}
		if back, err := Decode(again); err != nil || !reflect.DeepEqual(back, l) {
			t.Errorf("%+v became %+v, %v", l, back, err)
		}
	})
}
