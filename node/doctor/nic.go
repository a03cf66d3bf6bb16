package doctor

import (
	"fmt"

	"github.com/safchain/ethtool"
)

// nicFeature is an offload of the egress interface that matters.
type nicFeature struct {
	name    string   // of the check
	any     []string // features of the kernel, one of which is enough
	without string   // what happens without
	knob    string   // of ethtool -K
}

var nicFeatures = []nicFeature{
	{"nic.checksum", []string{"tx-checksum-ip-generic", "tx-checksum-ipv4"}, "Linux up to 6.10 then refuses trains of frames", "tx"},
	{"nic.udp-segmentation", []string{"tx-udp-segmentation"}, "the kernel cuts trains of frames itself", "tx-udp-segmentation"},
	{"nic.gro", []string{"rx-gro"}, "frames come one by one", "gro"},
}

// checkNIC looks at the egress interface.
func checkNIC(f *Facts) []Check {
	switch {
	case f.EgressErr != nil:
		return nil
	case f.NICErr != nil:
		return one("nic", Warn, fmt.Sprintf("the offloads of %s are not known: %v", f.Egress.Interface, f.NICErr), "")
	case f.NICDriver == "veth":
		return one("nic", OK, f.Egress.Interface+" is one end of a veth, which passes trains of frames whole", "")
	}
	var checks []Check
	for _, want := range nicFeatures {
		checks = append(checks, want.check(f.Egress.Interface, f.NIC))
	}
	return checks
}

// check is ok also where the interface cannot: there is nothing to mend.
func (want nicFeature) check(name string, have map[string]ethtool.FeatureState) Check {
	can := false
	for _, feature := range want.any {
		if have[feature].Active {
			return Check{Name: want.name, Finding: OK, Detail: fmt.Sprintf("%s of %s is on", feature, name)}
		}
		can = can || have[feature].Available
	}
	if !can {
		return Check{Name: want.name, Finding: OK, Detail: fmt.Sprintf("%s cannot; %s", name, want.without)}
	}
	command := fmt.Sprintf("ethtool -K %s %s on", quoted(name), want.knob)
	return Check{
		Name: want.name, Finding: Warn, Detail: fmt.Sprintf("%s of %s is off; %s", want.any[0], name, want.without),
		Remedy: command, Command: command,
	}
}
