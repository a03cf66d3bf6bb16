package mesh

import (
	"context"
	"fmt"
	"net/netip"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// names is a name server whose answers change.
type names struct {
	mu    sync.Mutex
	at    map[string][]netip.Addr
	asked int
}

func (n *names) set(host string, at ...netip.Addr) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.at = map[string][]netip.Addr{host: at}
}

func (n *names) LookupNetIP(_ context.Context, _, host string) ([]netip.Addr, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.asked++
	if at := n.at[host]; len(at) > 0 {
		return at, nil
	}
	return nil, fmt.Errorf("no such host")
}

func (n *names) lookups() int {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.asked
}

func TestASeedsNameIsLookedUpAgainAtEachCallAndWhatFailsIsSaidWithSinceWhen(t *testing.T) {
	bubble(t, func(t *testing.T, n *fakeNet) {
		dns := &names{}
		a := n.host(1, nil, func(c *Config) { c.Seeds, c.Resolver = []string{"seed.example"}, dns })
		b, c := n.host(2, nil), n.host(3, nil)
		b.start()
		c.start()
		begun := time.Now()
		a.start()
		time.Sleep(time.Minute)
		synctest.Wait()
		s := a.mesh.View().Seeds[0]
		if s.OK || s.LastError != "look up seed.example: no such host" || !s.Since.Equal(begun) || s.Tries != dns.lookups() || s.Tries < 10 || s.NextTry.Before(time.Now()) {
			t.Errorf("after a minute: %+v, %d lookups", s, dns.lookups())
		}
		seedIs := func(peer string) func() bool {
			return func() bool { s := a.mesh.View().Seeds[0]; return s.OK && s.Peer == peer && s.LastError == "" }
		}
		dns.set("seed.example", b.addr)
		within(t, 10*time.Second, "it reaches who is there", seedIs("node-2"))
		asked := dns.lookups()
		dns.set("seed.example", c.addr) // who was met is a member, whatever the name means now
		time.Sleep(time.Minute)
		synctest.Wait()
		if !seedIs("node-2")() || dns.lookups() != asked {
			t.Errorf("%+v, %d lookups more", a.mesh.View().Seeds[0], dns.lookups()-asked)
		}
		b.crash()
		within(t, 30*time.Second, "it reaches who is there now", seedIs("node-3"))
		dns.set("seed.example")
		died := time.Now()
		c.crash()
		within(t, 30*time.Second, "it says that the name is gone", func() bool {
			s := a.mesh.View().Seeds[0]
			return !s.OK && s.LastError == "look up seed.example: no such host" && s.Since.After(died)
		})
	})
}
