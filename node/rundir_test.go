package node

import (
	"errors"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// served opens a run directory and answers every caller of its socket with a byte.
func served(t *testing.T) *runDir {
	t.Helper()
	dir := filepath.Join(shortDir(t), "run")
	r, err := openRunDir(dir)
	must(t, err)
	l, err := r.listen(filepath.Join(dir, "weft.sock"))
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
		r.close()
	})
	return r
}

func answers(t *testing.T, r *runDir) bool {
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
		if restored, err := r.restore(); err != nil || restored != (what != "nothing") {
			t.Errorf("%s: restore = %v, %v", what, restored, err)
		}
		if !answers(t, r) {
			t.Errorf("%s: nobody answers", what)
		}
		if _, err := lockRunDir(r.dir); !errors.Is(err, ErrRunning) {
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
	unlock, err := lockRunDir(r.dir)
	must(t, err)
	defer unlock()
	must(t, os.WriteFile(r.control.path, nil, 0o600)) // stands for its socket
	if restored, err := r.restore(); restored || !errors.Is(err, ErrRunning) {
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
	if restored, err := r.restore(); restored || err != nil {
		t.Errorf("restore after the end = %v, %v", restored, err)
	}
}
