package mesh

import (
	"maps"
	"net/netip"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/weftnet/weft/trust"
)

var siteLAN = netip.MustParsePrefix("172.20.0.0/24")

// gatewayOf is a claim of a node for 172.20.0.0/24 behind it, made an age ago. cut are routes that it does not reach itself.
func gatewayOf(t testing.TB, name string, age time.Duration, cut ...netip.Prefix) *Claim {
	t.Helper()
	return mustSign(t, name, Claim{
		Name: name, Kind: KindStatic, Network: []netip.Prefix{testNetwork}, Routes: []netip.Prefix{siteLAN}, Cut: cut,
		Since: lawsNow.Add(-age),
	})
}

// only says that some nodes are Unreached or Regained, and all others Reached.
func (r reaches) only(id trust.Fingerprint) Reach {
	if reach, ok := r[id]; ok {
		return reach
	}
	return Reached
}

func TestARouteOfTwoNodesGoesToTheEarlierClaimAndIsNoConflict(t *testing.T) {
	early, late := gatewayOf(t, "a", 2*time.Hour), gatewayOf(t, "b", time.Hour)
	claims := []*Claim{late, early}
	a, conflicts := Ownership(claims, lawsRules)
	if a[siteLAN] != early.id || len(conflicts) != 0 {
		t.Errorf("active is %s, conflicts %v", a[siteLAN].Short(), conflicts)
	}
	if got := Gateways(claims, a, conflicts)[siteLAN]; !slices.Equal(got, []*Claim{early, late}) {
		t.Errorf("gateways %v", got)
	}
}

// Each step says how the two gateways are reached, and who is active then. a has the better claim.
func TestARouteMovesToTheStandbyAtOnceAndBackAfterAWhile(t *testing.T) {
	for name, steps := range map[string][]struct {
		a, b Reach
		want string
	}{
		"a dies and comes back": {
			{Reached, Reached, "a"}, {Unreached, Reached, "b"}, {Regained, Reached, "b"}, {Regained, Reached, "b"}, {Reached, Reached, "a"}},
		"a flaps": {
			{Reached, Reached, "a"}, {Unreached, Reached, "b"}, {Regained, Reached, "b"}, {Unreached, Reached, "b"}, {Regained, Reached, "b"}},
		"the standby dies while a is not back for long": {
			{Unreached, Reached, "b"}, {Regained, Reached, "b"}, {Regained, Unreached, "a"}, {Regained, Regained, "a"}, {Regained, Reached, "a"}},
		"both die": {
			{Reached, Reached, "a"}, {Unreached, Unreached, "a"}, {Unreached, Regained, "b"}, {Regained, Regained, "b"}, {Reached, Reached, "a"}},
		"only the standby is ever reached": {
			{Unreached, Reached, "b"}, {Unreached, Reached, "b"}},
	} {
		t.Run(name, func(t *testing.T) {
			a, b := gatewayOf(t, "a", 2*time.Hour), gatewayOf(t, "b", time.Hour)
			var previous Assignment
			for i, step := range steps {
				previous, _ = Assign(previous, []*Claim{b, a}, lawsRules, reaches{a.id: step.a, b.id: step.b}.of)
				if want := map[string]*Claim{"a": a, "b": b}[step.want]; previous[siteLAN] != want.id {
					t.Fatalf("step %d: active is not %s", i, step.want)
				}
			}
		})
	}
}

func TestANodeThatDoesNotReachTheHostsOfItsRouteIsStandby(t *testing.T) {
	cut, whole := gatewayOf(t, "a", 2*time.Hour, siteLAN), gatewayOf(t, "b", time.Hour)
	claims := []*Claim{cut, whole}
	a, _ := Assign(Assignment{siteLAN: cut.id}, claims, lawsRules, everybody)
	if a[siteLAN] != whole.id {
		t.Error("the route stays with the node that is cut off")
	}
	a, _ = Assign(a, claims, lawsRules, allBut(whole))
	if a[siteLAN] != cut.id {
		t.Error("the only node that is reached does not carry the route")
	}
}

