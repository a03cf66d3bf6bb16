package handover

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"time"

	"github.com/coreos/go-systemd/v22/activation"
	"golang.org/x/sys/unix"
)

// Store holds descriptors over the end of the process. It is used by one goroutine at a time.
type Store interface {
	// Inherited returns, once, what an earlier process stored; their names are those of Store. They are the caller's.
	Inherited() []*os.File
	// Store adds a duplicate of fd under a name: up to 255 ASCII characters without a colon.
	Store(name string, fd int) error
	// Remove closes what was stored under the names, and returns when that is done. Names that are not there do not matter.
	Remove(names ...string) error
	// Keeps reports whether the store is known to keep what it is given.
	Keeps() bool
}

// removePatience is how long Remove waits for the service manager.
const removePatience = 2 * time.Second

// fdStore is systemd's file descriptor store: FDSTORE=1 of sd_notify(3) and FileDescriptorStoreMax= of systemd.service(5). The
// descriptors come back as those of socket activation do (sd_listen_fds(3)).
//
// The manager closes what exceeds FileDescriptorStoreMax= without a word, so what it has is counted here.
type fdStore struct {
	socket string // NOTIFY_SOCKET
	files  []*os.File
	keeps  bool
	most   int            // descriptors that it keeps; 0: not known
	held   map[string]int // how many it has, by name
}

// ServiceStore is the store of the service manager that started this process; nil: there is none. It takes the variables of
// sd_listen_fds(3) out of the environment.
//
// That the manager does keep descriptors, and how many, it says in $FDSTORE (systemd 254); an older one shows it by giving some
// back.
func ServiceStore() Store {
	files := activation.Files(true)
	socket := os.Getenv("NOTIFY_SOCKET")
	if socket == "" {
		for _, f := range files {
			f.Close() // nobody could be told that they are not wanted any more
		}
		return nil
	}
	return newFDStore(socket, os.Getenv("FDSTORE"), files)
}

// newFDStore is the store of a manager that said so much in $FDSTORE and gave these files back.
func newFDStore(socket, said string, files []*os.File) *fdStore {
	s := &fdStore{socket: socket, files: files, keeps: said != "" || len(files) > 0, held: map[string]int{}}
	s.most, _ = strconv.Atoi(said) // not a number: not known
	for _, f := range files {
		s.held[f.Name()]++
	}
	return s
}

// count is how many descriptors the manager has.
func (s *fdStore) count() (n int) {
	for _, held := range s.held {
		n += held
	}
	return n
}

// Inherited implements Store.
func (s *fdStore) Inherited() []*os.File {
	files := s.files
	s.files = nil
	return files
}

// Store implements Store. The manager need not watch the descriptor (FDPOLL=0, systemd 246): it would be told of
// every packet.
func (s *fdStore) Store(name string, fd int) error {
	if s.most > 0 && s.count() >= s.most {
		return fmt.Errorf("handover: store %s: the service manager keeps %d descriptors: raise FileDescriptorStoreMax= of the unit", name, s.most)
	}
	if err := s.send("FDSTORE=1\nFDPOLL=0\nFDNAME="+name, fd); err != nil {
		return err
	}
	s.held[name]++
	return nil
}

// Remove implements Store.
func (s *fdStore) Remove(names ...string) error {
	var failed error
	for _, name := range names {
		failed = errors.Join(failed, s.send("FDSTOREREMOVE=1\nFDNAME="+name))
	}
	failed = errors.Join(failed, s.barrier())
	if failed == nil {
		for _, name := range names {
			delete(s.held, name)
		}
	}
	return failed
}

// Keeps implements Store.
func (s *fdStore) Keeps() bool { return s.keeps }

// send sends assignments in the form of sd_notify(3), with descriptors.
func (s *fdStore) send(state string, fds ...int) error {
	socket, err := unix.Socket(unix.AF_UNIX, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("handover: open a socket: %w", err)
	}
	defer unix.Close(socket)
	var rights []byte
	if len(fds) > 0 {
		rights = unix.UnixRights(fds...)
	}
	if err := unix.Sendmsg(socket, []byte(state), rights, &unix.SockaddrUnix{Name: s.socket}, unix.MSG_NOSIGNAL); err != nil {
		return fmt.Errorf("handover: tell the service manager at %s: %w", s.socket, err)
	}
	return nil
}

// barrier returns when the manager has done what it was told before: it then closes the descriptor that it is given
// (BARRIER=1 of sd_notify_barrier(3), systemd 246).
func (s *fdStore) barrier() error {
	var pipe [2]int
	if err := unix.Pipe2(pipe[:], unix.O_CLOEXEC); err != nil {
		return fmt.Errorf("handover: make a pipe: %w", err)
	}
	defer unix.Close(pipe[0])
	err := s.send("BARRIER=1", pipe[1])
	unix.Close(pipe[1])
	if err != nil {
		return err
	}
	return awaitHangup(pipe[0], removePatience)
}

// awaitHangup waits until nobody has the other end of a pipe.
func awaitHangup(fd int, most time.Duration) error {
	for end := time.Now().Add(most); ; {
		fds := []unix.PollFd{{Fd: int32(fd)}}
		n, err := unix.Poll(fds, int(max(0, time.Until(end).Milliseconds())))
		switch {
		case errors.Is(err, unix.EINTR):
		case err != nil:
			return fmt.Errorf("handover: wait for the service manager: %w", err)
		case n == 0:
			return fmt.Errorf("handover: no answer from the service manager within %v", most)
		default:
			return nil
		}
	}
}
