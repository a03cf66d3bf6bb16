package measure

import "testing"

func TestCountersHaveTheNamesOfTheirProtocols(t *testing.T) {
	got := map[string]uint64{}
	add := func(name string, value uint64) { got[name] += value }
	text := "Tcp: MaxConn RetransSegs InCsumErrors\nTcp: -1 7 1\nUdp: InDatagrams InCsumErrors\nUdp: 5 2\n"
	if err := parsePairs(text, add); err != nil {
		t.Fatal(err)
	}
	if err := parseLines("Ip6FragCreates      \t3\nUdp6InCsumErrors 4\n", add); err != nil {
		t.Fatal(err)
	}
	want := map[string]uint64{
		"TcpMaxConn": 0, CounterRetransmits: 7, CounterTCPChecksum: 1, "UdpInDatagrams": 5, CounterUDPChecksum: 2,
		CounterFragments6: 3, CounterUDP6Checksum: 4,
	}
	for name, value := range want {
		if n, known := got[name]; !known || n != value {
			t.Errorf("%s = %d, %v; want %d", name, n, known, value)
		}
	}
}

func TestDamagedCountersAreAnError(t *testing.T) {
	none := func(string, uint64) {}
	for _, text := range []string{"Tcp: A B\nTcp: 1\n", "Tcp: A\nUdp: 1\n", "Tcp: A\nTcp: x\n", "Tcp: A\n\nUdp: B\nUdp: 1\n"} {
		if parsePairs(text, none) == nil {
			t.Errorf("pairs %q passed", text)
		}
	}
	for _, text := range []string{"A\n", "A x\n", "A 1 2\n"} {
		if parseLines(text, none) == nil {
			t.Errorf("lines %q passed", text)
		}
	}
	for _, text := range []string{"0\n", "0 xyz\n"} {
		if n, err := parseBacklog(text); err == nil {
			t.Errorf("backlog %q = %d", text, n)
		}
	}
}

func TestBacklogDropsAreHexadecimalAndOfAllCores(t *testing.T) {
	if n, err := parseBacklog("00000001 0000000a 0\n00000001 00000010 0\n"); err != nil || n != 26 {
		t.Errorf("%d, %v; want 26", n, err)
	}
}

func TestIncreasesAreOfTheWatchAndDevicesMadeAgainBeginAtZero(t *testing.T) {
	key, made := deviceKey{"a", 1}, deviceKey{"a", 2}
	before := snapshot{
		protocols: map[string]uint64{CounterRetransmits: 10, "UdpRcvbufErrors": 5}, backlog: 4,
		devices: map[deviceKey]device{key: {rxDropped: 100, txDropped: 100, rxErrors: 1}},
	}
	after := snapshot{
		protocols: map[string]uint64{CounterRetransmits: 12, "UdpRcvbufErrors": 8}, backlog: 5,
		devices: map[deviceKey]device{key: {rxDropped: 3, txDropped: 110, rxErrors: 1}, made: {txErrors: 2, queued: 6}},
	}
	got := after.since(before)
	for name, want := range map[string]uint64{
		CounterRetransmits: 2, "UdpRcvbufErrors": 3, CounterBacklog: 1, CounterRxDropped: 3, CounterTxDropped: 10,
		CounterRxErrors: 0, CounterTxErrors: 2, CounterQueue: 6, CounterDrops: 3 + 3 + 10 + 6,
	} {
		if got[name] != want {
			t.Errorf("%s = %d, want %d", name, got[name], want)
		}
	}
}

func TestPacketThatAVethLosesIsCountedOnce(t *testing.T) {
	lost := snapshot{backlog: 1, devices: map[deviceKey]device{
		{"a", 1}: {veth: true, txDropped: 1}, {"b", 1}: {veth: true, rxDropped: 1},
	}}
	got := lost.since(snapshot{})
	if got[CounterDrops] != 1 || got[CounterTxDropped] != 1 || got[CounterRxDropped] != 1 {
		t.Errorf("%v, want one drop, seen at both ends", got)
	}
}

func TestDetailsOfTheMeasureGoBeforeThoseOfTheObservation(t *testing.T) {
	o := Observation{Counters: map[string]uint64{CounterDrops: 5, CounterRetransmits: 6}}
	got := Merge([]Reading{{Metric: "a"}, {Metric: "b", Detail: map[string]float64{DetailRetransmits: 1}}}, o)
	if d := got[0].Detail; d[DetailDrops] != 5 || d[DetailRetransmits] != 6 {
		t.Errorf("a: %v", d)
	}
	if d := got[1].Detail; d[DetailDrops] != 5 || d[DetailRetransmits] != 1 {
		t.Errorf("b: %v", d)
	}
	if d := Merge([]Reading{{Metric: "a"}}, Observation{})[0].Detail; len(d) != 0 {
		t.Errorf("what was not counted is shown: %v", d)
	}
}

func TestFindingsFailOnEachCounterAndWhenItWasNotCounted(t *testing.T) {
	still := func() map[string]uint64 {
		return map[string]uint64{CounterUDPChecksum: 0, CounterTCPChecksum: 0, CounterFragments: 0, CounterReassembly: 0}
	}
	for _, f := range Findings(Observation{Counters: still()}) {
		if !f.OK || f.Detail != "" {
			t.Errorf("nothing happened: %+v", f)
		}
	}
	for name, check := range map[string]string{
		CounterUDPChecksum: CheckChecksums, CounterUDP6Checksum: CheckChecksums, CounterTCPChecksum: CheckChecksums,
		CounterIPChecksum: CheckChecksums, CounterFragments: CheckFragments, CounterReassembly: CheckFragments,
		CounterFragments6: CheckFragments, CounterReassembly6: CheckFragments,
	} {
		counters := still()
		counters[name] = 3
		for _, f := range Findings(Observation{Counters: counters}) {
			if f.OK != (f.Check != check) || !f.OK && f.Detail != name+" rose by 3" {
				t.Errorf("%s: %+v", name, f)
			}
		}
	}
	for _, f := range Findings(Observation{}) {
		if f.OK {
			t.Errorf("passed without a count: %+v", f)
		}
	}
}
