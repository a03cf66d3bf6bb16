package handover

import (
	"errors"
	"net"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

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
