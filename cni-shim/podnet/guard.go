package podnet

import (
	"bytes"
	"errors"
	"fmt"
	"slices"

	"github.com/google/nftables"
	"golang.org/x/sys/unix"

	"github.com/weftnet/weft/kernel"
)

// ErrNoGuard says that the kernel cannot keep pods to their own addresses.
var ErrNoGuard = errors.New("podnet: this kernel has no nf_tables for family bridge (NF_TABLES_BRIDGE, Linux 5.3; module nf_tables_bridge): " +
	"pods of this node can use addresses that are not theirs, and while net.bridge.bridge-nf-call-iptables (or -ip6tables) is 1 they reach no " +
	"service whose pod is on this node: modprobe nf_tables_bridge, or set these to 0")

// Guard keeps the pods of a bridge to their own addresses. One goroutine uses it at a time; after Remove, Close it.
type Guard struct {
	bridge string
	table  *nftables.Table
	seen   *guardView       // what the last Set saw, at its generation; nil: nothing yet
	open   []*nftables.Conn // sockets that Close closes
}

// NewGuard returns the guard of a bridge, which need not exist. It asks the kernel for nothing.
func NewGuard(bridge string) *Guard {
	return &Guard{bridge: bridge, table: guardTable(bridge)}
}

// String is the table, as nft(8) names it.
func (g *Guard) String() string { return "bridge " + g.table.Name }

// Add lets a pod use what is its own, and nothing else; where there is no table yet, it makes it. What is there already stays.
// ErrNoGuard: the kernel cannot, and the pod is not guarded.
func (g *Guard) Add(m Member) error {
	err := g.batch(func(b *guardBatch) { b.add(m.keys()) })
	if !errors.Is(err, unix.ENOENT) {
		return g.explain("add "+m.HostEnd, err)
	}
	err = g.batch(func(b *guardBatch) { b.create(m.keys()) })
	if errors.Is(err, unix.EEXIST) { // another process has made it meanwhile, or there is half of one
		err = g.batch(func(b *guardBatch) { b.add(m.keys()) })
	}
	if errors.Is(err, unix.ENOENT) && g.Supported() == nil {
		err = g.mend(m)
	}
	return g.explain("add "+m.HostEnd, err)
}

// mend makes a table of which somebody has removed a part as a whole again, with what is left of its elements.
func (g *Guard) mend(m Member) error {
	view, err := g.look()
	if err != nil {
		return err
	}
	keys := view.keys
	for set, list := range m.keys() {
		keys[set] = append(keys[set], list...)
	}
	return g.batch(func(b *guardBatch) { b.replace(keys) })
}

// Remove forgets a port. The addresses of m may be missing: then the elements of the port are looked for, if the guard knows it. It belongs
// behind Disable, or Detach, because a port that the guard does not know may do everything. What is not there is no error.
func (g *Guard) Remove(m Member) error {
	if len(m.Addrs) == 0 {
		return g.removePort(m.HostEnd)
	}
	err := g.leave(func(b *guardBatch) { b.remove(m.keys()) })
	if !errors.Is(err, unix.ENOENT) {
		return g.explain("remove "+m.HostEnd, err)
	}
	return g.removeFound(m.HostEnd)
}

// removePort is Remove where the addresses are not known. Runtimes repeat DEL, and mostly there is nothing left: to look at the ports alone is
// quick, while the kernel waits for all CPUs after a removal that it refuses (__nf_tables_abort in net/netfilter/nf_tables_api.c).
func (g *Guard) removePort(name string) error {
	nft, err := nftables.New()
	if err != nil {
		return g.explain("remove "+name, err)
	}
	ports, err := nft.GetSetElements(guardSets(g.table)[setPorts])
	key := padded([]byte(name), interfaceName)
	isPort := func(e nftables.SetElement) bool { return bytes.Equal(e.Key, key) }
	if err == nil && !slices.ContainsFunc(ports, isPort) || errors.Is(err, unix.ENOENT) {
		return nil
	}
	return g.removeFound(name)
}

// removeFound removes the elements that a port has.
func (g *Guard) removeFound(port string) error {
	for range removeTries {
		view, err := g.look()
		if err != nil || !view.exists {
			return g.explain("remove "+port, err)
		}
		keys := view.of(port)
		if err = g.leave(func(b *guardBatch) { b.remove(keys) }); !errors.Is(err, unix.ENOENT) {
			return g.explain("remove "+port, err)
		}
	}
	return nil // somebody else removes the same
}

// removeTries is how often elements are looked for that somebody else removes at the same time.
const removeTries = 3

