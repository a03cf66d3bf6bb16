package metrics

import (
	"reflect"
	"testing"
)

func TestAQueryIsTakenApartIntoWhatItRefersTo(t *testing.T) {
	q, err := parseQuery(`sum by (job, peer) (rate(a_total{x!~"b|c", y="d"}[5m])) / on (job) group_left () (0.01 * up) unless ignoring (path) e == 1`)
	if err != nil {
		t.Fatal(err)
	}
	want := &query{
		selectors: []selector{{"a_total", []matcher{{"x", "!~", "b|c"}, {"y", "=", "d"}}}, {metric: "up"}, {metric: "e"}},
		labels:    []string{"job", "peer", "job", "path"},
	}
	if !reflect.DeepEqual(q, want) {
		t.Errorf("got %+v, want %+v", q, want)
	}
}

func TestAQueryThatIsNotUnderstoodIsRefused(t *testing.T) {
	for _, bad := range []string{
		"", "1 + 1", "sum(a", "a)", `{x="y"}`, `a{x="y"`, "a{x=y}", "nosuch(a)", "sum by (x a", "a ; b", `a{x="y}`,
	} {
		if q, err := parseQuery(bad); err == nil {
			t.Errorf("%q is understood as %+v", bad, q)
		}
	}
}

func TestAMatcherThatMatchesNothingIsFound(t *testing.T) {
	known := map[string][]string{"path": {"udp", "down"}, "what": {"driver"}}
	for _, good := range []matcher{
		{"path", "=", "udp"}, {"path", "=~", "udp|down"}, {"what", "=", "anything"}, {"instance", "=~", "a.*"}, {"path", "=~", "$path"},
	} {
		if err := good.check(known); err != nil {
			t.Errorf("%+v: %v", good, err)
		}
	}
	for _, bad := range []matcher{{"path", "=", "tcp"}, {"path", "!~", "udp|relay"}, {"state", "=", "udp"}} {
		if bad.check(known) == nil {
			t.Errorf("%+v is taken", bad)
		}
	}
}
