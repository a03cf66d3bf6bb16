package rundir

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"sync"
)

// controlSocket is the listener of the control socket, for root only. It outlives the socket's file: restore makes that again
// when somebody deleted it, and Accept goes on with the new one.
type controlSocket struct {
	path string

	mu      sync.Mutex // guards the rest
	current *net.UnixListener
	file    os.FileInfo // of path, when current was made
	closed  bool
}

// listenControl opens the control socket. A socket that a crashed daemon left is replaced; that no other daemon runs is known
// from the lock on the run directory.
func listenControl(path string) (*controlSocket, error) {
	s := &controlSocket{path: path}
	if err := s.open(); err != nil {
		return nil, err
	}
	return s, nil
}

// open makes the socket and its file. The lock is held, or nobody else knows s yet.
func (s *controlSocket) open() error {
	if err := os.Remove(s.path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("rundir: replace control socket: %w", err)
	}
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: s.path, Net: "unix"})
	if err != nil {
		return fmt.Errorf("rundir: open control socket: %w", err)
	}
	l.SetUnlinkOnClose(false) // the path may be another socket's by then
	if err := os.Chmod(s.path, 0o600); err != nil {
		l.Close()
		return fmt.Errorf("rundir: protect control socket: %w", err)
	}
	file, err := os.Lstat(s.path)
	if err != nil {
		l.Close()
		return fmt.Errorf("rundir: open control socket: %w", err)
	}
	s.current, s.file = l, file
	return nil
}

// restore makes the socket again if its file is gone or another one. It returns whether it did.
func (s *controlSocket) restore() (bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed || s.mine() {
		return false, nil
	}
	old := s.current
	if err := s.open(); err != nil {
		return false, err
	}
	old.Close()
	return true, nil
}

// mine reports whether the file is that of the present socket. The lock is held.
func (s *controlSocket) mine() bool {
	file, err := os.Lstat(s.path)
	return err == nil && os.SameFile(file, s.file)
}

func (s *controlSocket) listener() *net.UnixListener {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.current
}

// Accept implements net.Listener.
func (s *controlSocket) Accept() (net.Conn, error) {
	for {
		l := s.listener()
		conn, err := l.Accept()
		if err == nil || s.listener() == l {
			return conn, err
		}
	}
}

// Close implements net.Listener. It removes the file, unless that is another socket's.
func (s *controlSocket) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return net.ErrClosed
	}
	s.closed = true
	if s.mine() {
		os.Remove(s.path) // a file that stays is replaced by the next start
	}
	return s.current.Close()
}

// Addr implements net.Listener.
func (s *controlSocket) Addr() net.Addr { return s.listener().Addr() }
