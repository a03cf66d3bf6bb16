package linkstate

import (
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/weftnet/weft/trust"
)

// pair is two nodes with a link, of which the first takes part; the second only sends what the test says.
func pair(t testing.TB) (e *Engine, peer trust.Fingerprint, now time.Time) {
	w := newWorld(t, 2, 1)
	w.now = time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)
	e, peer = w.nodes[0].engine, w.nodes[1].id.Fingerprint()
	e.SetLinks([]Link{{Peer: peer, RTT: time.Millisecond, Up: true}}, w.now)
	return e, peer, w.now
}

func TestWhatCannotBeTakenIsRefusedAndCounted(t *testing.T) {
	now := time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)
	self := testIdentity(0).Fingerprint().Number()
	forged := signedPage(1, 7, span{}, self)
	forged.raw[0]++
	for name, test := range map[string]struct {
		body  []byte
		want  error
		count func(Stats) uint64
	}{
		"nothing":            {nil, ErrMessage, func(s Stats) uint64 { return s.Malformed }},
		"too long":           {make([]byte, MaxMessage+1), ErrMessage, func(s Stats) uint64 { return s.Malformed }},
		"another kind":       {[]byte{9, 1, 2}, ErrMessage, func(s Stats) uint64 { return s.Malformed }},
		"a cut page":         {pageMessage(signedPage(1, 7, span{}), now)[:70], ErrMessage, func(s Stats) uint64 { return s.Malformed }},
		"a summary of 3":     {message(kindSummary, summaryBody{make([]byte, 24)}), ErrMessage, func(s Stats) uint64 { return s.Malformed }},
		"versions of others": {versionsMessage(5, 6, []version{{origin: 7, stamp: 1}}), ErrMessage, func(s Stats) uint64 { return s.Malformed }},
		"half a request":     {message(kindRequest, requestBody{make([]byte, 5)}), ErrMessage, func(s Stats) uint64 { return s.Malformed }},
		"a forged page":      {pageMessage(forged, now), ErrSigner, func(s Stats) uint64 { return s.Forged }},
		"a stranger's page":  {pageMessage(signedPage(5, 7, span{}, self), now), ErrSigner, func(s Stats) uint64 { return s.Foreign }},
	} {
		t.Run(name, func(t *testing.T) {
			e, peer, now := pair(t)
			changed, err := e.Receive(peer, test.body, now)
			if changed || !errors.Is(err, test.want) || test.count(e.Stats()) != 1 {
				t.Errorf("changed %v, error %v, want %v; %+v", changed, err, test.want, e.Stats())
			}
			if e.Stats().Pages != 0 {
				t.Error("it was taken")
			}
		})
	}
}

func TestAMemberThatFloodsIsSlowedDown(t *testing.T) {
	e, peer, now := pair(t)
	self := e.number
	taken := 0
	for i := range 10 * originBurst {
		if _, err := e.Receive(peer, pageMessage(signedPage(1, uint64(i+1), span{}, self), now), now); err == nil {
			taken++
		} else if !errors.Is(err, ErrFlood) {
			t.Fatal(err)
		}
	}
	if taken != originBurst || e.Stats().Flooded != 9*originBurst {
		t.Errorf("%d pages taken, want %d; %+v", taken, originBurst, e.Stats())
	}
	now = now.Add(time.Second)
	if _, err := e.Receive(peer, pageMessage(signedPage(1, 1<<20, span{}, self), now), now); err != nil {
		t.Errorf("a second later: %v", err)
	}
}

func TestForgedPagesDoNotKeepTheirAllegedSignersOut(t *testing.T) {
	w := newWorld(t, 3, 1)
	e, liar, victim := w.nodes[0].engine, w.nodes[1].id.Fingerprint(), w.nodes[2].id.Fingerprint()
	for i := range 1000 {
		p := signedPage(2, uint64(i+1), span{})
		p.raw[0]++
		if _, err := e.Receive(liar, pageMessage(p, w.now), w.now); err == nil {
			t.Fatal("a forged page was taken")
		}
	}
	if s := e.Stats(); s.Forged != forgedBurst {
		t.Errorf("%d signatures were checked, want %d", s.Forged, forgedBurst)
	}
	if _, err := e.Receive(victim, pageMessage(signedPage(2, 1, span{}), w.now), w.now); err != nil {
		t.Errorf("the node's own page from itself: %v", err)
	}
}

