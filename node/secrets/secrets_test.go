package secrets

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/weftnet/weft/encap"
	"github.com/weftnet/weft/node/api"
	"github.com/weftnet/weft/router"
	"github.com/weftnet/weft/trust"
)

// cluster is some nodes that have sessions with each other.
type cluster struct {
	t     *testing.T
	nodes map[trust.Fingerprint]*testNode
	order []*testNode
	log   *lockedBuffer
}

// testNode is a node with a directory of its own.
type testNode struct {
	*Secrets
	c       *cluster
	id      trust.Fingerprint
	name    string
	dir     string
	away    bool
	older   bool
	lose    atomic.Int32 // so many of the next frames to it
	changed int          // how often the router was told
	permit  func(encap.SecretOffer) error
	stop    func()
}

type lockedBuffer struct {
	mu sync.Mutex // guards the rest
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// oldSecret is what all nodes begin with.
var oldSecret = trust.Secret{1, 2, 3}

// inCluster runs a test with nodes of these names, in virtual time.
func inCluster(t *testing.T, names []string, test func(t *testing.T, c *cluster)) {
	t.Helper()
	dirs := map[string]string{}
	for _, name := range names {
		dirs[name] = t.TempDir()
	}
	synctest.Test(t, func(t *testing.T) {
		c := &cluster{t: t, nodes: map[trust.Fingerprint]*testNode{}, log: &lockedBuffer{}}
		for i, name := range names {
			n := &testNode{c: c, id: trust.Fingerprint{byte(i + 1)}, name: name, dir: dirs[name]}
			n.write("# of " + name + "\n" + oldSecret.Text() + "\n")
			c.nodes[n.id], c.order = n, append(c.order, n)
		}
		for _, n := range c.order {
			n.start()
		}
		defer func() {
			for _, n := range c.order {
				n.stop()
			}
		}()
		test(t, c)
		c.noSecretShown()
	})
}

func (n *testNode) file() string { return filepath.Join(n.dir, "secret") }

func (n *testNode) write(text string) {
	n.c.t.Helper()
	if err := os.WriteFile(n.file(), []byte(text), 0o600); err != nil {
		n.c.t.Fatal(err)
	}
}

// start starts the node from its files.
func (n *testNode) start() {
	n.c.t.Helper()
	held, err := trust.ReadSecrets(n.file())
	if err != nil {
		n.c.t.Fatal(err)
	}
	n.Secrets = New(Config{
		File: n.file(), Held: held, StateDir: n.dir, Random: rand.Reader, Members: n.members,
		Log:    slog.New(slog.NewTextHandler(n.c.log, &slog.HandlerOptions{Level: slog.LevelDebug})),
		Permit: n.permit,
	})
	n.Start(n)
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func(s *Secrets) { defer close(ended); _ = s.Run(ctx) }(n.Secrets)
	n.stop = func() { cancel(); <-ended }
}

func (n *testNode) restart() {
	n.stop()
	n.start()
}

func (n *testNode) members() (list []Member) {
	for _, other := range n.c.order {
		if other != n {
			list = append(list, Member{other.id, other.name})
		}
	}
	return list
}

func (n *testNode) SecretsChanged() error { n.changed++; return nil }

func (n *testNode) SendSecretOffer(to trust.Fingerprint, o encap.SecretOffer) error {
	parsed, err := encap.ParseSecretOffer(o.Append(nil)) // as it travels
	if err != nil {
		return err
	}
	return n.send(to, router.SecretMessage{From: n.id, Offer: &parsed})
}

func (n *testNode) SendSecretAnswer(to trust.Fingerprint, a encap.SecretAnswer) error {
	return n.send(to, router.SecretMessage{From: n.id, Answer: &a})
}

func (n *testNode) send(to trust.Fingerprint, m router.SecretMessage) error {
	other := n.c.nodes[to]
	switch {
	case n.away || other.away:
		return router.ErrPeerDown
	case other.older:
		return router.ErrPeerOlder
	case other.lose.Add(-1) >= 0:
		return nil
	}
	other.Hear(m)
	return nil
}

// noSecretShown checks that log and records hold the names of secrets alone.
func (c *cluster) noSecretShown() {
	c.t.Helper()
	shown := c.log.String()
	for _, n := range c.order {
		raw, err := os.ReadFile(filepath.Join(n.dir, RecordFile))
		if err != nil {
			c.t.Fatal(err)
		}
		shown += string(raw)
	}
	for _, n := range c.order {
		for _, s := range n.held {
			if strings.Contains(shown, strings.TrimRight(s.Text(), "=")) || strings.Contains(shown, string(s[:])) {
				c.t.Error("a secret is shown in log or record")
			}
		}
	}
}

// rotate leads on from n, and fails the test if that is refused.
func (n *testNode) rotate(without ...string) *api.Rotation {
	n.c.t.Helper()
	r, err := n.Rotate(n.c.t.Context(), without, nil)
	if err != nil {
		n.c.t.Fatalf("%s: %v", n.name, err)
	}
	return r
}

// check compares what nodes hold with want, by short ids, and their files with that.
func (c *cluster) check(when string, want ...string) {
	c.t.Helper()
	for _, n := range c.order {
		n.checkHolds(when, want...)
	}
}

func (n *testNode) checkHolds(when string, want ...string) {
	n.c.t.Helper()
	f, err := trust.ReadSecrets(n.file())
	if err != nil {
		n.c.t.Fatal(err)
	}
	if got := shortNames(f.Secrets); !slices.Equal(got, want) || !slices.Equal(shortNames(n.held), want) || len(n.Ring().All()) != len(want) {
		n.c.t.Errorf("%s: %s holds %v, its file %v, want %v", when, n.name, shortNames(n.held), got, want)
	}
	if first := n.Ring().First().ClusterID.Short(); first != want[0] {
		n.c.t.Errorf("%s: %s speaks under %s, want %s", when, n.name, first, want[0])
	}
}

// states are the nodes of a rotation by name.
func states(r *api.Rotation) map[string]string {
	m := map[string]string{}
	for _, n := range r.Nodes[1:] {
		m[n.Name] = n.State
	}
	return m
}

var three = []string{"a", "b", "c"}

func TestARotationAddsPutsFirstAndRetiresEverywhereAndKeepsRemarks(t *testing.T) {
	inCluster(t, three, func(t *testing.T, c *cluster) {
		a, old := c.order[0], oldSecret.ID().Short()
		r := a.rotate()
		if r.Phase != api.RotationAdd || !r.Done || r.Over || r.Old != old {
			t.Errorf("first step: %+v", r)
		}
		c.check("added", old, r.New)
		if s := c.order[1].State(t.Context()); s.Phase != api.RotationAdd || !s.Done || s.New != r.New {
			t.Errorf("state at b: %+v", s)
		}
		if r = c.order[1].rotate(); r.Phase != api.RotationFirst || !r.Done { // any node leads on
			t.Errorf("second step: %+v", r)
		}
		c.check("first", r.New, old)
		if r = a.rotate(); r.Phase != api.RotationRetire || !r.Done || !r.Over {
			t.Errorf("third step: %+v", r)
		}
		c.check("retired", r.New)
		for _, n := range c.order {
			if text, err := os.ReadFile(n.file()); err != nil || !strings.HasPrefix(string(text), "# of "+n.name+"\n") {
				t.Errorf("%s: the remark is gone, %v", n.name, err)
			}
			if n.Retired(old).IsZero() || n.changed != 3 {
				t.Errorf("%s: retired %v, the router was told %d times", n.name, n.Retired(old), n.changed)
			}
		}
		if s := a.State(t.Context()); s.Phase != api.RotationNone || !s.Done {
			t.Errorf("after the end: %+v", s)
		}
	})
}

func TestARotationWaitsForANodeThatIsAwayUnlessItIsLeftOut(t *testing.T) {
	inCluster(t, three, func(t *testing.T, c *cluster) {
		a, b, away, old := c.order[0], c.order[1], c.order[2], oldSecret.ID().Short()
		away.away = true
		r := a.rotate()
		for range 3 { // nothing goes on
			if r = a.rotate(); r.Done || r.Phase != api.RotationAdd || states(r)["c"] != api.RotationAway {
				t.Errorf("with a node away: %+v", r)
			}
		}
		b.checkHolds("waiting", old, r.New)
		if _, err := a.Rotate(t.Context(), []string{"d"}, nil); !errors.Is(err, ErrNoStep) || !strings.Contains(err.Error(), `no node "d"`) {
			t.Errorf("leaving out nobody: %v", err)
		}
		if r = a.rotate("c"); !r.Done || r.Phase != api.RotationFirst || states(r)["c"] != api.RotationLeft {
			t.Errorf("left out: %+v", r)
		}
		away.away = false
		if r = a.rotate(); r.Phase != api.RotationRetire || !r.Over { // back in time: it is brought along
			t.Errorf("back again: %+v", r)
		}
		c.check("at the end", r.New)
	})
}

func TestARotationGoesOnAfterARestartInEachPhase(t *testing.T) {
	inCluster(t, three, func(t *testing.T, c *cluster) {
		a := c.order[0]
		all := func() {
			for _, n := range c.order {
				n.restart()
			}
		}
		all()
		began := a.rotate()
		all()
		first := a.rotate()
		all()
		last := a.rotate()
		if first.New != began.New || last.New != began.New || !last.Over {
			t.Errorf("%+v\n%+v\n%+v", began, first, last)
		}
		all()
		c.check("after all", began.New)
	})
}

func TestALeaderThatDiesBetweenItselfAndTheOthersIsFollowedOnItsReturn(t *testing.T) {
	inCluster(t, three, func(t *testing.T, c *cluster) {
		a, old := c.order[0], oldSecret.ID().Short()
		r := a.rotate()
		a.mu.Lock()
		_, o := a.phase()
		a.mu.Unlock()
		if _, err := a.advance(o); err != nil { // to itself alone
			t.Fatal(err)
		}
		a.restart()
		a.checkHolds("the leader", r.New, old)
		c.order[1].checkHolds("another", old, r.New)
		if r = a.rotate(); !r.Over {
			t.Errorf("%+v", r)
		}
		c.check("at the end", r.New)
	})
}

func TestOfTwoRotationsAtOnceTheOneWithTheSmallerIDGoesOnEverywhere(t *testing.T) {
	for range 8 {
		inCluster(t, three, func(t *testing.T, c *cluster) {
			a, b, third := c.order[0], c.order[1], c.order[2]
			a.away = true // neither hears of the other's beginning
			ra := a.rotate()
			rb := b.rotate()
			a.away = false
			winner, loser := a, b
			if rb.New < ra.New {
				winner, loser = b, a
			}
			mine := shortNames(loser.held)[1]
			if r := loser.rotate(); mine == max(ra.New, rb.New) && r.Done {
				t.Errorf("the loser went on: %+v", r)
			}
			r := winner.rotate()
			for range 4 {
				if !r.Over {
					r = third.rotate()
				}
			}
			c.check("at the end", min(ra.New, rb.New))
		})
	}
}

func TestASecretThatIsFirstGoesBeforeOneThatIsStillSpread(t *testing.T) {
	n := &testNode{c: &cluster{t: t, log: &lockedBuffer{}}, name: "a", dir: t.TempDir()}
	n.write(oldSecret.Text())
	n.start()
	defer n.stop()
	x, y := trust.Secret{8}, trust.Secret{9}
	if bytes.Compare(idOf(x), idOf(y)) > 0 {
		x, y = y, x
	}
	offer := func(phase encap.SecretPhase, s trust.Secret) encap.SecretOffer {
		return encap.SecretOffer{Phase: phase, Old: oldSecret.ID(), New: s.ID(), Secret: s}
	}
	for i, step := range []struct {
		offer encap.SecretOffer
		want  encap.SecretStatus
		holds []trust.Secret
	}{
		{offer(encap.SecretAdd, y), encap.SecretDone, []trust.Secret{oldSecret, y}},
		{offer(encap.SecretAdd, x), encap.SecretDone, []trust.Secret{oldSecret, x}},
		{offer(encap.SecretAdd, y), encap.SecretOther, []trust.Secret{oldSecret, x}},
		{offer(encap.SecretRetire, x), encap.SecretRefused, []trust.Secret{oldSecret, x}},
		{offer(encap.SecretFirst, y), encap.SecretDone, []trust.Secret{y, oldSecret}},
		{offer(encap.SecretAdd, x), encap.SecretOther, []trust.Secret{y, oldSecret}},
		{offer(encap.SecretFirst, x), encap.SecretRefused, []trust.Secret{y, oldSecret}},
		{offer(encap.SecretAdd, y), encap.SecretDone, []trust.Secret{y, oldSecret}},
		{offer(encap.SecretRetire, y), encap.SecretDone, []trust.Secret{y}},
		{offer(encap.SecretRetire, y), encap.SecretDone, []trust.Secret{y}},
		{offer(encap.SecretAdd, x), encap.SecretRefused, []trust.Secret{y}},
	} {
		if got := n.Follow(trust.Fingerprint{2}, step.offer); got.Status != step.want || !slices.Equal(n.held, step.holds) {
			t.Errorf("step %d: %+v, holds %v", i, got, shortNames(n.held))
		}
	}
}

func idOf(s trust.Secret) []byte { id := s.ID(); return id[:] }

func texts(secrets []trust.Secret) (list []string) {
	for _, s := range secrets {
		list = append(list, s.Text())
	}
	return list
}

// A reload reads the file, checks the rest of the configuration, and then takes what it has read.
func TestAReloadDoesNotTakeBackAStepOfARotation(t *testing.T) {
	inCluster(t, three, func(t *testing.T, c *cluster) {
		b := c.order[1]
		read, err := trust.ReadSecrets(b.file())
		if err != nil {
			t.Fatal(err)
		}
		r := c.order[0].rotate()
		if b.Reload(b.file(), read) {
			t.Error("something else is held than before")
		}
		b.checkHolds("after a reload", r.Old, r.New)
		if r := c.order[0].rotate(); !r.Done {
			t.Errorf("the next step: %+v", r)
		}
	})
}

func TestAReloadedFileIsInForceAtOnceAndItsAgesAreKept(t *testing.T) {
	inCluster(t, []string{"a"}, func(t *testing.T, c *cluster) {
		a := c.order[0]
		before := a.Held()
		if len(before) != 1 || !before[0].First || before[0].Since.IsZero() {
			t.Errorf("held %+v", before)
		}
		next := trust.Secret{9}
		for _, held := range [][]trust.Secret{{oldSecret, next}, {next, oldSecret}, {next}} {
			time.Sleep(time.Hour)
			a.write(strings.Join(texts(held), "\n"))
			if !a.Reload(a.file(), &trust.SecretFile{Secrets: held}) || a.Reload(a.file(), &trust.SecretFile{Secrets: held}) {
				t.Error("a change is none, or none is one")
			}
			for _, s := range a.Held() {
				if s.ID == oldSecret.ID().Short() && !s.Since.Equal(before[0].Since) || s.ID == next.ID().Short() && time.Since(s.Since) > 2*time.Hour+time.Minute {
					t.Errorf("held %+v", s)
				}
			}
		}
		a.write(next.Text())
		a.restart()
		if got := a.Held(); len(got) != 1 || time.Since(got[0].Since) < 2*time.Hour || a.Retired(oldSecret.ID().Short()).IsZero() {
			t.Errorf("after a restart: %+v", got)
		}
		if raw, err := json.Marshal(a.Held()); err != nil || strings.Contains(string(raw), next.Text()) {
			t.Errorf("%s, %v", raw, err)
		}
	})
}
