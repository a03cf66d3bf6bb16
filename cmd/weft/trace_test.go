package main

import (
	"context"
	"io"
	"net/netip"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/weftnet/weft/node/api"
)

// relayedTrace is a trace through one relay, as the daemon gives it.
func relayedTrace() *api.Trace {
	since := time.Now().Add(-125 * time.Second)
	return &api.Trace{
		Source: netip.MustParseAddr("10.244.1.1"), Destination: netip.MustParseAddr("10.244.3.7"), Where: api.TracePeer,
		Routes: []api.Route{
			{Prefix: netip.MustParsePrefix("10.244.3.0/24"), Owner: "c", Type: "subnet", Kind: "peer", State: "in force"},
			{Prefix: netip.MustParsePrefix("10.244.0.0/20"), Owner: "d", Type: "route", Kind: "peer", Role: api.RoleStandby, State: "standby", Reason: "c comes first"},
			{Prefix: netip.MustParsePrefix("10.244.3.0/25"), Owner: "e", Kind: "conflict", State: "refused", Reason: "10.244.3.0/24 is c's"},
		},
		Kernel: api.TraceKernel{
			Interface: "weft0", Overlay: true, Prefix: netip.MustParsePrefix("10.244.3.0/24"), MTU: 1388, Source: netip.MustParseAddr("10.244.1.1"),
		},
		Peer: &api.Peer{
			Name: "c", State: api.StateUp, Since: since.Add(-time.Hour), Path: api.PathRelay, Via: "relay-b", PathSince: since, RTT: 8400, MTU: 1388,
			PathMTU: 1500, MTUKnown: "verified", Why: "the direct path is down: 9 probes in a row were not answered", Sealed: true, Cipher: "AES-256-GCM",
			Tried: []string{"UDP to 192.0.2.3:9338: 21 calls in 2m4s, no answer"},
		},
		Hops: []api.TraceHop{
			{Name: "relay-b", Asked: 3, Times: []int64{3210, 3100, 3150}, Seen: "192.0.2.1:9338", Back: []string{}},
			{Name: "c", Asked: 3, Times: []int64{8400, 8600}, Via: "relay-b", Back: []string{"relay-d"}},
		},
		Reached: true, End: "it gets to c, which takes it",
	}
}

func TestATraceIsShownWithItsHopsAndTimes(t *testing.T) {
	want := strings.TrimPrefix(`
packet  10.244.1.1 to 10.244.3.7
owner   c: subnet 10.244.3.0/24, in force
also    d: route 10.244.0.0/20, standby, c comes first
also    e: 10.244.3.0/25, refused, 10.244.3.0/24 is c's
kernel  route 10.244.3.0/24 by weft0, mtu 1388, source 10.244.1.1
path    relay via relay-b since 2m5s: the direct path is down: 9 probes in a row were not answered
        mtu 1388 (1500 verified), rtt 8.4ms, loss -, sealed with AES-256-GCM
        UDP to 192.0.2.3:9338: 21 calls in 2m4s, no answer
hop 1   relay-b  3.1 ms (3.2 3.1 3.1), straight, from 192.0.2.1:9338
hop 2   c        8.4 ms (8.4 8.6), 1 of 3 without an answer, by relay-b, back by relay-d
end     it gets to c, which takes it
`, "\n")
	var out strings.Builder
	if err := printTrace(&out, relayedTrace()); err != nil || out.String() != want {
		t.Errorf("%v\n%s\nwant\n%s", err, out.String(), want)
	}
}

func TestATraceThatEndsOnItsWayIsShownWithTheReason(t *testing.T) {
	x := relayedTrace()
	x.Routes, x.Reached, x.End = x.Routes[:1], false, "relay-b drops it, relay-no-way: it does not reach c straight"
	x.Drop, x.Why, x.Kernel = "foreign-source", "10.244.2.1 is not in what this node owns", api.TraceKernel{Error: "no route to host"}
	x.From = &api.TraceFrom{Peer: "b", Drop: "not-local", Why: "10.244.3.7 is not in what this node owns"}
	x.Peer = &api.Peer{Name: "c", State: api.StateDown, Since: time.Now().Add(-time.Hour), Reason: "9 probes in a row were not answered"}
	x.Hops[0].Drop, x.Hops[0].Why = "relay-no-way", "it does not reach c straight"
	x.Hops[1].Times = nil
	x.Hops = append(x.Hops, api.TraceHop{Name: "00000000000000d1", Why: "no member has this number, or several have"})
	x.Unprobed = "too many traces run at once"
	want := strings.TrimPrefix(`
packet  10.244.1.1 to 10.244.3.7
owner   c: subnet 10.244.3.0/24, in force
kernel  no route: no route to host
drop    foreign-source: 10.244.2.1 is not in what this node owns
from b  such a packet is dropped here, not-local: 10.244.3.7 is not in what this node owns
peer    c is down since 1h0m: 9 probes in a row were not answered
hop 1   relay-b           3.1 ms (3.2 3.1 3.1), straight, from 192.0.2.1:9338, drops it, relay-no-way: it does not reach c straight
hop 2   c                 no answer to 3 questions
hop 3   00000000000000d1  was not asked: no member has this number, or several have
hops    nobody was asked: too many traces run at once
end     relay-b drops it, relay-no-way: it does not reach c straight
`, "\n")
	var out strings.Builder
	if err := printTrace(&out, x); err != nil || out.String() != want {
		t.Errorf("%v\n%s\nwant\n%s", err, out.String(), want)
	}
}

