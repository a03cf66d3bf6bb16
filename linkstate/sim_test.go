package linkstate

import (
	"encoding/binary"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/weftnet/weft/trust"
)

func testIdentity(t testing.TB, n int) *trust.Identity {
	t.Helper()
	seed := make([]byte, 32)
	binary.BigEndian.PutUint64(seed, uint64(n)+1)
	id, err := trust.NewIdentity(seed)
	if err != nil {
		t.Fatal(err)
	}
	return id
}

func TestSmoke(t *testing.T) {
	var ids []*trust.Identity
	var keys []trust.PublicKeys
	var es []*Engine
	for i := range 4 {
		ids = append(ids, testIdentity(t, i))
		keys = append(keys, ids[i].Public())
	}
	for i := range 4 {
		es = append(es, New(Config{Identity: ids[i], Stamp: func() uint64 { return 1 }, Rand: rand.New(rand.NewPCG(1, uint64(i)))}))
		es[i].SetMembers(keys)
	}
	now := time.Now()
	link := func(i int) Link { return Link{Peer: ids[i].Fingerprint(), RTT: time.Millisecond, Up: true} }
	es[0].SetLinks([]Link{link(1)}, now)
	es[1].SetLinks([]Link{link(0), link(2)}, now)
	es[2].SetLinks([]Link{link(1), link(3)}, now)
	es[3].SetLinks([]Link{link(2)}, now)
	at := map[trust.Fingerprint]int{}
	for i, id := range ids {
		at[id.Fingerprint()] = i
	}
	for range 100 {
		for i, e := range es {
			send, next := e.Step(now)
			if !next.After(now) {
				t.Fatal("next")
			}
			for _, m := range send {
				if _, err := es[at[m.To]].Receive(ids[i].Fingerprint(), m.Body, now); err != nil {
					t.Log(err)
				}
			}
		}
		now = now.Add(50 * time.Millisecond)
	}
	best, second, ok := es[0].Routes(ids[3].Fingerprint())
	t.Log(best, second, ok)
	for _, e := range es {
		t.Logf("%+v", e.Stats())
	}
	if !ok || len(best.Relays) != 2 {
		t.Fatal(best)
	}
}
