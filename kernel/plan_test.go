package kernel

import (
	"slices"
	"testing"

	"golang.org/x/sys/unix"
	"pgregory.net/rapid"
)

const deviceIndex = 7

func oursInTest(r route) bool { return r.protocol == Protocol }

// applied is what the kernel holds after the steps, by its rules: adding to a taken place fails, changing replaces.
func applied(t *rapid.T, have []route, steps []step) []route {
	for _, s := range steps {
		at := slices.IndexFunc(have, func(r route) bool { return r.routeKey == s.route.routeKey && (s.op != Removed || r == s.route) })
		switch {
		case s.op == Added && at >= 0:
			t.Fatalf("adds %v where %v is", s.route, have[at])
		case s.op == Added:
			have = append(have, s.route)
		case at < 0:
			t.Fatalf("%s %v, which is not there", s.op, s.route)
		case s.op == Changed && have[at].protocol != Protocol:
			t.Fatalf("overwrites the foreign %v", have[at])
		case s.op == Changed:
			have[at] = s.route
		default:
			have = slices.Delete(have, at, at+1)
		}
	}
	return have
}

func anyRoute(protocol int) *rapid.Generator[route] {
	places := prefixes("10.244.1.0/24", "10.244.2.0/24", "fd00::/64", "fd00:1::/64")
	return rapid.Custom(func(t *rapid.T) route {
		return route{
			routeKey: routeKey{prefix: rapid.SampledFrom(places).Draw(t, "prefix"), metric: rapid.SampledFrom([]int{0, 1000}).Draw(t, "metric")},
			kind:     rapid.SampledFrom([]int{unix.RTN_UNICAST, unix.RTN_UNREACHABLE}).Draw(t, "kind"),
			mtu:      rapid.SampledFrom([]int{0, 1400, 1500}).Draw(t, "mtu"),
			link:     deviceIndex, protocol: protocol,
		}
	})
}

func byKey(r route) routeKey { return r.routeKey }

func TestAPlanReachesTheWantedStateTouchesNothingForeignAndThenRests(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := rapid.SliceOfDistinct(anyRoute(Protocol), byKey).Draw(t, "want")
		foreign := rapid.SliceOfDistinct(anyRoute(unix.RTPROT_STATIC), byKey).Draw(t, "foreign")
		taken := func(r route) bool {
			return slices.ContainsFunc(foreign, func(f route) bool { return f.routeKey == r.routeKey })
		}
		ours := rapid.SliceOfDistinct(anyRoute(Protocol), byKey).Draw(t, "ours")
		have := append(slices.Clone(foreign), slices.DeleteFunc(ours, taken)...)

		steps, blocked := plan(want, have, oursInTest)
		after := applied(t, slices.Clone(have), steps)
		for _, f := range foreign {
			if !slices.Contains(after, f) {
				t.Fatalf("the foreign %v is gone", f)
			}
		}
		free := slices.DeleteFunc(slices.Clone(want), taken)
		if len(blocked) != len(want)-len(free) || len(after) != len(free)+len(foreign) {
			t.Fatalf("after = %v, blocked = %v", after, blocked)
		}
		if again, _ := plan(want, after, oursInTest); len(again) != 0 {
			t.Fatalf("a second plan: %v", again)
		}
	})
}

func TestOfTwoRoutesInOnePlaceTheWantedOneStays(t *testing.T) {
	w := peerRoute(Route{Prefix: prefixes("fd00:1::/64")[0], MTU: 1400}, deviceIndex)
	twin := w
	twin.kind, twin.link = unix.RTN_UNREACHABLE, 0
	for _, have := range [][]route{{w, twin}, {twin, w}} {
		steps, blocked := plan([]route{w}, have, oursInTest)
		if len(steps) != 1 || steps[0] != (step{Removed, twin}) || blocked != nil {
			t.Errorf("plan = %v, %v, want to remove %v", steps, blocked, twin)
		}
	}
}
