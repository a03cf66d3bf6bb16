package main

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/weftnet/weft/node/api"
)

func TestAPeerThatIsAwayIsForgottenByCommandAndOneThatIsThereIsNot(t *testing.T) {
	t.Parallel()
	c := newCluster(t, 3)
	startAll(t, c)
	a, b, gone := c.Nodes[0], c.Nodes[1], c.Nodes[2]
	free := status(t, gone).Node.Subnets
	forget := func(args ...string) (string, error) {
		return a.Weft(within(t, patience), append([]string{"peers", "forget", gone.Name(), "--socket", a.Socket()}, args...)...)
	}
	if _, err := forget(); err == nil || !strings.Contains(err.Error(), "exit status 1: weft: "+gone.Name()+": it is there: ") {
		t.Errorf("while it is there: %v", err)
	}
	if err := gone.Stop(within(t, patience)); err != nil {
		t.Fatal(err)
	}
	awaitPeer(t, a, gone.Name(), api.StateAway)
	out, err := forget("--json")
	var done api.Forgotten
	if err != nil || json.Unmarshal([]byte(out), &done) != nil || done.Name != gone.Name() || !slices.Equal(done.Subnets, free) {
		t.Errorf("%v, %s: want the subnets %v", err, out, free)
	}
	if err := b.AwaitStatus(within(t, patience), func(s *api.Status) (bool, string) {
		return len(s.Peers) == 1, fmt.Sprintf("%d peers", len(s.Peers))
	}); err != nil {
		t.Error(err)
	}
	routes, err := api.NewClient(b.Socket()).Routes(within(t, patience))
	if err != nil || slices.ContainsFunc(routes, func(r api.Route) bool { return slices.Contains(free, r.Prefix) }) {
		t.Errorf("routes %+v, %v", routes, err)
	}
	if err := gone.Up(); err != nil {
		t.Fatal(err)
	}
	for _, n := range c.Nodes[:2] {
		awaitPeer(t, n, gone.Name(), api.StateUp)
	}
}
