// Package handover passes the descriptors of device and port on to the process of the next start, through the store of a service
// manager.
package handover

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"

	"github.com/weftnet/weft/inherit"
	"github.com/weftnet/weft/tun"
)

// The kinds of descriptors that outlive a process. Each is stored under its inherit.Name, with its number in the order of
// Descriptors.
const (
	Device = "tun" // the queues of the device
	Port   = "udp" // the sockets of the port, of all lanes
	TCP    = "tcp" // the listener of streams
)

// Handover lets device and port outlive the process: a service manager holds their descriptors, and the next start goes on
// with them. Meanwhile the device keeps its carrier, packets wait in its queues, and frames and connections in the sockets.
//
// What is inherited is checked before it is used. Where it is not what this start would open, it is refused with a reason,
// removed from the store, and opened anew.
//
// Run uses it until the keeper starts and after that has ended, the keeper in between.
type Handover struct {
	store     Store // nil: none
	log       *slog.Logger
	inherited map[string][]inherited // by kind; not taken yet
	stored    map[string][]string    // by kind: names that the store has
	used      []string               // kinds that this process goes on with
	failed    map[string]error       // by kind: why it is not stored
	devices   bool                   // another process could go on with the device, too
	whole     atomic.Bool            // what Keeps returns; anybody reads it
}

// inherited is a descriptor of an earlier process.
type inherited struct {
	number int
	file   *os.File
}

// New goes on with what the store gives back of an earlier process; without a store (nil) all is opened anew. What is unknown
// there is removed.
func New(store Store, log *slog.Logger) *Handover {
	h := &Handover{store: store, log: log, inherited: map[string][]inherited{}, stored: map[string][]string{}, failed: map[string]error{}}
	if store == nil {
		return h
	}
	for _, f := range store.Inherited() {
		h.sort(f)
	}
	return h
}

// sort notes a descriptor under its kind. One that this version does not know is removed.
func (h *Handover) sort(f *os.File) {
	kind, number, ok := inherit.ParseName(f.Name())
	if !ok || !slices.Contains([]string{Device, Port, TCP}, kind) {
		h.log.Warn("node.handover.unknown", "name", f.Name())
		f.Close()
		h.remove([]string{f.Name()})
		return
	}
	h.inherited[kind] = append(h.inherited[kind], inherited{number, f})
	h.stored[kind] = append(h.stored[kind], f.Name())
}

// take returns what was inherited of a kind, in order; the error says why it is of no use as a whole. What the store has of it
// otherwise is of no more use, and removed.
func (h *Handover) take(kind string) ([]*os.File, error) {
	list := h.inherited[kind]
	delete(h.inherited, kind)
	if len(list) == 0 {
		h.drop(kind)
		return nil, nil
	}
	slices.SortFunc(list, func(a, b inherited) int { return a.number - b.number })
	files, numbers := make([]*os.File, len(list)), make([]int, len(list))
	for i := range list {
		files[i], numbers[i] = list[i].file, list[i].number
	}
	return files, checkSet(kind, numbers)
}

// checkSet says why a set of descriptors is not a whole one of its kind, as far as their numbers tell.
func checkSet(kind string, numbers []int) error {
	err := inherit.CheckNumbers(numbers)
	if err == nil && kind == TCP && len(numbers) > 1 {
		err = fmt.Errorf("%d listeners came, one is wanted", len(numbers))
	}
	if err != nil {
		return fmt.Errorf("%w: %w", inherit.ErrRefused, err)
	}
	return nil
}

// GoOn opens something with what was inherited of its kind or, where there is nothing or it is refused, anew.
func GoOn[T any](h *Handover, kind string, open func([]*os.File) (T, error)) (v T, err error) {
	files, err := h.take(kind)
	if err == nil {
		v, err = open(files)
	}
	switch {
	case len(files) == 0:
		return v, err
	case err == nil:
		h.used = append(h.used, kind)
		return v, nil
	case !errors.Is(err, inherit.ErrRefused):
		return v, err
	}
	inherit.Close(files)
	h.log.Warn("node.handover.refused", "what", kind, "descriptors", len(files), "error", err)
	h.drop(kind)
	return open(nil)
}