// Set makes the guard as a whole: the table with its chains, sets and rules, one member for each pod of members, and the ports of the
// bridge: those of members are open, and other host ends isolated, as all of them are where ErrNoGuard is returned. What bridge and host
// are to know of members is added where it is missing. It is idempotent; when nobody has changed the ruleset since the last Set, it costs
// one question for its generation, and lists of ports and neighbours. members is called once or a few times, after all this was listed: a
// pod that ADD has just written down is not taken for one that is gone.
func (g *Guard) Set(members func() ([]Member, error)) (kernel.Changes, error) {
	ports, err := hostPorts(g.bridge)
	if err != nil {
		return nil, err
	}
	known, err := listKnown(g.bridge)
	if err != nil {
		return nil, err
	}
	var all []Member
	changes, err := g.setTable(func() (_ []Member, err error) {
		all, err = members()
		return all, err
	})
	guarded := all
	switch {
	case errors.Is(err, ErrNoGuard):
		guarded = nil
		var membersErr error
		if all, membersErr = members(); membersErr != nil {
			return changes, membersErr
		}
	case err != nil:
		return changes, err
	}
	opened, portsErr := keepPorts(ports, guarded)
	added, knownErr := known.keep(g.bridge, ports, all)
	return slices.Concat(changes, opened, added), errors.Join(err, portsErr, knownErr)
}

func (g *Guard) setTable(members func() ([]Member, error)) (changes kernel.Changes, err error) {
	for range setTries {
		more, err := g.setOnce(members)
		changes = append(changes, more...)
		if err != nil || !more.Any() {
			return changes, err
		}
	}
	return changes, nil
}

// setTries is how often Set looks again after it has changed something, which may have crossed the change of another process.
const setTries = 3

func (g *Guard) setOnce(members func() ([]Member, error)) (kernel.Changes, error) {
	view, err := g.current()
	if err != nil {
		return nil, g.explain("look at the guard", err)
	}
	list, err := members()
	if err != nil {
		return nil, err
	}
	allowed := keysOf(list)
	if !view.whole {
		op := kernel.Added
		if view.exists {
			op = kernel.Changed
		}
		return g.changed(op, g.String(), g.batch(func(b *guardBatch) { b.replace(allowed) }))
	}
	wanted := keysOf(slices.DeleteFunc(slices.Clone(list), func(m Member) bool { return m.Unsettled }))
	missing, extra := difference(wanted, view.keys), difference(view.keys, allowed)
	if len(missing)+len(extra) == 0 {
		return nil, nil
	}
	what := fmt.Sprintf("%s: elements of %d ports added, of %d removed", g, ports(missing), ports(extra))
	return g.changed(kernel.Changed, what, g.batch(func(b *guardBatch) {
		b.remove(extra)
		b.add(missing)
	}))
}

// changed is what Set reports of a transaction. One that names what is not there crossed somebody else's; the next Set looks again.
func (g *Guard) changed(op kernel.Op, what string, err error) (kernel.Changes, error) {
	g.seen = nil
	if errors.Is(err, unix.ENOENT) && g.Supported() == nil {
		return nil, nil
	}
	if err != nil {
		return nil, g.explain("set "+g.String(), err)
	}
	return kernel.Changes{{Op: op, Kind: KindGuard, What: what}}, nil
}

// Clear removes the table, if there is one.
func (g *Guard) Clear() error {
	g.seen = nil
	err := g.batch(func(b *guardBatch) { b.nft.DelTable(g.table) })
	if errors.Is(err, unix.ENOENT) || unsupported(err) {
		return nil
	}
	return g.explain("remove "+g.String(), err)
}

// Supported probes whether the kernel takes the guard: the table is made under another name and taken away in one transaction, so that
// nobody ever sees it. nil: it does. ErrNoGuard: it does not. Any other error: the probe itself failed.
func (g *Guard) Supported() error {
	probe := &Guard{bridge: g.bridge, table: &nftables.Table{Name: g.table.Name + ".probe", Family: g.table.Family}}
	err := probe.batch(func(b *guardBatch) {
		b.create(nil)
		b.nft.DelTable(probe.table)
	})
	if errors.Is(err, unix.ENOENT) {
		return ErrNoGuard
	}
	return probe.explain("probe the guard", err)
}

// unsupported reports whether the kernel does not know the family, a chain type or an expression.
func unsupported(err error) bool {
	return errors.Is(err, unix.EOPNOTSUPP) || errors.Is(err, unix.EAFNOSUPPORT) || errors.Is(err, unix.EPROTONOSUPPORT)
}

func (g *Guard) explain(operation string, err error) error {
	if errors.Is(err, ErrNoGuard) || unsupported(err) {
		return ErrNoGuard
	}
	if errors.Is(err, unix.ENOENT) {
		if probe := g.Supported(); probe != nil && errors.Is(probe, ErrNoGuard) {
			return ErrNoGuard
		}
	}
	return explain(operation, err)
}