func TestAPageOfAStrangerIsFetchedWhenItIsAMember(t *testing.T) {
	e, peer, now := pair(t)
	e.Step(now)
	if _, err := e.Receive(peer, pageMessage(signedPage(5, 7, span{}), now), now); !errors.Is(err, ErrSigner) {
		t.Fatal(err)
	}
	e.SetMembers([]trust.PublicKeys{testIdentity(1).Public(), testIdentity(5).Public()})
	send, _ := e.Step(now)
	want := Message{peer, requestMessage([]want{{origin: testIdentity(5).Fingerprint().Number()}})}
	if !slices.ContainsFunc(send, func(m Message) bool { return m.To == want.To && slices.Equal(m.Body, want.Body) }) {
		t.Errorf("%d messages, and none asks for its pages", len(send))
	}
}

// A member says that others have pages of a node which that one never signed. If it believed so, it would sign one with the highest stamp
// there is, and could sign none after that.
func TestNobodysWordMovesTheStampsOfANode(t *testing.T) {
	e, peer, now := pair(t)
	before := e.stamp
	for _, stamp := range []uint64{before + 1000, maxStamp - 1, maxStamp} {
		said := versionsMessage(e.number, e.number, []version{{e.number, span{}, stamp}})
		if _, err := e.Receive(peer, said, now); err != nil {
			t.Fatal(err)
		}
	}
	if e.stamp != before {
		t.Errorf("the stamp went from %d to %d", before, e.stamp)
	}
	send, _ := e.Step(now.Add(time.Second))
	asks := requestMessage([]want{{origin: e.number}})
	if !slices.ContainsFunc(send, func(m Message) bool { return slices.Equal(m.Body, asks) }) {
		t.Error("the page that is said to be there is not asked for")
	}
}

// What was signed in an earlier run is asked for where somebody has it, and surpassed.
func TestANodeWhoseStampsWereLostFindsThemByDigests(t *testing.T) {
	e, peer, now := pair(t)
	old := signedPage(0, 1<<40, span{}, 1<<63|5)
	if _, err := e.Receive(peer, versionsMessage(e.number, e.number, []version{old.version}), now); err != nil {
		t.Fatal(err)
	}
	if _, err := e.Receive(peer, pageMessage(old, now), now); err != nil || e.stamp != old.stamp {
		t.Errorf("stamp %d, want that of the page, %d; %v", e.stamp, old.stamp, err)
	}
}

// Summaries that cannot be right cost a peer its own answers, not those of others.
func TestAPeerThatSendsSummariesWithoutEndKeepsNobodyFromAnswers(t *testing.T) {
	w := newWorld(t, 3, 1)
	e, flooder, honest := w.nodes[0].engine, w.nodes[1].id.Fingerprint(), w.nodes[2].id.Fingerprint()
	answers := func(from trust.Fingerprint) int {
		before := len(e.out.answers)
		if _, err := e.Receive(from, summaryMessage([]uint64{1}), w.now); err != nil {
			t.Fatal(err)
		}
		return len(e.out.answers) - before
	}
	for range 100 {
		answers(flooder)
	}
	if n := answers(honest); n != 1 {
		t.Errorf("%d answers to another peer", n)
	}
}

