package firewall

import (
	"errors"
	"log/slog"
	"slices"

	"github.com/google/nftables"
	"golang.org/x/sys/unix"

	"github.com/weftnet/weft/kernel"
)

// reconcile is one run of Set that looks at the ruleset.
type reconcile struct {
	session *session
	want    State
	log     *slog.Logger
	chains  []*nftables.Chain // all of the ruleset
	changes kernel.Changes
	faults  faults
	missing error // the last transaction that named what the kernel does not have: taken away meanwhile, or never known
}

func (r *reconcile) run() (err error) {
	if r.chains, err = r.session.chains(); err != nil {
		return err
	}
	if err := r.table(); err != nil {
		return err
	}
	r.foreign()
	return r.faults.err()
}

// table makes our table as it is wanted, in one transaction, or removes it.
func (r *reconcile) table() error {
	table := ownTable(r.want.Device)
	exists, odd, err := r.session.table(table)
	if err != nil {
		return err
	}
	if r.want.Off {
		if !exists {
			return nil
		}
		r.session.nft.DelTable(table)
		return r.commit(kernel.Removed, KindTable, tableText(table))
	}
	wanted, err := tags(r.want.ownRules(), r.want.Device)
	if err != nil {
		return err
	}
	if exists && !odd && r.whole(table, wanted) {
		return nil
	}
	r.rebuild(table, wanted)
	if exists {
		return r.commit(kernel.Changed, KindTable, tableText(table))
	}
	return r.commit(kernel.Added, KindTable, tableText(table))
}

// whole reports whether the table has our chains and rules and nothing else. What cannot be listed is not whole.
func (r *reconcile) whole(table *nftables.Table, wanted []string) bool {
	var present []*nftables.Chain
	for _, c := range r.chains {
		if *c.Table == *table {
			present = append(present, c)
		}
	}
	if len(present) != len(r.want.ownChains()) {
		return false
	}
	byChain := map[string][]string{}
	for i, rule := range r.want.ownRules() {
		byChain[rule.chain] = append(byChain[rule.chain], wanted[i])
	}
	for _, c := range r.want.ownChains() {
		i := slices.IndexFunc(present, func(p *nftables.Chain) bool { return sameChain(p, c) })
		if i < 0 {
			return false
		}
		rules, err := r.session.rules(c, "")
		if err != nil || !slices.EqualFunc(rules, byChain[c.Name], func(f found, tag string) bool { return f.tag == tag }) {
			return false
		}
	}
	return true
}

func sameChain(a, b *nftables.Chain) bool {
	return a.Name == b.Name && a.Type == b.Type && same(a.Hooknum, b.Hooknum) && same(a.Priority, b.Priority) &&
		(b.Policy == nil || same(a.Policy, b.Policy))
}

func same[T comparable](a, b *T) bool {
	return a == b || a != nil && b != nil && *a == *b
}

// rebuild replaces the table by a new one: making it first lets the removal succeed where there is none.
func (r *reconcile) rebuild(table *nftables.Table, wanted []string) {
	nft := r.session.nft
	nft.AddTable(table)
	nft.DelTable(table)
	nft.AddTable(table)
	chains := map[string]*nftables.Chain{}
	for _, c := range r.want.ownChains() {
		chains[c.Name] = nft.AddChain(c)
	}
	for i, rule := range r.want.ownRules() {
		nft.AddRule(rule.nft(chains[rule.chain], wanted[i]))
	}
}

// commit sends what has been asked for as one transaction.
func (r *reconcile) commit(op kernel.Op, kind kernel.Kind, what string) error {
	err, operation := r.session.nft.Flush(), verbs[op]+" "+string(kind)+" "+what
	switch {
	case err == nil:
		r.changes = append(r.changes, kernel.Change{Op: op, Kind: kind, What: what})
		r.log.Debug("kernel.firewall.changed", "op", op, "kind", kind, "what", what)
		return nil
	case kind == KindTable && op != kernel.Removed && unknown(err):
		return ErrNotSupported
	case errors.Is(err, unix.ENOENT):
		// Gone already, or taken away meanwhile: that has raised the generation. It is also the answer to an expression that
		// the kernel has no module for.
		r.missing = explain(operation, err)
		return nil
	}
	return explain(operation, err)
}

var verbs = map[kernel.Op]string{kernel.Added: "add", kernel.Changed: "change", kernel.Removed: "remove"}