func TestASubnetExcludesARouteOfAnotherNodeInEitherOrder(t *testing.T) {
	subnet := claimOf(t, "a", KindStatic, time.Hour)
	for _, age := range []time.Duration{0, 2 * time.Hour} {
		route := mustSign(t, "b", Claim{
			Name: "b", Kind: KindStatic, Network: []netip.Prefix{testNetwork}, Since: lawsNow.Add(-age),
			Routes: []netip.Prefix{netip.MustParsePrefix("10.244.0.0/23")},
		})
		a, conflicts := Ownership([]*Claim{subnet, route}, lawsRules)
		if len(a) != 1 || len(conflicts) != 1 || conflicts[0].Kind != ConflictOverlap {
			t.Errorf("route of age %v: assignment %v, conflicts %v", age, a, conflicts)
		}
		if wins := age > time.Hour; (conflicts[0].Loser == subnet.id) != wins {
			t.Errorf("route of age %v: the loser is %s", age, conflicts[0].LoserName)
		}
	}
}

func TestAWiderRouteOfAnotherNodeIsNoConflict(t *testing.T) {
	wide := mustSign(t, "a", Claim{Name: "a", Kind: KindStatic, Network: lawsRules.Network, Since: lawsNow, Routes: prefixes("172.16.0.0/12")})
	claims := []*Claim{wide, gatewayOf(t, "b", 0)}
	a, conflicts := Ownership(claims, lawsRules)
	if a[siteLAN] != claims[1].id || a[wide.Routes[0]] != wide.id || len(conflicts) != 0 {
		t.Errorf("assignment %v, conflicts %v", a, conflicts)
	}
	if g := Gateways(claims, a, conflicts); len(g[siteLAN]) != 1 || len(g[wide.Routes[0]]) != 1 {
		t.Errorf("gateways %v", g)
	}
}

func TestARefusedClaimIsNoGateway(t *testing.T) {
	good, bad := gatewayOf(t, "a", 0), gatewayOf(t, "node1", time.Hour)
	rules := Rules{Network: lawsRules.Network, Forbidden: func(_ netip.Prefix, claimer trust.Fingerprint) string {
		if claimer == bad.id {
			return "a test forbids it"
		}
		return ""
	}}
	claims := []*Claim{good, bad}
	a, conflicts := Ownership(claims, rules)
	if a[siteLAN] != good.id || len(conflicts) != 1 || len(Gateways(claims, a, conflicts)[siteLAN]) != 1 {
		t.Errorf("assignment %v, conflicts %v", a, conflicts)
	}
}

// Whoever is reached better by two viewers is the same for both; that they see others differently does not disturb them.
func TestViewersThatReachTheSameGatewaysAgreeOnTheActiveOne(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		claims := drawSet(t)
		reach := drawReaches(t, claims, "reach")
		a, ac := Assign(nil, claims, lawsRules, reach.of)
		b, bc := Assign(nil, rapid.Permutation(claims).Draw(t, "order"), lawsRules, reach.of)
		if !maps.Equal(a, b) || !slices.Equal(ac, bc) {
			t.Errorf("%v %v and %v %v", a, ac, b, bc)
		}
	})
}

// What a viewer needs: the active gateway is reached if any is, and reaches the route's hosts if any of those does.
func TestTheActiveGatewayIsTheBestPlacedOneWhateverWasBefore(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		claims := drawSet(t)
		previous, _ := Assign(nil, claims, lawsRules, drawReaches(t, claims, "reach before").of)
		reach := drawReaches(t, claims, "reach")
		a, conflicts := Assign(previous, claims, lawsRules, reach.of)
		for p, group := range Gateways(claims, a, conflicts) {
			active := group[slices.IndexFunc(group, func(c *Claim) bool { return c.id == a[p] })]
			for i, c := range group {
				best := active.turn(p, reach[active.id])
				if c.turn(p, reach[c.id]) < best {
					t.Errorf("%v: %s is active, and %s is better placed", p, active.Name, c.Name)
				}
				if i < slices.Index(group, active) && reach[c.id] == Reached && c.turn(p, Reached) == best {
					t.Errorf("%v: %s stays active although %s is back", p, active.Name, c.Name)
				}
			}
		}
	})
}

// A gateway that flaps faster than it counts as back moves the route once.
func TestAFlappingGatewayMovesARouteOnce(t *testing.T) {
	a, b := gatewayOf(t, "a", 2*time.Hour), gatewayOf(t, "b", time.Hour)
	rapid.Check(t, func(t *rapid.T) {
		current, moves := Assignment{siteLAN: a.id}, 0
		for _, reach := range rapid.SliceOf(rapid.SampledFrom([]Reach{Unreached, Regained})).Draw(t, "a") {
			next, _ := Assign(current, []*Claim{a, b}, lawsRules, reaches{a.id: reach}.only)
			if next[siteLAN] != current[siteLAN] {
				moves++
			}
			current = next
		}
		if moves > 1 {
			t.Errorf("%d moves", moves)
		}
	})
}
