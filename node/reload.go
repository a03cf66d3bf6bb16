package node

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"net/netip"
	"slices"
	"sync"

	"github.com/weftnet/weft/mesh"
	"github.com/weftnet/weft/node/api"
	"github.com/weftnet/weft/node/config"
)

// Source is where a running node gets a new configuration from. The zero value has none.
type Source struct {
	// Read reads the configuration again: the same file, and the same flags over it. It validates what it returns.
	Read func() (config.Config, error)
	// Asked delivers that somebody wants a reload and does not wait for its outcome, as with a hangup.
	Asked <-chan struct{}
}

// reloader makes reloads follow each other.
type reloader struct {
	source Source
	mu     sync.Mutex // held by a reload from its reading to its end
}

// errNoSource says that a node was not started from a configuration that can be read again.
var errNoSource = errors.New("node: reload: there is no configuration that could be read again")

// Reload reads the configuration again and brings into force what a running node can change; Key.Reload says which keys
// those are. The rest needs a restart: it is in the answer, and in status as the problem "config" until it was put back. The
// new configuration is checked as a whole first, against the machine too: after an error, which wraps ErrConfig where the
// configuration is to blame, all is as before. It may be called from many goroutines while Run runs.
func (n *Node) Reload() (*api.Reload, error) {
	n.reloads.mu.Lock()
	defer n.reloads.mu.Unlock()
	var done *api.Reload
	err := n.service.Reloading(func() (err error) {
		done, err = n.reload()
		return err
	})
	n.noteReload(done, err)
	return done, err
}

func (n *Node) reload() (*api.Reload, error) {
	if n.reloads.source.Read == nil {
		return nil, errNoSource
	}
	want, err := n.reloads.source.Read()
	if err != nil {
		return nil, err
	}
	_ = n.recallPodCIDRs(&want) // what it cannot have now, the follower says
	if err := n.checkReload(&want); err != nil {
		return nil, err
	}
	next, done := n.merge(&want)
	secret, err := readSecret(next)
	if err != nil {
		return nil, err
	}
	own, renewed, otherAuthority, err := n.renewal(&want)
	if err != nil {
		return nil, err
	}
	done.Changed, done.Waiting = append(done.Changed, renewed...), append(done.Waiting, otherAuthority...)
	if err := n.apply(next); err != nil {
		return nil, err
	}
	n.renew(own)
	done.Changed = append(done.Changed, n.takeSecret(next.SecretFile, secret)...)
	n.kubernetes.Wake()
	return done, nil
}

// checkReload refuses what a start with want would refuse, and what would take the subnet from under those who live in it.
func (n *Node) checkReload(want *config.Config) error {
	if err := want.Validate(); err != nil {
		return err
	}
	if err := cmp.Or(checkClear(want, n.platform.Kernel), checkKubernetes(want)); err != nil {
		return err
	}
	if err := n.checkGivenUp(want); err != nil {
		return err
	}
	return want.Placed(asConfigError(n.platform.Kernel.CheckNetwork(want.Network, n.config().Device, want.Subnet.Prefixes, want.Routes)))
}

// merge is the configuration in force with all values of want that a reload can change, and what changed. Where these do not
// go together with what needs a restart (another network, and a subnet in it), all of them wait.
func (n *Node) merge(want *config.Config) (next *config.Config, done *api.Reload) {
	now := n.config()
	merged := *now
	merged.PlacesOf(want)
	done = &api.Reload{Changed: []api.Change{}, Waiting: []api.Change{}}
	for _, k := range config.Keys() {
		change := api.Change{Key: k.Name, Old: k.Get(now), New: k.Get(want)}
		switch {
		case change.Old == change.New:
		case !k.Reload:
			done.Waiting = append(done.Waiting, change)
		case k.Set(&merged, k.Values(want)) == nil:
			done.Changed = append(done.Changed, change)
		}
	}
	_ = n.recallPodCIDRs(&merged) // a changed key has reset them
	if merged.Validate() != nil {
		merged = *now
		done.Waiting, done.Changed = append(done.Waiting, done.Changed...), []api.Change{}
	}
	return &merged, done
}

// apply brings a checked configuration into force; nothing else changes that of a running node. Parts that can refuse it come
// first: after an error all is as before. What the keeper looks up in config() each time needs nothing here.
func (n *Node) apply(next *config.Config) error {
	n.claiming.Lock()
	defer n.claiming.Unlock()
	former := n.formerSubnets()
	if now := n.config(); now.Subnet.Auto != next.Subnet.Auto || !slices.Equal(now.Subnet.Prefixes, next.Subnet.Prefixes) {
		former = n.formerWith(next)
	}
	settings := n.meshSettings(next, former)
	if err := n.mesh.Check(settings); err != nil {
		return config.Errorf("%w", err)
	}
	old := n.live.Swap(next)
	n.claimFormer(former)
	n.protected.keep(next.Join)
	if h, ok := n.log.Handler().(*logHandler); ok {
		h.set(next)
	}
	if old.Metrics != next.Metrics {
		n.metrics.move()
	}
	if old.MTUProbe != next.MTUProbe {
		n.router.SetMTUProbes(next.MTUProbe)
	}
	if old.Rekey != next.Rekey {
		n.router.SetRekey(next.Rekey)
	}
	if old.Relay != next.Relay {
		n.router.SetRelaying(relaying(next))
	}
	n.changed()
	return n.mesh.Set(settings) // last: it asks us what is forbidden now; it was checked above
}

// meshSettings are those of cfg, with the former subnets that the node claims on.
func (n *Node) meshSettings(cfg *config.Config, former []netip.Prefix) mesh.Settings {
	return mesh.Settings{Subnet: meshSubnet(cfg, former), Bootstrap: cfg.Bootstrap, Routes: cfg.Routes, Seeds: cfg.Join, Lease: cfg.Lease}
}

// noteReload says in log and status how a reload went.
func (n *Node) noteReload(done *api.Reload, err error) {
	n.noteConfig(err)
	if err != nil {
		n.state.problem("config", err.Error()+"; what runs is unchanged")
		n.log.Error("node.reload.rejected", "error", err)
		return
	}
	waiting := ""
	if len(done.Waiting) > 0 {
		waiting = "needs a restart: " + api.Changes(done.Waiting)
	}
	n.state.problem("config", waiting)
	n.log.Info("node.reloaded", "changed", api.Changes(done.Changed), "needs_restart", api.Changes(done.Waiting))
}

// hearReloads reloads when somebody asks for it, until ctx ends. How it went is in log and status.
func (n *Node) hearReloads(ctx context.Context) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-n.reloads.source.Asked:
			_, _ = n.Reload()
		}
	}
}

// serveReload answers 'weft reload'.
func (n *Node) serveReload(w http.ResponseWriter, r *http.Request) {
	done, err := n.Reload()
	if errors.Is(err, config.ErrConfig) {
		http.Error(w, err.Error(), http.StatusUnprocessableEntity)
		return
	}
	reply(func() (*api.Reload, error) { return done, err })(w, r)
}
