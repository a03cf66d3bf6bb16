package rundir

import (
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// shortDir is a new directory whose path leaves room for that of a socket.
func shortDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "weft")
	must(t, err)
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

// served opens a run directory and answers every caller of its socket with a byte.
func served(t *testing.T) *RunDir {
	t.Helper()
	dir := filepath.Join(shortDir(t), "run")
	r, err := Open(dir)
	must(t, err)
	l, err := r.Listen(filepath.Join(dir, "weft.sock"))
	must(t, err)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			_, _ = conn.Write([]byte{1})
			conn.Close()
		}
	}()
	t.Cleanup(func() {
		l.Close()
		<-ended
		r.Close()
	})
	return r
}

func answers(t *testing.T, r *RunDir) bool {
	t.Helper()
	conn, err := net.Dial("unix", r.control.path)
	if err != nil {
		return false
	}
	defer conn.Close()
	must(t, conn.SetDeadline(time.Now().Add(10*time.Second)))
	n, _ := conn.Read(make([]byte, 1))
	return n == 1
}

func TestLockAndSocketAreMadeAgainWhenSomebodyDeletesThem(t *testing.T) {
	r := served(t)
	for what, remove := range map[string]func() error{
		"nothing":       func() error { return nil },
		"the socket":    func() error { return os.Remove(r.control.path) },
		"the lock":      func() error { return os.Remove(r.lock.Name()) },
		"the directory": func() error { return os.RemoveAll(r.dir) },
	} {
		must(t, remove())
		if restored, err := r.Restore(); err != nil || restored != (what != "nothing") {
			t.Errorf("%s: restore = %v, %v", what, restored, err)
		}
		if !answers(t, r) {
			t.Errorf("%s: nobody answers", what)
		}
		if _, err := Lock(r.dir); !errors.Is(err, ErrRunning) {
			t.Errorf("%s: a second daemon gets the lock: %v", what, err)
		}
		info, err := os.Stat(r.control.path)
		must(t, err)
		if info.Mode().Perm() != 0o600 {
			t.Errorf("%s: mode %v", what, info.Mode())
		}
	}
}

func TestARunDirectoryThatAnotherDaemonTookIsLeftToIt(t *testing.T) {
	r := served(t)
	must(t, os.RemoveAll(r.dir))
	unlock, err := Lock(r.dir)
	must(t, err)
	defer unlock()
	must(t, os.WriteFile(r.control.path, nil, 0o600)) // stands for its socket
	if restored, err := r.Restore(); restored || !errors.Is(err, ErrRunning) {
		t.Errorf("restore = %v, %v", restored, err)
	}
	must(t, r.control.Close())
	if _, err := os.Stat(r.control.path); err != nil {
		t.Errorf("the other's socket is gone: %v", err)
	}
}

func TestTheSocketGoesWithItsListener(t *testing.T) {
	r := served(t)
	must(t, r.control.Close())
	if _, err := os.Lstat(r.control.path); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the file is there: %v", err)
	}
	if restored, err := r.Restore(); restored || err != nil {
		t.Errorf("restore after the end = %v, %v", restored, err)
	}
}

func TestASecondDaemonInTheSameRunDirectoryIsRefused(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "run")
	unlock, err := Lock(dir)
	must(t, err)
	if _, err := Lock(dir); !errors.Is(err, ErrRunning) || !strings.Contains(err.Error(), dir) {
		t.Errorf("second lock: %v", err)
	}
	unlock()
	unlock, err = Lock(dir)
	must(t, err)
	unlock()
}
