package node

import (
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/weftnet/weft/encap"
	"github.com/weftnet/weft/inherit"
	"github.com/weftnet/weft/inherit/inherittest"
	"github.com/weftnet/weft/node/api"
)

// fakeStore is a DescriptorStore in memory that writes down what happens.
type fakeStore struct {
	given []*os.File
	log   []string
	full  int // how many it takes; 0: all
	loses bool
}

var errFull = errors.New("the store is full")

func (s *fakeStore) Inherited() []*os.File { return s.given }

func (s *fakeStore) Store(name string, _ int) error {
	if s.full > 0 && len(s.log) >= s.full {
		return errFull
	}
	s.log = append(s.log, "store "+name)
	return nil
}

func (s *fakeStore) Remove(names ...string) error {
	s.log = append(s.log, "remove "+strings.Join(names, " "))
	return nil
}

func (s *fakeStore) Keeps() bool { return !s.loses }

// named are descriptors of these names.
func named(t *testing.T, names ...string) (files []*os.File) {
	t.Helper()
	for _, name := range names {
		fd, err := unix.Open(os.DevNull, unix.O_RDWR|unix.O_CLOEXEC, 0)
		must(t, err)
		f := os.NewFile(uintptr(fd), name)
		t.Cleanup(func() { f.Close() })
		files = append(files, f)
	}
	return files
}

func namesOf(files []*os.File) (names []string) {
	for _, f := range files {
		names = append(names, f.Name())
	}
	return names
}

func TestInheritedDescriptorsAreGivenByKindAndInOrder(t *testing.T) {
	sockets := make([]string, 11)
	for i := range sockets {
		sockets[i] = inherit.Name(keptPort, i)
	}
	given := append([]string{"tun.0", "vsock.0", "udp.x", "udp.01", "tcp.0"}, sockets...)
	slices.Sort(given)
	slices.Reverse(given)
	store := &fakeStore{given: named(t, given...)}
	h := newHandover(store, testLogger(t))
	for kind, want := range map[string][]string{keptPort: sockets, keptDevice: {"tun.0"}, keptTCP: {"tcp.0"}} {
		var got []string
		_, err := goOn(h, kind, func(files []*os.File) (int, error) {
			got = namesOf(files)
			return 0, nil
		})
		if err != nil || !slices.Equal(got, want) {
			t.Errorf("%s: %v, %v, want %v", kind, got, err, want)
		}
	}
	if want := []string{"remove vsock.0", "remove udp.x", "remove udp.01"}; !slices.Equal(store.log, want) {
		t.Errorf("the store was told %q, want %q", store.log, want)
	}
	if h.keep(keptPort, []int{0, 1, 2}); len(store.log) != 3 {
		t.Errorf("what came from the store was stored again: %q", store.log)
	}
}

func TestWhatIsRefusedIsRemovedBeforeItIsOpenedAnew(t *testing.T) {
	store := &fakeStore{given: named(t, "tun.0", "tun.1")}
	h := newHandover(store, testLogger(t))
	_, err := goOn(h, keptDevice, func(files []*os.File) (int, error) {
		store.log = append(store.log, fmt.Sprint("open ", namesOf(files)))
		if len(files) > 0 {
			return 0, fmt.Errorf("tun: %w: they are old", inherit.ErrRefused)
		}
		return 1, nil
	})
	want := []string{"open [tun.0 tun.1]", "remove tun.0 tun.1", "open []", "store tun.0"}
	h.keep(keptDevice, []int{7})
	if err != nil || !slices.Equal(store.log, want) {
		t.Errorf("%v, %q, want %q", err, store.log, want)
	}
}

