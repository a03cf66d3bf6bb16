package main

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/weftnet/weft/lab/attack"
	"github.com/weftnet/weft/lab/cluster"
	"github.com/weftnet/weft/node/api"
)

// A member claims the subnets of both others, from 1970 on. Nodes that run keep what they have; one that is killed and started
// again must, too: its own subnet, in which a pod lives, and that of the other.
func TestABackDatedClaimTakesNothingFromANodeThatIsRestarted(t *testing.T) {
	t.Parallel()
	in := corrupt(t)
	in.awaitEstablished(t)
	victim, bystander := status(t, in.victim).Node, status(t, in.bystands).Node
	before := in.holdings(t)
	for name, kind := range claimKinds {
		in.says(t, in.claim(t, attack.Claim{
			Kind: kind, Since: time.Unix(0, 0), Subnets: slices.Concat(victim.Subnets, bystander.Subnets),
		}))
		in.awaitRefused(t, 4)
		in.restartVictim(t)
		in.awaitRefused(t, 4)
		if after := in.holdings(t); after != before {
			t.Errorf("%s: in force was\n%s\nand is\n%s\nconflicts: %v", name, before, after, status(t, in.victim).Node.Conflicts)
		}
		awaitPing(t, in.pods[0], in.pods[1].Addr4())
	}
	if n := in.Stolen(); n != 0 {
		t.Errorf("the member got %d packets of others", n)
	}
}

// claimKinds are the kinds of claims that take a subnet from an automatic owner, where nobody knows who was first.
var claimKinds = map[string]uint8{"auto": attack.KindAuto, "k8s": attack.KindK8s}

// restartVictim kills the victim, starts it again, and waits until it knows the others and goes by what it has assigned itself.
func (in *insider) restartVictim(t *testing.T) {
	t.Helper()
	if err := in.victim.Kill(within(t, patience)); err != nil {
		t.Fatal(err)
	}
	if err := in.victim.Up(); err != nil {
		t.Fatal(err)
	}
	awaitPeer(t, in.bystands, in.victim.Name(), api.StateUp)
	if _, err := in.victim.Addresses(within(t, patience)); err != nil {
		t.Fatal(err)
	}
	started := status(t, in.victim).Node.Started
	await(t, func() (bool, string) { return time.Since(started) > incumbency, "the victim has just started" })
}

// incumbency is how long after its start a node goes by what it has assigned itself, and no longer by what was in force before: 3 s
// after it has heard the first, and time to hear it.
const incumbency = 5 * time.Second

// awaitEstablished waits until victim and bystander know the others long enough to keep owners against any claim: they then write
// down who owns what.
func (in *insider) awaitEstablished(t *testing.T) {
	t.Helper()
	want := slices.Concat(status(t, in.victim).Node.Subnets, status(t, in.bystands).Node.Subnets)
	for _, n := range in.Nodes[:2] {
		await(t, func() (bool, string) {
			owners := ownersAt(t, n)
			missing := func(p netip.Prefix) bool { return owners[p] == "" }
			return !slices.ContainsFunc(want, missing), fmt.Sprintf("%s keeps the owners %v", n.Name(), owners)
		})
	}
}

// ownersAt is who owns each subnet, as a node has it in its state directory.
func ownersAt(t *testing.T, n *cluster.Node) map[netip.Prefix]string {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join(n.StateDir(), "peers.json"))
	if err != nil {
		t.Fatal(err)
	}
	var kept struct{ Owners map[netip.Prefix]string }
	if err := json.Unmarshal(raw, &kept); err != nil {
		t.Fatal(err)
	}
	return kept.Owners
}
