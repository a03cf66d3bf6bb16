package cri

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"os/exec"
	"slices"
	"testing"
)

// throughputRounds is how many times pods and hosts take turns.
const throughputRounds = 7

// end is where iperf3 runs: a host, or in one of its pods.
type end struct {
	*node
	within []string // the command that leads there from the host
	addrs  []netip.Addr
}

// TestMeasureThroughput compares what TCP carries between pods of two hosts with what it carries between the hosts themselves over
// weft, in turns.
func TestMeasureThroughput(t *testing.T) {
	measuring(t)
	if _, err := exec.LookPath("iperf3"); err != nil {
		t.Skipf("%v: scripts/setup.sh", err)
	}
	s := newSite(t)
	var hosts, pods []end
	for i, n := range s.nodes {
		addrs, err := n.weft.Addresses(within(t, soon))
		check(t, err)
		hosts = append(hosts, end{n, nil, addrs})
		p, err := n.RunPod(within(t, soon), PodConfig{Name: fmt.Sprint("iperf-", i)})
		check(t, err)
		pods = append(pods, end{n, []string{"nsenter", "--net=" + p.Space(), "--"}, p.Addrs})
	}
	for family := range hosts[0].addrs {
		t.Run(fmt.Sprintf("IPv%d", map[bool]int{true: 4, false: 6}[hosts[0].addrs[family].Is4()]), func(t *testing.T) {
			compare(t, hosts, pods, family)
		})
	}
}

// compare logs the median of the ratio of two neighbouring runs.
func compare(t *testing.T, hosts, pods []end, family int) {
	for _, pair := range [][]end{hosts, pods} {
		pair[1].listen(t, pair[1].addrs[family])
	}
	var ratios []float64
	for round := range throughputRounds {
		var host, pod float64
		for turn := range 2 { // who is first, is last the next time
			if turn == round%2 {
				host = hosts[0].carry(t, hosts[1].addrs[family])
			} else {
				pod = pods[0].carry(t, pods[1].addrs[family])
			}
		}
		t.Logf("host to host %.2f Gbit/s, pod to pod %.2f Gbit/s: %.2f", host/1e9, pod/1e9, pod/host)
		ratios = append(ratios, pod/host)
	}
	slices.Sort(ratios)
	t.Logf("pod to pod / host to host: median %.2f", ratios[len(ratios)/2])
}

// listen starts a server, which ends with the lab.
func (e end) listen(t *testing.T, addr netip.Addr) {
	t.Helper()
	_, err := e.Start(append(slices.Clone(e.within), "iperf3", "--server", "--bind", addr.String())...)
	check(t, err)
}

// iperf is what is read here of what iperf3 --json prints; it ends with 0 after an error too.
type iperf struct {
	End struct {
		Received struct {
			BitsPerSecond float64 `json:"bits_per_second"`
		} `json:"sum_received"`
	} `json:"end"`
	Error string `json:"error"`
}

// carry measures for some seconds what TCP carries from here to an address, in bit/s.
func (e end) carry(t *testing.T, to netip.Addr) float64 {
	t.Helper()
	args := append(slices.Clone(e.within), "iperf3", "--client", to.String(), "--time", "4", "--omit", "1", "--json")
	var report iperf
	check(t, Poll(within(t, soon), func() error { // the server may not listen yet
		out, err := e.Run(within(t, soon), args...)
		if err != nil {
			return err
		}
		report = iperf{}
		if err := json.Unmarshal([]byte(out), &report); err != nil {
			return err
		}
		if report.End.Received.BitsPerSecond == 0 {
			return fmt.Errorf("nothing arrived at %s: %s", to, report.Error)
		}
		return nil
	}))
	return report.End.Received.BitsPerSecond
}