func TestASetThatIsNotWholeIsRefusedAndRemovedAsAWhole(t *testing.T) {
	for _, names := range [][]string{
		{"udp.1", "udp.2"},                   // the first is missing
		{"udp.0", "udp.2"},                   // one in between
		{"udp.0", "udp.0", "udp.1", "udp.2"}, // of two processes
		{"tcp.0", "tcp.1"},
		{"tcp.1"},
	} {
		store := &fakeStore{given: named(t, names...)}
		files := store.given
		kind, _, _ := strings.Cut(names[0], ".")
		h := newHandover(store, testLogger(t))
		opened, err := goOn(h, kind, func(files []*os.File) (string, error) { return fmt.Sprint(namesOf(files)), nil })
		if err != nil || opened != "[]" {
			t.Errorf("%v: opened with %s, %v", names, opened, err)
		}
		if want := []string{"remove " + strings.Join(names, " ")}; !slices.Equal(store.log, want) {
			t.Errorf("%v: the store was told %q, want %q", names, store.log, want)
		}
		inherittest.Closed(t, files)
	}
}

func TestAnErrorThatIsNotAboutTheDescriptorsIsNotTriedAgain(t *testing.T) {
	h := newHandover(&fakeStore{given: named(t, "udp.0")}, testLogger(t))
	broken, opened := errors.New("broken"), 0
	_, err := goOn(h, keptPort, func([]*os.File) (int, error) {
		opened++
		return 0, broken
	})
	if !errors.Is(err, broken) || opened != 1 {
		t.Errorf("%v after %d openings", err, opened)
	}
}

func TestADeviceThatIsOpenedAgainReplacesTheStoredOne(t *testing.T) {
	store := &fakeStore{}
	h := newHandover(store, testLogger(t))
	for range 2 {
		_, err := goOn(h, keptDevice, func([]*os.File) (int, error) {
			store.log = append(store.log, "open")
			return 0, nil
		})
		must(t, err)
		h.keep(keptDevice, []int{1, 2})
	}
	want := []string{"open", "store tun.0", "store tun.1", "remove tun.0 tun.1", "open", "store tun.0", "store tun.1"}
	if !slices.Equal(store.log, want) {
		t.Errorf("%q, want %q", store.log, want)
	}
}

func TestAPartOfThePortIsNotLeftInAStoreThatIsFull(t *testing.T) {
	store := &fakeStore{full: 2}
	h := newHandover(store, testLogger(t))
	h.keep(keptPort, []int{1, 2, 3})
	if want := []string{"store udp.0", "store udp.1", "remove udp.0 udp.1"}; !slices.Equal(store.log, want) {
		t.Errorf("%q, want %q", store.log, want)
	}
	if !errors.Is(h.failure(), errFull) || h.keeps() {
		t.Errorf("failed %v, keeps %v", h.failure(), h.keeps())
	}
}

// unkept are sockets that their closing would shut down for all.
type unkept struct{}

func (unkept) Keep() error        { return errFull }
func (unkept) Descriptors() []int { return []int{0} }

func TestSocketsThatAStopWouldShutDownAreNotLeft(t *testing.T) {
	store := &fakeStore{given: named(t, "udp.0", "tcp.0")}
	h := newHandover(store, testLogger(t))
	for _, kind := range []string{keptPort, keptTCP} {
		_, err := goOn(h, kind, func([]*os.File) (int, error) { return 0, nil })
		must(t, err)
	}
	h.keepPort(unkept{})
	if want := []string{"remove udp.0"}; !slices.Equal(store.log, want) || h.keeps() || !errors.Is(h.failure(), errFull) {
		t.Errorf("the store was told %q, want %q; keeps %v, failure %v", store.log, want, h.keeps(), h.failure())
	}
}

// kept is a port with sockets that can be left behind.
type kept struct{ simPort }

type simPort = encap.Port // a field of the name Port would hide the method

func (kept) Keep() error        { return nil }
func (kept) Descriptors() []int { return []int{0, 1, 2} }

