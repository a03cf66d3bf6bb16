package pods

import (
	"net/netip"
	"slices"

	"github.com/weftnet/weft/cni-shim/ipam"
)

// former is a former subnet.
type former struct {
	gateway netip.Prefix // the bridge's address there, with the subnet's length
	pods    int          // that live there or are on their way
}

func (f former) subnet() netip.Prefix { return f.gateway.Masked() }

// Former lists the subnets in which pods of this boot live, by the bridge and the book, and that are not among own: for a node that
// starts or is to have other subnets, and claims them until their pods have ended. It may be called from any goroutine.
func (k *Keeper) Former(own []netip.Prefix) ([]netip.Prefix, error) {
	records, err := k.book.Records()
	if err != nil {
		return nil, err
	}
	l, err := k.look(records)
	if err != nil {
		return nil, err
	}
	var list []netip.Prefix
	for _, f := range formerIn(l, own) {
		if f.pods > 0 {
			list = append(list, f.subnet())
		}
	}
	return list, nil
}

// formerIn are the former subnets by the addresses of the bridge.
func formerIn(l local, own []netip.Prefix) (list []former) {
	for _, a := range l.bridge.Addresses {
		f := former{gateway: a}
		if a.IsSingleIP() || a.Addr() != a.Masked().Addr().Next() || slices.Contains(own, f.subnet()) {
			continue
		}
		f.pods = f.count(l.pods) + f.count(l.coming)
		list = append(list, f)
	}
	return list
}

func (f former) count(records []ipam.Record) (n int) {
	for _, r := range records {
		if slices.ContainsFunc(r.Addresses, f.subnet().Contains) {
			n++
		}
	}
	return n
}

// keepFormer notes the former subnets, and takes the gateway of one away in which no pod has lived twice in a row: an ADD that has read an
// older lease may just be at work. While subnets are not known, none is a former one.
func (k *Keeper) keepFormer(l local, done *Kept) {
	if len(k.last.Subnets) == 0 {
		return
	}
	k.note(func(r *Report) { r.Looked = true })
	before := k.former
	if !l.mine { // somebody removed it: the addresses are those of before
		for i := range before {
			before[i].pods = before[i].count(l.pods) + before[i].count(l.coming)
		}
		return
	}
	k.former = formerIn(l, k.last.Subnets)
	for _, f := range slices.Clone(k.former) {
		ended := slices.ContainsFunc(before, func(b former) bool { return b.gateway == f.gateway && b.pods == 0 })
		if f.pods > 0 || !ended {
			continue
		}
		if err := k.host.DropGateway(f.gateway); err != nil {
			done.BridgeErr = err
			continue
		}
		k.former = slices.DeleteFunc(k.former, func(x former) bool { return x == f })
		done.Ended = append(done.Ended, Former{Subnet: f.subnet()})
	}
}

// keepRoutes gives each pod of a former subnet a route of its own, so that the rest of that subnet can be led to another node that has it by
// now, past the bridge. While subnets are not known, those of an earlier run stay.
func (k *Keeper) keepRoutes(l local, done *Kept) {
	if len(k.last.Subnets) == 0 {
		return
	}
	routed := done.BridgeErr == nil
	if routed && l.needed() && (len(k.former) > 0 || !k.unrouted) {
		routed = k.setRoutes(l, done)
	}
	var list []netip.Prefix
	for _, f := range k.former {
		if routed {
			list = append(list, f.subnet())
		}
	}
	k.note(func(r *Report) { r.Routed = list })
}

func (k *Keeper) setRoutes(l local, done *Kept) bool {
	var to []netip.Addr
	for _, r := range slices.Concat(l.pods, l.coming) {
		for _, a := range r.Addresses {
			if slices.ContainsFunc(k.former, func(f former) bool { return f.subnet().Contains(a) }) {
				to = append(to, a)
			}
		}
	}
	changes, err := k.host.SetHostRoutes(to)
	done.Bridge, done.BridgeErr = append(done.Bridge, changes...), err
	k.unrouted = err == nil && len(to) == 0
	return err == nil
}

// formers are those in which pods live.
func (k *Keeper) formers() (list []Former) {
	for _, f := range k.former {
		if f.pods > 0 {
			list = append(list, Former{f.subnet(), f.pods})
		}
	}
	return list
}