// drop removes what the store has of a kind, and returns when it is closed.
func (h *Handover) drop(kind string) {
	names := h.stored[kind]
	delete(h.stored, kind)
	h.used = slices.DeleteFunc(h.used, func(k string) bool { return k == kind })
	h.remove(names)
	h.count()
}

// remove removes names from the store. Without them, what stays open there makes the next opening fail, which says so.
func (h *Handover) remove(names []string) {
	if h.store == nil || len(names) == 0 {
		return
	}
	if err := h.store.Remove(names...); err != nil {
		h.log.Warn("node.handover.unremoved", "names", strings.Join(names, ","), "error", err)
	}
}

// Keep stores the descriptors of a kind, unless they came from there.
func (h *Handover) Keep(kind string, fds []int) {
	defer h.count()
	if h.store == nil || len(h.stored[kind]) > 0 {
		return
	}
	delete(h.failed, kind)
	for i, fd := range fds {
		name := inherit.Name(kind, i)
		if err := h.store.Store(name, fd); err != nil {
			h.fail(kind, err)
			return
		}
		h.stored[kind] = append(h.stored[kind], name)
	}
}

// fail notes why a kind is not stored, and removes what the store has of it: a part is of no use.
func (h *Handover) fail(kind string, err error) {
	h.failed[kind] = err
	h.drop(kind)
}

// KeepDevice stores the queues of a device, if others can go on with them.
func (h *Handover) KeepDevice(device tun.Device) {
	d, ok := device.(tun.Inheritable)
	h.devices = ok
	if !ok {
		h.count()
		return
	}
	h.Keep(Device, d.Descriptors())
}

// KeepPort stores the sockets of a port, if others can go on with them. Where their closing cannot be made to spare them, they
// must not be in the store.
func (h *Handover) KeepPort(port any) {
	sockets, ok := port.(keptSockets)
	if !ok {
		return
	}
	if err := sockets.Keep(); err != nil {
		h.fail(Port, err)
		return
	}
	h.Keep(Port, sockets.Descriptors())
}

// Stores reports whether there is a store at all.
func (h *Handover) Stores() bool { return h.store != nil }

// Inherited reports whether something of a kind was inherited and is not taken yet.
func (h *Handover) Inherited(kind string) bool { return len(h.inherited[kind]) > 0 }

// Used are the kinds that this process goes on with.
func (h *Handover) Used() []string { return h.used }

// Failure says why something is not stored; nil: all is.
func (h *Handover) Failure() error {
	return errors.Join(h.failed[Device], h.failed[Port], h.failed[TCP])
}

// Keeps reports whether another process can go on where this one ends: port and listener, and a device that can be
// inherited, are in a store that is known to keep them. It may be called from any goroutine.
func (h *Handover) Keeps() bool { return h.whole.Load() }

// count finds out what Keeps returns.
func (h *Handover) count() {
	has := func(kind string) bool { return len(h.stored[kind]) > 0 }
	h.whole.Store(h.store != nil && h.store.Keeps() && has(Port) && has(TCP) && (has(Device) || !h.devices))
}

// Discard removes all from the store: there is no next process.
func (h *Handover) Discard() {
	for _, kind := range []string{Device, Port, TCP} {
		h.drop(kind)
	}
}

// keptSockets is a Port whose sockets another process can go on with; *encap.UDPPort is one.
type keptSockets interface {
	Descriptors() []int
	Keep() error
}

// DescriptorOf is the descriptor of a listener; none: it has none.
func DescriptorOf(listener any) (fds []int) {
	conn, ok := listener.(syscall.Conn)
	if !ok {
		return nil
	}
	raw, err := conn.SyscallConn()
	if err != nil {
		return nil
	}
	_ = raw.Control(func(fd uintptr) { fds = []int{int(fd)} }) // it stays open: the listener is ours
	return fds
}
