package podnet

import (
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/google/nftables"
	"github.com/google/nftables/userdata"
	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"
)

// guardView is the guard's table as the kernel has it.
type guardView struct {
	generation uint32 // of the ruleset
	exists     bool
	whole      bool                // its chains, sets and rules are as wanted
	keys       map[string][]string // elements, by set; those of sets that are not ours are left out
}

// of is the elements of a port.
func (v *guardView) of(hostEnd string) map[string][]string {
	port := string(padded([]byte(hostEnd), interfaceName))
	found := map[string][]string{}
	for set, keys := range v.keys {
		for _, k := range keys {
			if strings.HasPrefix(k, port) {
				found[set] = append(found[set], k)
			}
		}
	}
	return found
}

// ports names the ports of which there are elements.
func (v *guardView) ports() []string {
	var names []string
	for _, keys := range v.keys {
		for _, k := range keys {
			names = append(names, strings.TrimRight(k[:interfaceName], "\x00"))
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// current is the present view: the last one, if nobody has changed the ruleset since.
func (g *Guard) current() (*guardView, error) {
	now, err := generation()
	if err != nil {
		return nil, err
	}
	if g.seen != nil && g.seen.generation == now {
		return g.seen, nil
	}
	g.seen, err = g.look()
	return g.seen, err
}

// lookTries is how often the table is looked at again that changed meanwhile.
const lookTries = 5

// look reads the table. What changes while it is read is read again; in the end what was read last counts, and the next look tells.
func (g *Guard) look() (view *guardView, err error) {
	for range lookTries {
		before, err := generation()
		if err != nil {
			return nil, err
		}
		if view, err = g.read(); err != nil {
			return nil, err
		}
		view.generation = before
		if after, err := generation(); err != nil || after == before {
			return view, err
		}
	}
	return view, nil
}

func (g *Guard) read() (*guardView, error) {
	view := &guardView{keys: map[string][]string{}}
	nft, err := nftables.New()
	if err != nil {
		return nil, err
	}
	tables, err := nft.ListTablesOfFamily(g.table.Family)
	if err != nil {
		return nil, err
	}
	i := slices.IndexFunc(tables, func(t *nftables.Table) bool { return t.Name == g.table.Name && t.Family == g.table.Family })
	if i < 0 {
		return view, nil
	}
	view.exists = true
	sets, err := g.readSets(nft, view)
	if gone(err) {
		return view, nil
	}
	if err != nil {
		return nil, err
	}
	rules, err := g.rulesWhole(nft)
	view.whole = tables[i].Flags == 0 && sets && rules && err == nil
	if gone(err) {
		err = nil
	}
	return view, err
}

// gone reports whether something was removed between being listed and being read.
func gone(err error) bool { return err != nil && strings.Contains(err.Error(), unix.ENOENT.Error()) } // the library does not wrap it

// readSets reads the elements, and reports whether the sets are ours and no others.
func (g *Guard) readSets(nft *nftables.Conn, view *guardView) (whole bool, err error) {
	present, err := nft.GetSets(g.table)
	if err != nil {
		return false, err
	}
	wanted := guardSets(g.table)
	matching := 0
	for _, s := range present {
		want := wanted[s.Name]
		if want == nil || s.KeyType.Bytes != want.KeyType.Bytes || s.IsMap {
			continue
		}
		matching++
		elements, err := nft.GetSetElements(want)
		if err != nil {
			return false, err
		}
		for _, e := range elements {
			view.keys[s.Name] = append(view.keys[s.Name], string(e.Key))
		}
	}
	return matching == len(wanted) && len(present) == len(wanted), nil
}

// rulesWhole reports whether chains and rules are as wanted, and no others are there.
func (g *Guard) rulesWhole(nft *nftables.Conn) (bool, error) {
	all, err := nft.ListChainsOfTableFamily(g.table.Family)
	if err != nil {
		return false, err
	}
	present := slices.DeleteFunc(all, func(c *nftables.Chain) bool { return c.Table.Name != g.table.Name })
	wanted := guardChains(g.table)
	if len(present) != len(wanted) {
		return false, nil
	}
	tags := map[string][]string{}
	for _, r := range guardRules() {
		tags[r.chain] = append(tags[r.chain], r.tag())
	}
	for _, want := range wanted {
		if !slices.ContainsFunc(present, func(c *nftables.Chain) bool { return sameChain(c, want) }) {
			return false, nil
		}
		rules, err := nft.GetRules(g.table, want)
		if err != nil || !slices.EqualFunc(rules, tags[want.Name], func(r *nftables.Rule, tag string) bool { return tagOf(r) == tag }) {
			return false, err
		}
	}
	return true, nil
}

func tagOf(r *nftables.Rule) string { return string(userdata.Get(r.UserData, tagType)) }

func sameChain(a, b *nftables.Chain) bool {
	return a.Name == b.Name && a.Type == b.Type && same(a.Hooknum, b.Hooknum) && same(a.Priority, b.Priority) &&
		(b.Policy == nil || same(a.Policy, b.Policy))
}

func same[T comparable](a, b *T) bool { return a == b || a != nil && b != nil && *a == *b }

// Damaged reports whether somebody has changed the guard since the last Set: the table, a chain, a rule or a set is not as Set makes it, or
// a port lacks a part of its elements. A port without any is one that DEL has removed.
func (g *Guard) Damaged() (bool, error) {
	view, err := g.read()
	if err != nil {
		return false, g.explain("look at the guard", err)
	}
	if !view.whole || g.seen == nil {
		return !view.whole, nil
	}
	left := view.ports()
	lacking := guardView{keys: difference(g.seen.keys, view.keys)}
	return slices.ContainsFunc(lacking.ports(), func(port string) bool { return slices.Contains(left, port) }), nil
}

// Ports names the ports that the guard has elements of.
func (g *Guard) Ports() ([]string, error) {
	view, err := g.look()
	if err != nil {
		return nil, g.explain("list ports", err)
	}
	return view.ports(), nil
}

// Check reports as a *BrokenError what is missing of the guard for a pod, and a port that is isolated although there is the guard. On a
// kernel that cannot guard, only a port that is not isolated is broken.
func (g *Guard) Check(m Member) error {
	faults, err := g.checkTable(m)
	guarded := !errors.Is(err, ErrNoGuard)
	if err != nil && guarded {
		return err
	}
	atPort, err := g.checkPort(m.HostEnd, guarded)
	if err != nil {
		return err
	}
	if faults = append(faults, atPort...); len(faults) == 0 {
		return nil
	}
	return &BrokenError{faults}
}

// checkTable reports what is missing of the table for a pod, or ErrNoGuard.
func (g *Guard) checkTable(m Member) (faults []string, err error) {
	view, err := g.look()
	if err != nil {
		return nil, g.explain("look at the guard", err)
	}
	if !view.exists {
		if errors.Is(g.Supported(), ErrNoGuard) {
			return nil, ErrNoGuard
		}
		return []string{fmt.Sprintf("nftables table %s is gone: nobody keeps pods to their own addresses", g)}, nil
	}
	if !view.whole {
		faults = append(faults, fmt.Sprintf("nftables table %s is not as weft makes it", g))
	}
	if len(difference(m.keys(), view.keys)) > 0 {
		faults = append(faults, fmt.Sprintf("nftables table %s lacks elements of port %s", g, m.HostEnd))
	}
	return faults, nil
}

// keysOf are the elements of all members, by set.
func keysOf(list []Member) map[string][]string {
	all := map[string][]string{}
	for _, m := range list {
		for set, keys := range m.keys() {
			all[set] = append(all[set], keys...)
		}
	}
	return all
}

// difference is what a has and b has not, by set; sets without such elements are left out.
func difference(a, b map[string][]string) map[string][]string {
	missing := map[string][]string{}
	for set, keys := range a {
		have := make(map[string]bool, len(b[set]))
		for _, k := range b[set] {
			have[k] = true
		}
		for _, k := range keys {
			if !have[k] {
				missing[set] = append(missing[set], k)
			}
		}
	}
	return missing
}

// ports is of how many ports there are elements.
func ports(keys map[string][]string) int { return len((&guardView{keys: keys}).ports()) }

// generation is the number of the present ruleset, which the kernel raises with every change.
func generation() (uint32, error) {
	conn, err := netlink.Dial(unix.NETLINK_NETFILTER, nil)
	if err != nil {
		return 0, err
	}
	defer conn.Close()
	replies, err := conn.Execute(netlink.Message{
		Header: netlink.Header{Type: netlink.HeaderType(unix.NFNL_SUBSYS_NFTABLES<<8 | unix.NFT_MSG_GETGEN), Flags: netlink.Request},
		Data:   []byte{unix.AF_UNSPEC, unix.NFNETLINK_V0, 0, 0},
	})
	if errors.Is(err, unix.EINVAL) || errors.Is(err, unix.EOPNOTSUPP) {
		return 0, ErrNoGuard
	}
	if err != nil {
		return 0, err
	}
	for _, r := range replies {
		if number, ok := generationIn(r.Data); ok {
			return number, nil
		}
	}
	return 0, errors.New("the kernel gave no generation of its ruleset")
}

// nfgenmsgLen is the length of struct nfgenmsg in front of the attributes (linux/netfilter/nfnetlink.h).
const nfgenmsgLen = 4

func generationIn(message []byte) (number uint32, ok bool) {
	if len(message) < nfgenmsgLen {
		return 0, false
	}
	ad, err := netlink.NewAttributeDecoder(message[nfgenmsgLen:])
	if err != nil {
		return 0, false
	}
	ad.ByteOrder = binary.BigEndian
	for ad.Next() {
		if ad.Type() == unix.NFTA_GEN_ID {
			number, ok = ad.Uint32(), true
		}
	}
	return number, ok && ad.Err() == nil
}
