package pods

import (
	"context"
	"errors"
	"maps"
	"slices"

	"github.com/weftnet/weft/cni-shim/ipam"
	"github.com/weftnet/weft/cni-shim/podnet"
	"github.com/weftnet/weft/kernel"
)

// Kept is what one Keep did and found.
type Kept struct {
	Freed     []ipam.Record  // of pods that had vanished
	Bridge    kernel.Changes // to the bridge
	Replugged []string       // host ends that are ports of the bridge again
	Guard     kernel.Changes
	Ended     []Former // former subnets whose last pod has ended

	BookErr, BridgeErr, GuardErr error // each in one line; the next Keep tries again
}

// Due reports whether the bridge has come or gone since the last Keep, so that the next one is not to wait: the first pod lives here, or
// somebody removed the bridge. It costs one question.
func (k *Keeper) Due() bool {
	state, err := k.host.Bridge()
	kept := k.Report().Bridge != ""
	return err == nil && (k.knows(state) || kept && state.Ours) != kept
}

// GuardDamaged reports whether somebody has removed or changed the guard that pods have since the last Keep, as a firewall does that begins
// with 'flush ruleset', so that the next Keep is not to wait. It reads the guard's table, and is to be called when the packet filter has changed.
func (k *Keeper) GuardDamaged() bool {
	if k.Report().Guard != GuardOn {
		return false
	}
	damaged, err := k.host.GuardDamaged()
	return err == nil && damaged
}

// Keep frees the addresses of pods that have vanished, and puts bridge, ports and guard right where a pod needs them. It is to run every
// few seconds.
func (k *Keeper) Keep(ctx context.Context) (done Kept) {
	k.gso = 0
	done.Freed, done.BookErr = k.watch.Free(ctx, k.host.Interfaces)
	records, err := k.book.Records() // a book that can be read is enough for bridge and guard: the disk may be full, or the lock held
	if err != nil {
		done.BookErr = err
		return done
	}
	l, err := k.look(records)
	if done.BridgeErr = err; err != nil {
		return done
	}
	k.keepBridge(l, &done)
	k.keepGuard(l, &done)
	k.settle(l, &done)
	return done
}

// local is what lives on this node.
type local struct {
	bridge  podnet.BridgeState
	mine    bool          // the bridge is there, and of this node
	records []ipam.Record // all
	ends    map[string]podnet.HostEndState
	pods    []ipam.Record  // held, with a host end that is a port of Bridge, or was
	coming  []ipam.Record  // held, and without a host end: ADD is at work, or the pod has vanished
	others  map[string]int // held, with a host end that is a port of another bridge: how many, by its name
}

func (k *Keeper) look(records []ipam.Record) (l local, err error) {
	l.records, l.others = records, map[string]int{}
	if l.bridge, err = k.host.Bridge(); err != nil {
		return l, err
	}
	l.mine = k.knows(l.bridge)
	held := slices.DeleteFunc(slices.Clone(records), func(r ipam.Record) bool { return r.State != ipam.Held || r.HostEnd == "" })
	if len(held) == 0 {
		return l, nil
	}
	if l.ends, err = k.host.HostEnds(); err != nil {
		return l, err
	}
	for _, r := range held {
		switch end, there := l.ends[r.HostEnd]; {
		case !there:
			l.coming = append(l.coming, r)
		case end.Master == Bridge || end.Master == "":
			l.pods = append(l.pods, r)
			l.mine = l.mine || l.bridge.Ours
		default:
			l.others[end.Master]++
		}
	}
	return l, nil
}

// needed reports whether the bridge and the guard are to be there: they are, or a pod needs them. A host end without a bridge that is not
// up yet is one that ADD is just making, maybe for another bridge.
func (l *local) needed() bool {
	return l.mine || slices.ContainsFunc(l.pods, func(r ipam.Record) bool { return l.ends[r.HostEnd].Up })
}

// keepBridge puts the bridge right, and plugs in again what was a port of it.
func (k *Keeper) keepBridge(l local, done *Kept) {
	if !l.needed() || k.bridge.Name == "" {
		return
	}
	want := k.bridge
	want.Gateways = slices.Clone(want.Gateways)
	for _, f := range k.former {
		want.Gateways = append(want.Gateways, f.gateway)
	}
	if done.Bridge, done.BridgeErr = k.host.SetBridge(want); done.BridgeErr != nil {
		return
	}
	for _, r := range l.pods {
		if end := l.ends[r.HostEnd]; end.Master != "" || !end.Up {
			continue
		}
		if err := k.host.Replug(podnet.Pod{HostEnd: r.HostEnd, Bridge: Bridge, Addrs: r.Addresses}); err != nil {
			done.BridgeErr = errors.Join(done.BridgeErr, err)
			continue
		}
		done.Replugged = append(done.Replugged, r.HostEnd)
	}
}

// keepGuard puts the guard right. A pod of another bridge is that one's guard's.
func (k *Keeper) keepGuard(l local, done *Kept) {
	if !l.needed() {
		return
	}
	done.Guard, done.GuardErr = k.host.SetGuard(func() ([]podnet.Member, error) {
		records, err := k.book.Records()
		if err != nil {
			return nil, err
		}
		now, err := k.host.HostEnds()
		return members(records, l.ends, now), err
	})
}

// members are the pods that the guard is to know. ADD makes a host end up last, DEL takes it down first: one that is not up before the guard
// was looked at and after that is theirs at this moment.
func members(records []ipam.Record, before, now map[string]podnet.HostEndState) (list []podnet.Member) {
	for _, r := range records {
		master := before[r.HostEnd].Master
		if r.State == ipam.Held && r.HostEnd != "" && len(r.Addresses) > 0 && (master == Bridge || master == "") {
			m := podnet.Pod{HostEnd: r.HostEnd, Addrs: r.Addresses}.Member()
			m.Unsettled = !before[r.HostEnd].Up || !now[r.HostEnd].Up
			list = append(list, m)
		}
	}
	return list
}

// settle looks after former subnets, and notes everything for Report.
func (k *Keeper) settle(l local, done *Kept) {
	k.keepFormer(l, done)
	k.keepRoutes(l, done)
	k.note(func(r *Report) {
		r.Usage, r.Held, r.Rests = ipam.UsageOf(k.last.Subnets, l.records), 0, 0
		for _, x := range l.records {
			if x.State == ipam.Held {
				r.Held++
			} else {
				r.Rests++
			}
		}
		r.Freed += uint64(len(done.Freed))
		r.Former, r.Elsewhere = k.formers(), elsewhere(l.others)
		r.standing(l, done)
	})
}

func elsewhere(others map[string]int) (list []Elsewhere) {
	for _, bridge := range slices.Sorted(maps.Keys(others)) {
		list = append(list, Elsewhere{bridge, others[bridge]})
	}
	return list
}

// standing notes how bridge and guard stand.
func (r *Report) standing(l local, done *Kept) {
	r.Bridge, r.Taken, r.Guard, r.Why = "", "", GuardOff, ""
	if l.bridge.Taken != nil {
		r.Taken = l.bridge.Taken.Error()
	}
	if !l.needed() {
		return
	}
	r.Bridge, r.Guard = Bridge, GuardOn
	if done.GuardErr != nil {
		r.Guard, r.Why = GuardNone, done.GuardErr.Error()
	}
}