func TestNothingIsRememberedOfWhoTakesNoPart(t *testing.T) {
	e, peer, now := pair(t)
	for n := range 100 {
		if _, err := e.Receive(testIdentity(10+n).Fingerprint(), summaryMessage([]uint64{1}), now); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := e.Receive(peer, summaryMessage([]uint64{1}), now); err != nil {
		t.Fatal(err)
	}
	e.SetMembers([]trust.PublicKeys{testIdentity(1).Public(), testIdentity(2).Public()})
	if len(e.peers) != 1 || e.peers[peer] == nil {
		t.Errorf("%d peers are remembered, want the one that is a member", len(e.peers))
	}
}

func TestANodeWhoseStampsWereLostSurpassesThem(t *testing.T) {
	e, peer, now := pair(t)
	now = now.Add(time.Second)
	e.Step(now)
	now = now.Add(time.Second)
	e.Step(now)
	old := signedPage(0, 1<<40, span{1, 1}, 1<<63|5)
	if _, err := e.Receive(peer, pageMessage(old, now), now); err != nil {
		t.Fatal(err)
	}
	send, _ := e.Step(now)
	if len(send) == 0 {
		t.Fatal("nothing is sent")
	}
	p, ok := originOf(t, send[0].Body)
	if !ok || p.stamp <= old.stamp || !p.span.covers(old.span) {
		t.Errorf("sent %+v, want a page newer than the old one", p)
	}
}

func TestNodesWithOneNumberTakeNoPart(t *testing.T) {
	w := newWorld(t, 4, 1)
	w.mesh(10 * time.Millisecond)
	w.run(10 * time.Second)
	e, a, b := w.nodes[0].engine, testIdentity(1), testIdentity(2).Public()
	e.SetMembers([]trust.PublicKeys{a.Public(), testIdentity(3).Public()})
	twin := a.Fingerprint()
	twin[31]++
	e.members[b] = &member{id: twin} // nobody can make keys for a number: so it is put where the engine keeps what it computed

	n := a.Fingerprint().Number()
	if shared := e.SetMembers(append(w.members(), testIdentity(4).Public())); !slices.Equal(shared, []trust.Number{n}) {
		t.Errorf("shared %v, want %v", shared, n)
	}
	if id, ok := e.Member(n); ok {
		t.Errorf("the number leads to %v", id)
	}
	if _, _, ok := e.Routes(a.Fingerprint()); ok {
		t.Error("there is a route to one of them")
	}
	best, second, _ := e.Routes(testIdentity(3).Fingerprint())
	for _, r := range []Route{best, second} {
		if slices.Contains(r.Relays, a.Fingerprint()) || slices.Contains(r.Relays, twin) {
			t.Errorf("a route through one of them: %v", r)
		}
	}
	shown := 0
	for _, node := range e.Graph(w.now).Nodes {
		if node.Shared {
			shown++
		}
	}
	if shown != 2 {
		t.Errorf("%d nodes of the graph are said to share their number, want 2", shown)
	}
	if shared := e.SetMembers([]trust.PublicKeys{a.Public()}); len(shared) > 0 {
		t.Errorf("shared %v after one of them is gone", shared)
	}
	if id, _ := e.Member(n); id != a.Fingerprint() {
		t.Errorf("the number leads to %v", id)
	}
}

func TestTheGraphShowsBothEnds(t *testing.T) {
	w := newWorld(t, 3, 1)
	w.nodes[0].rtt = map[int]time.Duration{1: 20 * time.Millisecond}
	w.set(0, 1, 10*time.Millisecond, 0.02)
	w.run(10 * time.Second)
	g := w.nodes[0].engine.Graph(w.now)
	if len(g.Nodes) != 3 {
		t.Fatalf("%d nodes", len(g.Nodes))
	}
	for _, n := range g.Nodes {
		i := w.index[n.ID]
		if n.Silent != (i == 2) || n.Relay != (i < 2) || n.Shared {
			t.Errorf("node %d: %+v", i, n)
		}
		if i == 2 {
			continue
		}
		want := GraphLink{w.nodes[1-i].id.Fingerprint(), RTTClass(6 - i), 2, true, Cost(6, 2), n.Age}
		if len(n.Links) != 1 || n.Links[0] != want || n.Age > 11*time.Second || n.Age < 5*time.Second {
			t.Errorf("node %d: %+v, want %+v", i, n, want)
		}
	}
}