func TestAStoreThatIsTooSmallIsSaidInStatusAndTheStopIsNoPause(t *testing.T) {
	bubble(t, lan, func(t *testing.T, s *site) {
		a, b := s.machine(1), s.machine(2)
		b.listen = func(encap.UDPOptions) (encap.Port, error) { return kept{b.host.ListenUDP(DefaultPort)}, nil }
		must(t, b.boot())
		b.node.handover.store = &fakeStore{full: 2}
		a.start()
		b.run()
		within(t, 5*time.Second, "joined", joinedUp(a, b))
		if says := b.problem("handover"); !strings.Contains(says, "a restart loses packets: "+errFull.Error()) {
			t.Errorf("status says %q", says)
		}
		b.stop()
		within(t, 100*time.Millisecond, "away", func() bool { return a.peer("node-2").State == api.StateAway })
	})
}

func TestAStoreThatTakesADeviceAgainHasNotFailedAnyMore(t *testing.T) {
	store := &fakeStore{}
	h := newHandover(store, testLogger(t))
	h.devices = true
	h.keep(keptPort, []int{1})
	h.keep(keptTCP, []int{1})
	store.full = 1
	if h.keep(keptDevice, []int{1}); h.keeps() || !errors.Is(h.failure(), errFull) {
		t.Errorf("without the device: keeps %v, failure %v", h.keeps(), h.failure())
	}
	store.full = 0
	if h.keep(keptDevice, []int{1}); !h.keeps() || h.failure() != nil {
		t.Errorf("with the device: keeps %v, failure %v", h.keeps(), h.failure())
	}
}

func TestAStoreKeepsWhenItIsKnownToAndHasPortAndListener(t *testing.T) {
	for _, c := range []struct {
		store *fakeStore
		kinds []string
		want  bool
	}{
		{&fakeStore{}, []string{keptPort, keptTCP}, true},
		{&fakeStore{}, []string{keptDevice, keptPort}, false},
		{&fakeStore{loses: true}, []string{keptPort, keptTCP}, false},
		{nil, nil, false},
	} {
		h := newHandover(nil, testLogger(t))
		if c.store != nil {
			h = newHandover(c.store, testLogger(t))
		}
		for _, kind := range c.kinds {
			h.keep(kind, []int{1})
		}
		if h.keeps() != c.want {
			t.Errorf("%+v with %v: keeps %v", c.store, c.kinds, h.keeps())
		}
		if h.discard(); h.keeps() {
			t.Error("it keeps what was discarded")
		}
	}
}

func TestAStopThatLeavesDescriptorsIsAPauseForThePeers(t *testing.T) {
	for kept, want := range map[bool]string{true: api.StateUp, false: api.StateAway} {
		t.Run(fmt.Sprintf("kept %v", kept), func(t *testing.T) {
			bubble(t, lan, func(t *testing.T, s *site) {
				a, b := s.machine(1), s.machine(2)
				a.start()
				b.start()
				within(t, 5*time.Second, "joined", joinedUp(a, b))
				if kept {
					b.node.handover.store = &fakeStore{}
					b.node.handover.keep(keptPort, []int{1})
					b.node.handover.keep(keptTCP, []int{1})
				}
				b.stop()
				time.Sleep(100 * time.Millisecond)
				if got := a.peer("node-2").State; got != want {
					t.Errorf("a has it %s, want %s", got, want)
				}
				if n := len(a.kernel.state().Routes); (n > 0) != kept {
					t.Errorf("a has %d routes to it", n)
				}
				within(t, 5*time.Second, "away", func() bool { return a.peer("node-2").State == api.StateAway })
			})
		})
	}
}

// notifySocket reads what is sent to a notify socket.
func notifySocket(t *testing.T) (*fdStore, *net.UnixConn) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "notify")
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	must(t, err)
	t.Cleanup(func() { conn.Close() })
	return newFDStore(path, "2", nil), conn
}

// hear is the next message, and the descriptors that came with it.
func hear(t *testing.T, conn *net.UnixConn) (text string, fds []int) {
	t.Helper()
	buf, oob := make([]byte, 1024), make([]byte, 1024)
	must(t, conn.SetReadDeadline(time.Now().Add(10*time.Second)))
	n, oobn, _, _, err := conn.ReadMsgUnix(buf, oob)
	must(t, err)
	messages, err := syscall.ParseSocketControlMessage(oob[:oobn])
	must(t, err)
	for _, m := range messages {
		more, err := syscall.ParseUnixRights(&m)
		must(t, err)
		fds = append(fds, more...)
	}
	return string(buf[:n]), fds
}

