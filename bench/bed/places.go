package bed

import (
	"net/netip"

	"github.com/weftnet/weft/bench/measure"
	"github.com/weftnet/weft/lab"
)

// makePods makes a pod on each host and measures between them. mtu is that of their interfaces; what Options asks for goes
// before it.
func (b *Bed) makePods(mtu int) error {
	if b.Options.OverlayMTU != 0 {
		mtu = b.Options.OverlayMTU
	}
	var pods [2]*lab.Pod
	for i, e := range b.ends() {
		pod, err := e.host.Pod(podName, []netip.Prefix{podAddr(e.subnet)}, mtu)
		if err != nil {
			return err
		}
		pods[i] = pod
	}
	b.usePods(pods, mtu)
	return nil
}

// usePods makes two pods the places between which traffic is measured.
func (b *Bed) usePods(pods [2]*lab.Pod, mtu int) {
	t := &b.Target
	t.From, t.FromAddr = pods[0].Namespace, pods[0].Addr4()
	t.To, t.ToAddr = pods[1].Namespace, pods[1].Addr4()
	t.MTU = mtu
	t.Hosts = measure.HostPair{From: b.A.Namespace, To: b.B.Namespace, FromAddr: hostAddr(subnetA), ToAddr: hostAddr(subnetB)}
	t.Spaces = append(b.hostSpaces(), t.From, t.To, b.Switch())
}

// useHosts makes the hosts themselves the places between which traffic is measured.
func (b *Bed) useHosts() {
	t := &b.Target
	t.From, t.FromAddr = b.A.Namespace, b.A.Addr4()
	t.To, t.ToAddr = b.B.Namespace, b.B.Addr4()
	t.MTU = b.MTU()
	t.Spaces = append(b.hostSpaces(), b.Switch())
}

func (b *Bed) hostSpaces() []*lab.Namespace {
	return []*lab.Namespace{b.A.Namespace, b.B.Namespace}
}