func TestATraceOfWhatIsNoAddressIsAUsageErrorInOneLine(t *testing.T) {
	for args, want := range map[string]string{
		"":                    `weft: DST is missing: the address that a packet goes to (see 'weft trace --help')`,
		"vm-3":                `weft: "vm-3" is no IP address, such as 10.244.3.7 (see 'weft trace --help')`,
		"10.244.3.0/24":       `weft: "10.244.3.0/24" is no IP address, such as 10.244.3.7 (see 'weft trace --help')`,
		"x 10.244.3.7":        `weft: "x" is no IP address, such as 10.244.3.7 (see 'weft trace --help')`,
		"fe80::1%eth0":        `weft: "fe80::1%eth0" is no IP address, such as 10.244.3.7 (see 'weft trace --help')`,
		"10.0.0.1 10.0.0.2 c": `weft: "c" is one argument too many: it takes DST, or SRC and DST (see 'weft trace --help')`,
	} {
		var said strings.Builder
		code := run(context.Background(), append([]string{"trace"}, strings.Fields(args)...), io.Discard, &said)
		if code != 2 || said.String() != want+"\n" {
			t.Errorf("%q: %d %q", args, code, said.String())
		}
	}
}

func TestATraceWithoutADaemonSaysSo(t *testing.T) {
	for _, command := range [][]string{{"trace", "10.244.3.7"}, {"map"}} {
		var said strings.Builder
		code := run(context.Background(), append(command, "--socket", filepath.Join(t.TempDir(), "none")), io.Discard, &said)
		if code != 1 || !strings.HasPrefix(said.String(), "weft: weft is not running: nothing listens on ") || strings.Count(said.String(), "\n") != 1 {
			t.Errorf("%v: %d %q", command, code, said.String())
		}
	}
}

func TestLossesAreShownInTenthsOfAPercent(t *testing.T) {
	for loss, want := range map[float64]string{0: "0%", 1e-6: "0%", 0.0004: "0%", 0.0006: "0.1%", 0.0312: "3.1%", 0.25: "25%", 0.998: "99.8%", 1: "100%"} {
		if got := lossShare(&api.Peer{Loss: &loss}); got != want {
			t.Errorf("%v: %s", loss, got)
		}
	}
}

func TestPeersAreShownWithTheirPathsAndSinceWhen(t *testing.T) {
	hour, loss := time.Now().Add(-time.Hour), 0.031
	var out strings.Builder
	err := printPeers(&out, []api.Peer{
		{Name: "b", State: api.StateUp, Since: hour, Path: api.PathUDP, PathSince: hour, Endpoint: "192.0.2.2:9338", RTT: 1200, Loss: &loss, MTU: 1440, PathMTU: 1500,
			MTUKnown: "verified"},
		{Name: "c", State: api.StateUp, Since: hour, Path: api.PathRelay, Via: "b", PathSince: time.Now().Add(-125 * time.Second), RTT: 8400, MTU: 1388},
		{Name: "d", State: api.StateAway, Since: hour, Path: api.PathNone},
	})
	want := regexp.MustCompile(`^PEER +STATE +SINCE +PATH +ENDPOINT +RTT +LOSS +MTU +ADDRESSES +.*
b +up +1h0m +udp +192\.0\.2\.2:9338 +1\.2ms +3\.1% +1440 \(1500 verified\) +.*
c +up +1h0m +relay via b for 2m5s +- +8\.4ms +- +1388 +.*
d +away +1h0m +none +- +- +- +- +.*
$`)
	if err != nil || !want.MatchString(out.String()) {
		t.Errorf("%v\n%s", err, out.String())
	}
}
