package linkstate

import (
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/weftnet/weft/trust"
)

// originOf is whose page a message carries; ok is false for other messages.
func originOf(t testing.TB, body []byte) (p *page, ok bool) {
	t.Helper()
	if kind(body[0]) != kindPage {
		return nil, false
	}
	p, err := parsePage(body[1:], time.Time{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	return p, true
}

// settledMesh starts nodes within two seconds of each other, all of which reach each other, and lets them say everything.
func settledMesh(t testing.TB, n int) *world {
	const within = 2 * time.Second
	w := newWorld(t, n, 1)
	for i := range w.nodes {
		for j := range i {
			w.links[[2]int{j, i}] = &testLink{50 * time.Millisecond, 0, true}
		}
		w.at(w.now.Add(time.Duration(w.rand.Int64N(int64(within)))), func() { w.measure(i) })
	}
	took, ok := w.runUntil(30*time.Second, func() bool {
		return !slices.ContainsFunc(w.nodes, func(node *testNode) bool { return !node.knowsAll() })
	})
	s := w.nodes[0].engine.Stats()
	t.Logf("all know all %v after the first started; a node sent %d messages, %d bytes", took, s.Sent, s.SentBytes)
	if !ok || took > within+spacing {
		t.Errorf("all know all after %v: %v", took, ok)
	}
	w.run(15 * time.Second)
	return w
}

// knowsAll reports whether the node knows that all nodes reach each other.
func (n *testNode) knowsAll() bool {
	vertices := n.engine.top.vertices
	return !slices.ContainsFunc(vertices, func(v vertex) bool { return len(v.edges) != len(vertices)-1 })
}

// The tests of a hundred nodes use one cluster, one after the other.
func TestAHundredNodes(t *testing.T) {
	const n = 100
	w := settledMesh(t, n)
	t.Run("each page comes to each node once", func(t *testing.T) { checkFlood(t, w) })
	t.Run("at rest little is said", func(t *testing.T) { checkRest(t, w) })
	t.Run("one that joins is known at once", func(t *testing.T) { checkJoin(t, w) })
}

func checkFlood(t *testing.T, w *world) {
	const by = 7
	got := map[int]int{}
	w.sent = func(_, to int, body []byte) {
		if p, ok := originOf(t, body); ok && p.origin == w.nodes[by].id.Fingerprint().Number() {
			got[to]++
		}
	}
	w.nodes[by].engine.SetPolicy(RefuseRelay)
	w.step(by)
	w.run(6 * time.Second)
	w.sent = nil
	for i := range w.nodes {
		if want := min(1, max(i-by, by-i)); got[i] != want {
			t.Errorf("node %d got the page %d times, want %d", i, got[i], want)
		}
	}
}

// checkRest asks for less than half of what link state may take of the 4 kB/s that control traffic has: 1 kB/s.
func checkRest(t *testing.T, w *world) {
	const span = refreshEvery
	before := make([]Stats, len(w.nodes))
	for i, node := range w.nodes {
		before[i] = node.engine.Stats()
	}
	w.run(span)
	for i, node := range w.nodes {
		s := node.engine.Stats()
		rate := float64(s.SentBytes-before[i].SentBytes) / span.Seconds()
		if rate > 400 {
			t.Errorf("node %d sends %.0f bytes a second", i, rate)
		}
		if s.Malformed+s.Foreign+s.Forged+s.Flooded+s.Expired > 0 {
			t.Errorf("node %d: %+v", i, s)
		}
		if i == 0 {
			t.Logf("%.0f bytes and %.2f messages a second", rate, float64(s.Sent-before[i].Sent)/span.Seconds())
		}
	}
}

// checkJoin has a node come to all others but one, which finds a route to it.
func checkJoin(t *testing.T, w *world) {
	n := len(w.nodes)
	w.add()
	w.setMembers()
	for i := 1; i < n; i++ {
		w.links[[2]int{i, n}] = &testLink{50 * time.Millisecond, 0, true}
	}
	before := w.nodes[0].engine.Stats().Received
	measureAll(w)
	took, ok := w.runUntil(10*time.Second, func() bool {
		_, _, ok := w.nodes[0].engine.Routes(w.nodes[n].id.Fingerprint())
		return ok
	})
	t.Logf("a route after %v, and %d messages", took, w.nodes[0].engine.Stats().Received-before)
	if !ok || took > time.Second {
		t.Errorf("a route to it after %v: %v", took, ok)
	}
}

func TestANodeThatReachesFewIsHeardByAllAtLittleCost(t *testing.T) {
	const n = 40
	w := newWorld(t, n, 1)
	for i := range n - 1 {
		for j := range i {
			w.set(j, i, 10*time.Millisecond, 0)
		}
	}
	w.set(0, n-1, 10*time.Millisecond, 0) // the last one reaches two
	w.set(1, n-1, 10*time.Millisecond, 0)
	w.run(15 * time.Second)
	got := map[int]int{}
	w.sent = func(_, to int, body []byte) {
		if p, ok := originOf(t, body); ok && p.origin == w.nodes[n-1].id.Fingerprint().Number() {
			got[to]++
		}
	}
	w.nodes[n-1].engine.SetPolicy(RefuseRelay)
	w.step(n - 1)
	w.run(6 * time.Second)
	for i := range n - 1 {
		if got[i] < 1 || got[i] > 2 {
			t.Errorf("node %d got the page %d times, want it from one or both of those that reach the node", i, got[i])
		}
	}
}

func TestHalvesThatMeetAgainKnowEachOtherSoon(t *testing.T) {
	const n = 20
	w := newWorld(t, n, 1)
	w.mesh(20 * time.Millisecond)
	w.run(10 * time.Second)
	links := maps.Clone(w.links)
	for ends := range links {
		if ends[0] < n/2 && ends[1] >= n/2 {
			w.links[ends] = &testLink{}
		}
	}
	measureAll(w)
	w.run(time.Hour)
	if got := w.nodes[0].engine.pages(); got != n/2 {
		t.Fatalf("after an hour apart there are pages of %d nodes, want %d", got, n/2)
	}
	w.links[[2]int{0, n - 1}] = links[[2]int{0, n - 1}] // one link joins both
	measureAll(w)
	took := agree(t, w, 30*time.Second)
	t.Logf("all agree after %v", took)
	if took > 5*time.Second {
		t.Errorf("it took %v", took)
	}
}

func measureAll(w *world) {
	for i := range w.nodes {
		w.measure(i)
	}
}

func TestALinkThatGoesDownIsSaidAtOnceAndOneThatComesUpLater(t *testing.T) {
	w := newWorld(t, 3, 1)
	w.set(0, 1, 10*time.Millisecond, 0)
	w.set(0, 2, 10*time.Millisecond, 0)
	w.run(10 * time.Second)
	pages := signed(w.nodes[0])

	w.set(0, 2, 0, 0)
	if got := pages(); got != 1 {
		t.Errorf("%d pages when a link goes down, want 1 at once", got)
	}
	w.set(0, 2, 10*time.Millisecond, 0)
	w.run(4 * time.Second)
	if got := pages(); got != 0 {
		t.Errorf("%d pages within 4 s of the one before, want none", got)
	}
	w.run(2 * time.Second)
	if got := pages(); got != 1 {
		t.Errorf("%d pages then, want 1", got)
	}
}

// signed counts the pages that a node signs, from one call to the next.
func signed(n *testNode) func() uint64 {
	last := n.engine.Stats().Signed
	return func() uint64 {
		before := last
		last = n.engine.Stats().Signed
		return last - before
	}
}

func TestALinkThatFlapsIsHeldDown(t *testing.T) {
	w := newWorld(t, 3, 1)
	w.set(0, 1, 10*time.Millisecond, 0)
	w.set(0, 2, 10*time.Millisecond, 0)
	w.run(10 * time.Second)
	pages := signed(w.nodes[0])
	for range 30 { // down and up every two seconds
		w.set(0, 2, 0, 0)
		w.run(time.Second)
		w.set(0, 2, 10*time.Millisecond, 0)
		w.run(time.Second)
	}
	if got := pages(); got > 8 {
		t.Errorf("%d pages in a minute of flapping", got)
	}
	number := w.nodes[2].id.Fingerprint().Number()
	says := func() bool {
		_, up := w.nodes[0].engine.origins[w.nodes[0].engine.number].to(number)
		return up
	}
	if says() || w.nodes[0].engine.Stats().Held == 0 {
		t.Error("the link is stated to be up")
	}
	w.run(flapWindow + spacing)
	if !says() {
		t.Error("the link is held down long after it came up for good")
	}
}

func TestPagesOfASilentNodeEnd(t *testing.T) {
	w := newWorld(t, 3, 1)
	w.set(0, 1, 10*time.Millisecond, 0)
	w.set(1, 2, 10*time.Millisecond, 0)
	w.run(10 * time.Second)
	w.kill(2)
	w.run(time.Second)
	if _, _, ok := w.nodes[0].engine.Routes(w.nodes[2].id.Fingerprint()); ok {
		t.Error("there is a route to a node that its only neighbour says is down")
	}
	w.run(25 * time.Minute)
	if got := w.nodes[0].engine.pages(); got != 3 {
		t.Errorf("pages of %d nodes before the time is over, want 3", got)
	}
	w.run(6 * time.Minute)
	for i := range 2 {
		if got := w.nodes[i].engine.pages(); got != 2 {
			t.Errorf("node %d has pages of %d nodes after 31 min, want 2", i, got)
		}
	}
}

func TestOldPagesDoNotLiveOnByBeingPassedAround(t *testing.T) {
	w := newWorld(t, 6, 1)
	w.mesh(10 * time.Millisecond)
	w.run(10 * time.Second)
	w.kill(0)
	for i := 1; i < 6; i++ { // nodes restart one after the other, and get the dead node's page from the rest
		w.run(6 * time.Minute)
		w.start(i)
		measureAll(w)
	}
	w.run(time.Minute)
	for i := 1; i < 6; i++ {
		if got := w.nodes[i].engine.pages(); got != 5 {
			t.Errorf("node %d has pages of %d nodes 31 min after one died, want 5", i, got)
		}
	}
}

func TestAClusterOfManyNodesHasSeveralPages(t *testing.T) {
	const n = maxLinks * 2
	w := newWorld(t, n+1, 1)
	hub := w.nodes[0].engine
	var links []Link
	for i := 1; i <= n; i++ {
		links = append(links, Link{Peer: w.nodes[i].id.Fingerprint(), RTT: 10 * time.Millisecond, Up: true})
	}
	hub.SetLinks(links, w.now)
	hub.Step(w.now)
	w.now = w.now.Add(time.Second)
	send, _ := hub.Step(w.now)
	pages := hub.origins[hub.number].pages
	if len(pages) != 4 {
		t.Fatalf("%d pages, want 4", len(pages))
	}
	if len(send) != maxBurst {
		t.Errorf("%d messages at once, want %d", len(send), maxBurst)
	}
	for _, l := range links {
		if _, up := hub.origins[hub.number].to(l.Peer.Number()); !up {
			t.Errorf("the link to %v is in no page", l.Peer.Number())
		}
	}
	hub.SetLinks(links[:maxLinks/2], w.now)
	hub.Step(w.now)
	if pages := hub.origins[hub.number].pages; len(pages) != 1 || len(pages[0].links) != maxLinks/2 {
		t.Errorf("%d pages after most links are gone, want 1 with the others", len(pages))
	}
}

func TestARestartedNodeOutdatesAllItSaidBefore(t *testing.T) {
	a := newWorld(t, 2, 1).nodes[0].engine
	o := a.origins[testIdentity(1).Fingerprint().Number()]
	for i := range 4 {
		o.put(signedPage(1, 10+uint64(i), span{2, uint8(i)}))
	}
	fresh := signedPage(1, 20, span{})
	o.put(fresh)
	if len(o.pages) != 1 || o.pages[0] != fresh {
		t.Errorf("%d pages, want the one of the new run", len(o.pages))
	}
}

// signedPage is a page of the node with an index, with a link to each number given.
func signedPage(node int, stamp uint64, s span, peers ...trust.Number) *page {
	p := &page{version: version{testIdentity(node).Fingerprint().Number(), s, stamp}}
	for _, n := range slices.Sorted(slices.Values(peers)) {
		p.links = append(p.links, stated{peer: n})
	}
	return p.sign(testIdentity(node), time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC))
}
