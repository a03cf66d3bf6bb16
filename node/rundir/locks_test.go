package rundir

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestTheHolderOfALockIsFoundWithoutTakingIt(t *testing.T) {
	dir := filepath.Join(shortDir(t), "run")
	unlock, err := Lock(dir)
	must(t, err)
	file := filepath.Join(dir, LockName)
	if pid := Holder(file); pid != os.Getpid() && pid != 0 { // 0: the file system numbers its devices in another way
		t.Errorf("held by %d, want %d", pid, os.Getpid())
	}
	unlock()
	if pid := Holder(file); pid != 0 {
		t.Errorf("held by %d, want nobody", pid)
	}
}

func TestLocksAreReadAsTheKernelWritesThem(t *testing.T) {
	const text = `1: POSIX  ADVISORY  WRITE 11 00:1a:815 0 EOF
2: FLOCK  ADVISORY  WRITE 22 00:1b:815 0 EOF
2: -> FLOCK  ADVISORY  WRITE 33 00:1a:815 0 EOF
damaged
3: FLOCK  ADVISORY  WRITE 44 00:1a:815 0 EOF
`
	if pid := flockOf(strings.NewReader(text), 0, 0x1a, 815); pid != 44 {
		t.Errorf("held by %d, want 44", pid)
	}
	if pid := flockOf(strings.NewReader(text), 0, 0x1a, 816); pid != 0 {
		t.Errorf("held by %d, want nobody", pid)
	}
}
