package encap

import (
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

func TestOffloadIsWhatItsKnobAndTheKernelMakeOfIt(t *testing.T) {
	for _, c := range []struct {
		knob   Knob
		probe  error
		state  FeatureState
		reason string
		fails  bool
	}{
		{"", nil, FeatureOn, "", false},
		{KnobAuto, nil, FeatureOn, "", false},
		{KnobOn, nil, FeatureOn, "", false},
		{KnobOff, nil, FeatureOff, "configured off", false},
		{KnobOff, unix.ENOPROTOOPT, FeatureOff, "configured off", false},
		{KnobAuto, unix.ENOPROTOOPT, FeatureUnavailable, "Linux 4.18", false},
		{KnobAuto, unix.EPERM, FeatureUnavailable, "probe failed", false},
		{KnobOn, unix.ENOPROTOOPT, FeatureUnavailable, "Linux 4.18", true},
		{KnobOn, unix.EPERM, FeatureUnavailable, "probe failed", true},
	} {
		f, err := offload("gso", "Linux 4.18", c.knob, c.probe)
		if f.Name != "gso" || f.State != c.state || !strings.Contains(f.Reason, c.reason) || (f.Reason == "") != (c.reason == "") {
			t.Errorf("%q with %v: %+v", c.knob, c.probe, f)
		}
		if (err != nil) != c.fails || err != nil && !strings.Contains(err.Error(), f.Reason) {
			t.Errorf("%q with %v: %v", c.knob, c.probe, err)
		}
	}
}

func TestPortSaysWhichOffloadsAreOn(t *testing.T) {
	for _, knob := range []Knob{KnobAuto, KnobOff} {
		u := open(t, UDPOptions{Listen: ":0", GSO: knob, GRO: knob})
		states := map[string]FeatureState{}
		for _, f := range u.Features() {
			states[f.Name] = f.State
		}
		want := FeatureOn // on every kernel that has what the tests need
		if knob == KnobOff {
			want = FeatureOff
		}
		if states["gso"] != want || states["gro"] != want {
			t.Errorf("%s: %v", knob, states)
		}
	}
}

func TestOptionsThatCannotBeAreRefused(t *testing.T) {
	for name, o := range map[string]UDPOptions{
		"gso": {GSO: "yes"}, "gro": {GRO: "AUTO"}, "-1 lanes": {Lanes: -1}, "65 lanes": {Lanes: MaxLanes + 1}, "-1 bytes": {Buffer: -1},
	} {
		o.Listen = "127.0.0.1:0"
		if u, err := ListenUDP(o); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: %v", name, err)
			u.Close()
		}
	}
}

func TestBufferIsAsLargeAsAskedFor(t *testing.T) {
	for _, want := range []int{64 << 10, 128 << 10} {
		u := open(t, UDPOptions{Listen: "127.0.0.1:0", Buffer: want, Lanes: 2})
		if receive, send := u.Buffers(); receive != want || send != want {
			t.Errorf("asked for %d, got %d and %d", want, receive, send)
		}
	}
}