func TestDescriptorsAreStoredAsSystemdWantsThem(t *testing.T) {
	store, manager := notifySocket(t)
	file := named(t, "x")[0]
	must(t, store.Store("tun.3", int(file.Fd())))
	text, fds := hear(t, manager)
	if text != "FDSTORE=1\nFDPOLL=0\nFDNAME=tun.3" || len(fds) != 1 {
		t.Fatalf("said %q with %d descriptors", text, len(fds))
	}
	defer unix.Close(fds[0])
	var sent, got unix.Stat_t
	must(t, errors.Join(unix.Fstat(int(file.Fd()), &sent), unix.Fstat(fds[0], &got)))
	if sent.Rdev != got.Rdev || sent.Ino != got.Ino {
		t.Error("another descriptor came")
	}
}

func TestMoreThanTheManagerKeepsIsNotStored(t *testing.T) {
	store, manager := notifySocket(t) // which keeps two
	null := named(t, "x")[0]
	must(t, store.Store("udp.0", int(null.Fd())))
	must(t, store.Store("udp.1", int(null.Fd())))
	if err := store.Store("udp.2", int(null.Fd())); err == nil || !strings.Contains(err.Error(), "FileDescriptorStoreMax=") {
		t.Errorf("a third one: %v", err)
	}
	removed := make(chan error, 1)
	go func() { removed <- store.Remove("udp.1") }()
	for range 4 { // two stored, one removed, and the barrier, which is over when nobody has its descriptor
		_, fds := hear(t, manager)
		for _, fd := range fds {
			must(t, unix.Close(fd))
		}
	}
	must(t, <-removed)
	must(t, store.Store("udp.1", int(null.Fd())))
}

func TestWhatTheManagerGaveBackCounts(t *testing.T) {
	if store := newFDStore("/nowhere", "2", named(t, "udp.0", "udp.0")); store.count() != 2 || !store.Keeps() {
		t.Errorf("it has %d, keeps %v", store.count(), store.Keeps())
	}
	if store := newFDStore("/nowhere", "", nil); store.Keeps() || store.most != 0 {
		t.Errorf("keeps %v, %d at most", store.Keeps(), store.most)
	}
}

func TestRemoveReturnsWhenTheManagerHasDoneIt(t *testing.T) {
	store, manager := notifySocket(t)
	done := make(chan error, 1)
	go func() { done <- store.Remove("udp.0", "udp.1") }()
	for _, want := range []string{"FDSTOREREMOVE=1\nFDNAME=udp.0", "FDSTOREREMOVE=1\nFDNAME=udp.1"} {
		if text, _ := hear(t, manager); text != want {
			t.Errorf("said %q, want %q", text, want)
		}
	}
	text, fds := hear(t, manager)
	if text != "BARRIER=1" || len(fds) != 1 {
		t.Fatalf("said %q with %d descriptors", text, len(fds))
	}
	select {
	case err := <-done:
		t.Errorf("Remove returned before the manager answered: %v", err)
	default:
	}
	must(t, unix.Close(fds[0]))
	must(t, <-done)
}

func TestAManagerThatDoesNotAnswerIsNotWaitedForForEver(t *testing.T) {
	var pipe [2]int
	must(t, unix.Pipe2(pipe[:], unix.O_CLOEXEC))
	defer unix.Close(pipe[0])
	defer unix.Close(pipe[1])
	if err := awaitHangup(pipe[0], time.Millisecond); err == nil || !strings.Contains(err.Error(), "no answer") {
		t.Errorf("error %v", err)
	}
	if err := (&fdStore{socket: "/nowhere"}).Remove("x"); err == nil {
		t.Error("a manager that is not there was told")
	}
}
