package cnishim

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"slices"

	"github.com/containernetworking/cni/pkg/skel"
	"github.com/containernetworking/cni/pkg/types"

	"github.com/weftnet/weft/cni-shim/ipam"
	"github.com/weftnet/weft/cni-shim/podnet"
)

// gc removes every attachment of the network that the runtime does not name any more, and what has no record at all.
func gc(args *skel.CmdArgs) error {
	c := parseLoosely(args.StdinData)
	valid, err := validAttachments(args.StdinData)
	if err != nil {
		return err
	}
	book, err := openBook(c, anyLease(c))
	if err != nil {
		return err
	}
	run := &collection{config: c, book: book, valid: valid}
	return coded(run.run())
}

// validAttachments are those that the runtime names. It is as strict as GC is otherwise loose: of a list that it reads in part it would remove
// pods that live.
func validAttachments(data []byte) ([]ipam.Key, error) {
	keys, _ := keysOf(data) // an error leaves no keys
	text, given := keys[validKey]
	if !given || string(text) == "null" {
		return nil, fail(codeConfig, "key %q is missing: GC removes what it does not name", validKey)
	}
	var list []types.GCAttachment
	if err := json.Unmarshal(text, &list); err != nil {
		return nil, fail(codeConfig, "key %q: %s: nothing was removed", validKey, wanted(err))
	}
	valid := make([]ipam.Key, len(list))
	for i, v := range list {
		if v.ContainerID == "" || v.IfName == "" {
			return nil, fail(codeConfig, "key %q: attachment %d has no containerID or no ifname: nothing was removed", validKey, i+1)
		}
		valid[i] = ipam.Key{Container: v.ContainerID, IfName: v.IfName}
	}
	return valid, nil
}

// validKey is the key that GC is told the attachments by which stay.
const validKey = "cni.dev/valid-attachments"

// collection is one GC.
type collection struct {
	config *config
	book   *ipam.Book
	valid  []ipam.Key // the attachments that stay
	host   *podnet.Host
	faults []error
}

// run looks at the kernel first and at the book afterwards: what an ADD makes meanwhile has a record by then. Where there is no book, nothing is
// without a record: it may be in another folder, which a lease that is not there would have named.
func (g *collection) run() (err error) {
	if g.host, err = podnet.Open(); err != nil {
		return err
	}
	defer g.host.Close()
	ends, err := g.host.HostEnds(g.config.Bridge)
	if err != nil {
		return err
	}
	guarded, err := podnet.NewGuard(g.config.Bridge).Ports()
	if err != nil && !errors.Is(err, podnet.ErrNoGuard) {
		return err
	}
	records, err := g.book.Records()
	if err != nil {
		return booked(err)
	}
	g.ended(records)
	if _, err := os.Stat(g.book.Path()); err == nil {
		g.orphans(append(ends, guarded...), records)
	}
	return errors.Join(g.faults...)
}

// ended removes the attachments of this network that the runtime does not name. A record ends when the kernel has nothing of it any more; no
// other does, such as that of an ADD that came meanwhile.
func (g *collection) ended(records []ipam.Record) {
	var gone []ipam.Key
	for _, r := range records {
		if r.State != ipam.Held || r.Network != g.config.Name || slices.Contains(g.valid, r.Key) {
			continue
		}
		if err := g.remove(r.HostEnd, r); err == nil {
			gone = append(gone, r.Key)
		}
	}
	if _, err := g.book.ReleaseAll(context.Background(), gone); err != nil {
		g.faults = append(g.faults, booked(err))
	}
}

// orphans removes ports of the bridge, and elements of the guard, that neither a record nor the runtime speaks of.
func (g *collection) orphans(ports []string, records []ipam.Record) {
	recorded := map[string]bool{}
	for _, k := range g.valid {
		recorded[podnet.HostEnd(k.Container, k.IfName)] = true
	}
	for _, r := range records {
		if r.State == ipam.Held {
			recorded[r.HostEnd] = true
		}
	}
	for _, port := range ports {
		if !recorded[port] {
			_ = g.remove(port, ipam.Record{})
			recorded[port] = true // it may be among the guarded, too
		}
	}
}

func (g *collection) remove(hostEnd string, r ipam.Record) error {
	err := detach(g.host, g.config.Bridge, podnet.Gone{HostEnd: hostEnd, Bridge: g.config.Bridge, Addrs: r.Addresses, NetNS: r.NetNS, IfName: r.IfName})
	if err != nil {
		g.faults = append(g.faults, err)
	}
	return err
}
