package node

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
)

// The kinds of descriptors that outlive a process. Each is stored under its inherit.Name, with its number in the order of
// Descriptors.
const (
	keptDevice = "tun" // the queues of the device
	keptPort   = "udp" // the sockets of the port, of all lanes
	keptTCP    = "tcp" // the listener of streams
)

// handover lets device and port outlive the process: a service manager holds their descriptors, and the next start goes on
// with them. Meanwhile the device keeps its carrier, packets wait in its queues, and frames and connections in the sockets.
//
// What is inherited is checked before it is used. Where it is not what this start would open, it is refused with a reason,
// removed from the store, and opened anew.
//
// Run uses it until the keeper starts and after that has ended, the keeper in between.
type handover struct {
	store     DescriptorStore // nil: none
	log       *slog.Logger
	inherited map[string][]inherited // by kind; not taken yet
	stored    map[string][]string    // by kind: names that the store has
	used      []string               // kinds that this process goes on with
	failed    map[string]error       // by kind: why it is not stored
	devices   bool                   // another process could go on with the device, too
	whole     atomic.Bool            // what keeps returns; anybody reads it
}

// inherited is a descriptor of an earlier process.
type inherited struct {
	number int
	file   *os.File
}

func newHandover(store DescriptorStore, log *slog.Logger) *handover {
	h := &handover{store: store, log: log, inherited: map[string][]inherited{}, stored: map[string][]string{}, failed: map[string]error{}}
	if store == nil {
		return h
	}
	for _, f := range store.Inherited() {
		h.sort(f)
	}
	return h
}

// sort notes a descriptor under its kind. One that this version does not know is removed.
func (h *handover) sort(f *os.File) {
	kind, number, ok := inherit.ParseName(f.Name())
	if !ok || !slices.Contains([]string{keptDevice, keptPort, keptTCP}, kind) {
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
func (h *handover) take(kind string) ([]*os.File, error) {
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
	if err == nil && kind == keptTCP && len(numbers) > 1 {
		err = fmt.Errorf("%d listeners came, one is wanted", len(numbers))
	}
	if err != nil {
		return fmt.Errorf("%w: %w", inherit.ErrRefused, err)
	}
	return nil
}

// goOn opens something with what was inherited of its kind or, where there is nothing or it is refused, anew.
func goOn[T any](h *handover, kind string, open func([]*os.File) (T, error)) (v T, err error) {
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
func (h *handover) drop(kind string) {
	names := h.stored[kind]
	delete(h.stored, kind)
	h.used = slices.DeleteFunc(h.used, func(k string) bool { return k == kind })
	h.remove(names)
	h.count()
}

// remove removes names from the store. Without them, what stays open there makes the next opening fail, which says so.
func (h *handover) remove(names []string) {
	if h.store == nil || len(names) == 0 {
		return
	}
	if err := h.store.Remove(names...); err != nil {
		h.log.Warn("node.handover.unremoved", "names", strings.Join(names, ","), "error", err)
	}
}

// keep stores the descriptors of a kind, unless they came from there.
func (h *handover) keep(kind string, fds []int) {
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
func (h *handover) fail(kind string, err error) {
	h.failed[kind] = err
	h.drop(kind)
}

// keepPort stores the sockets of a port, if others can go on with them. Where their closing cannot be made to spare them, they
// must not be in the store.
func (h *handover) keepPort(port any) {
	sockets, ok := port.(keptSockets)
	if !ok {
		return
	}
	if err := sockets.Keep(); err != nil {
		h.fail(keptPort, err)
		return
	}
	h.keep(keptPort, sockets.Descriptors())
}

// failure says why something is not stored; nil: all is.
func (h *handover) failure() error {
	return errors.Join(h.failed[keptDevice], h.failed[keptPort], h.failed[keptTCP])
}

// keeps reports whether another process can go on where this one ends: port and listener, and a device that can be
// inherited, are in a store that is known to keep them. It may be called from any goroutine.
func (h *handover) keeps() bool { return h.whole.Load() }

// count finds out what keeps returns.
func (h *handover) count() {
	has := func(kind string) bool { return len(h.stored[kind]) > 0 }
	h.whole.Store(h.store != nil && h.store.Keeps() && has(keptPort) && has(keptTCP) && (has(keptDevice) || !h.devices))
}

// discard removes all from the store: there is no next process.
func (h *handover) discard() {
	for _, kind := range []string{keptDevice, keptPort, keptTCP} {
		h.drop(kind)
	}
}

// keptSockets is a Port whose sockets another process can go on with; *encap.UDPPort is one.
type keptSockets interface {
	Descriptors() []int
	Keep() error
}

// descriptorOf is the descriptor of a listener; none: it has none.
func descriptorOf(listener any) (fds []int) {
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
