package linkstate

import (
	"iter"
	"slices"

	"github.com/weftnet/weft/trust"
)

// origin is a member, and the pages of it that are in force.
type origin struct {
	id     trust.Fingerprint
	number trust.Number
	keys   trust.PublicKeys
	slot   int32   // in the topology
	pages  []*page // none outdates another
	heads  []head  // of pages, in the same order: a search for a link looks at all of them, and at one page
	rate   bucket  // of its new pages
}

// head is what a page is about.
type head struct {
	span  span
	stamp uint64
}

// versions are those of the pages that satisfy keep; nil: of all.
func (o *origin) versions(keep func(*page) bool) []version {
	var list []version
	for _, p := range o.pages {
		if keep == nil || keep(p) {
			list = append(list, p.version)
		}
	}
	return list
}

// put adds a page that is news, and drops those that it outdates, alone or together with others.
func (o *origin) put(p *page) {
	o.pages, o.heads = append(o.pages, p), append(o.heads, head{p.span, p.stamp})
	for _, q := range slices.Clone(o.pages) {
		if q.span.overlaps(p.span) && outdated(q.version, o.versions(func(other *page) bool { return other != q })) {
			o.drop(q)
		}
	}
}

// drop takes a page out.
func (o *origin) drop(p *page) {
	p.dropped = true
	if i := slices.Index(o.pages, p); i >= 0 {
		o.pages, o.heads = slices.Delete(o.pages, i, i+1), slices.Delete(o.heads, i, i+1)
	}
}

// newest is the newest page; nil: there is none.
func (o *origin) newest() (newest *page) {
	for _, p := range o.pages {
		if newest == nil || p.stamp > newest.stamp {
			newest = p
		}
	}
	return newest
}

// to is what the node says of its link to another.
func (o *origin) to(peer trust.Number) (quality, bool) {
	by := o.about(peer)
	if by == nil {
		return quality{}, false
	}
	return by.to(peer)
}

// peers are those to which the node states links.
func (o *origin) peers() iter.Seq[trust.Number] {
	return func(yield func(trust.Number) bool) {
		if o == nil {
			return
		}
		for _, p := range o.pages {
			for _, l := range p.links {
				if !yield(l.peer) {
					return
				}
			}
		}
	}
}

// reader is to for numbers that are asked for in ascending order, without the quality: whether the node states a link. It takes a few
// steps for each page and link in all, instead of a search for each number.
func (o *origin) reader() func(trust.Number) bool {
	rest := make([][]stated, len(o.pages))
	for i, p := range o.pages {
		rest[i] = p.links
	}
	return func(peer trust.Number) bool {
		by, found := uint64(0), false
		for i, p := range o.pages {
			if !p.span.contains(peer) || p.stamp <= by {
				continue
			}
			for len(rest[i]) > 0 && rest[i][0].peer < peer {
				rest[i] = rest[i][1:]
			}
			by, found = p.stamp, len(rest[i]) > 0 && rest[i][0].peer == peer
		}
		return found
	}
}

// about is the page that counts for a link to another: the newest whose range has that one. nil: there is none.
func (o *origin) about(peer trust.Number) *page {
	by, newest := -1, uint64(0)
	for i, h := range o.heads {
		if h.stamp > newest && h.span.contains(peer) { // no stamp is 0
			by, newest = i, h.stamp
		}
	}
	if by < 0 {
		return nil
	}
	return o.pages[by]
}

// has reports whether a page in force says the same as p.
func (o *origin) has(p *page) bool { return slices.ContainsFunc(o.pages, p.sameContent) }
