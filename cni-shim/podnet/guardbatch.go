package podnet

import (
	"slices"

	"github.com/google/nftables"
)

// guardBatch is one transaction with the guard's table.
type guardBatch struct {
	nft   *nftables.Conn
	table *nftables.Table
	sets  map[string]*nftables.Set
	err   error // the first one of writing the messages
}

// batch sends what fill asks for as one transaction: all of it is done, or nothing.
func (g *Guard) batch(fill func(*guardBatch)) error {
	nft, err := g.send(fill)
	if nft != nil {
		_ = nft.CloseLasting()
	}
	return err
}

// leave is batch whose socket stays open until Close. After a removal the kernel lets nobody close a socket of nfnetlink, nor change the
// ruleset meanwhile, until no CPU can see what was removed (nft_rcv_nl_event in net/netfilter/nf_tables_api.c); that takes some ten
// milliseconds. Who has other things to do closes it after them.
func (g *Guard) leave(fill func(*guardBatch)) error {
	nft, err := g.send(fill)
	if nft != nil {
		g.open = append(g.open, nft)
	}
	return err
}

// Close closes the sockets that Remove has left open.
func (g *Guard) Close() {
	for _, nft := range g.open {
		_ = nft.CloseLasting()
	}
	g.open = nil
}

// send sends a transaction over a socket of its own, which the caller closes.
func (g *Guard) send(fill func(*guardBatch)) (*nftables.Conn, error) {
	nft, err := nftables.New(nftables.AsLasting())
	if err != nil {
		return nil, err
	}
	b := &guardBatch{nft: nft, table: g.table, sets: guardSets(g.table)}
	fill(b)
	if b.err != nil {
		return nft, b.err
	}
	return nft, nft.Flush()
}

// elementsPerMessage keeps the attribute that lists elements far below the 64 KiB that it can have.
const elementsPerMessage = 256

// each hands over the elements of keys, set by set, in messages that are not too long.
func (b *guardBatch) each(keys map[string][]string, send func(*nftables.Set, []nftables.SetElement) error) {
	for _, name := range setNames {
		for chunk := range slices.Chunk(keys[name], elementsPerMessage) {
			elements := make([]nftables.SetElement, len(chunk))
			for i, key := range chunk {
				elements[i].Key = []byte(key)
			}
			if err := send(b.sets[name], elements); err != nil && b.err == nil {
				b.err = err
			}
		}
	}
}

func (b *guardBatch) add(keys map[string][]string) { b.each(keys, b.nft.SetAddElements) }

func (b *guardBatch) remove(keys map[string][]string) { b.each(keys, b.nft.SetDeleteElements) }

// create makes the table with everything in it. It fails if the table exists.
func (b *guardBatch) create(keys map[string][]string) {
	b.nft.CreateTable(b.table)
	b.fill(keys)
}

// replace makes the table anew: making it first lets the removal succeed where there is none.
func (b *guardBatch) replace(keys map[string][]string) {
	b.nft.AddTable(b.table)
	b.nft.DelTable(b.table)
	b.nft.AddTable(b.table)
	b.fill(keys)
}

func (b *guardBatch) fill(keys map[string][]string) {
	for _, name := range setNames {
		if err := b.nft.AddSet(b.sets[name], nil); err != nil && b.err == nil {
			b.err = err
		}
	}
	b.add(keys)
	for _, c := range guardChains(b.table) {
		b.nft.AddChain(c)
	}
	for _, r := range guardRules() {
		b.nft.AddRule(r.nft(b.table))
	}
}
