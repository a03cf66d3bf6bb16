package bed

import (
	"slices"
	"testing"
)

func TestDevicesAreThoseOfAllNamespacesWithTheirOffloads(t *testing.T) {
	b := testBed(t, Options{}, vxlan{})
	devices, err := b.Devices()
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, d := range devices {
		names = append(names, d.Namespace+"/"+d.Name)
		if d.Subject != "vxlan" || d.Type == "" || d.MTU < leastMTU || d.GSOMax == 0 {
			t.Errorf("%s: %+v", names[len(names)-1], d)
		}
		if _, known := d.Offloads["rx-gro"]; !known || len(d.Offloads) < len(offloads)/2 {
			t.Errorf("%s: offloads %v", names[len(names)-1], d.Offloads)
		}
	}
	for _, want := range []string{"a/eth0", "a/flannel.1", "a/weftbr0", "b/flannel.1", "a-pod/eth0", "b-pod/eth0", "switch/underlay"} {
		if !slices.Contains(names, want) {
			t.Errorf("%s is not among %v", want, names)
		}
	}
	for _, name := range []string{"a/lo", "switch/lo"} {
		if slices.Contains(names, name) {
			t.Errorf("%s is listed", name)
		}
	}
}

func TestDevicesOfATunnelInUserSpaceAreListed(t *testing.T) {
	for name, want := range map[string]string{"weft-batch-sealed": "weft0", "wireguard-go": "wg0"} {
		t.Run(name, func(t *testing.T) {
			s, err := ByName(name)
			if err != nil {
				t.Fatal(err)
			}
			devices, err := testBed(t, Options{}, s).Devices()
			if err != nil {
				t.Fatal(err)
			}
			for _, d := range devices {
				if d.Namespace == "a" && d.Name == want && d.Type == "tuntap" {
					return
				}
			}
			t.Errorf("no %s among %+v", want, devices)
		})
	}
}
