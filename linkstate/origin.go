package linkstate

import (
	"slices"

	"github.com/weftnet/weft/trust"
)

// origin is a member, and the pages of it that are in force.
type origin struct {
	id     trust.Fingerprint
	number trust.Number
	keys   trust.PublicKeys
	pages  []*page // none outdates another
	rate   bucket  // of its new pages
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
	o.pages = append(o.pages, p)
	for _, q := range slices.Clone(o.pages) {
		if q.span.overlaps(p.span) && outdated(q.version, o.versions(func(other *page) bool { return other != q })) {
			o.drop(q)
		}
	}
}

// drop takes a page out.
func (o *origin) drop(p *page) {
	p.dropped = true
	o.pages = slices.DeleteFunc(o.pages, func(q *page) bool { return q == p })
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

// about is the page that counts for a link to another: the newest whose range has that one. nil: there is none.
func (o *origin) about(peer trust.Number) (by *page) {
	for _, p := range o.pages {
		if p.span.contains(peer) && (by == nil || p.stamp > by.stamp) {
			by = p
		}
	}
	return by
}

// has reports whether a page in force says the same as p.
func (o *origin) has(p *page) bool { return slices.ContainsFunc(o.pages, p.sameContent) }
