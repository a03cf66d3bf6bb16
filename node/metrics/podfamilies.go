package metrics

import (
	"strconv"

	"github.com/weftnet/weft/node/api"
)

// podFamilies say what the node does for pods.
var podFamilies = []*Family{
	gauge("weft_pods_leased", "1 if pods can start: the lease by which the CNI plugin knows the node is there. 0 otherwise.",
		func(s *api.Status, e emit) { e(truth(s.Node.Pods.Leased)) }),
	gauge("weft_pods", "Pods of this node: those that have addresses (held), and those whose addresses rest after their end (quarantined).",
		func(s *api.Status, e emit) {
			e(float64(s.Node.Pods.Held), "held")
			e(float64(s.Node.Pods.Quarantined), "quarantined")
		}, "state"),
	gauge("weft_pods_capacity", "Addresses for pods in the node's subnets; no series for a family without a subnet.", collectCapacity, "family"),
	gauge("weft_pods_former_subnet", "Pods that live in subnets that are not the node's own any more, for each such subnet (a pod of both families counts for two), by whether the node claims these subnets on, so that peers reach them.",
		collectFormer, "claimed"),
	counter("weft_pods_vanished_total", "Pods whose addresses the daemon freed, because nobody else did.",
		one(func(s *api.Status) uint64 { return s.Node.Pods.Vanished })),
	gauge("weft_pods_guarded", "1 if pods of this node are kept to their own addresses, or none lives here; 0 if they can use those of others.",
		func(s *api.Status, e emit) { e(truth(s.Node.Pods.Guard != "none")) }),
}

func collectCapacity(s *api.Status, e emit) {
	sum := map[string]uint64{}
	for _, x := range s.Node.Pods.Subnets {
		family := "ipv6"
		if x.Subnet.Addr().Is4() {
			family = "ipv4"
		}
		sum[family] += x.Capacity
	}
	for family, n := range sum {
		e(float64(n), family)
	}
}

func collectFormer(s *api.Status, e emit) {
	sum := map[bool]int{}
	for _, f := range s.Node.Pods.Former {
		sum[f.Claimed] += f.Pods
	}
	for _, claimed := range []bool{false, true} {
		e(float64(sum[claimed]), strconv.FormatBool(claimed))
	}
}
