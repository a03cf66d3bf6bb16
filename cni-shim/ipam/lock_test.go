package ipam

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/sys/unix"
)

// foreign holds the lock of a book by a description of its own, as another process does.
func foreign(t *testing.T, path string) *os.File {
	t.Helper()
	f, err := flock(path, unix.LOCK_NB)
	must(t, err)
	t.Cleanup(func() { f.Close() })
	return f
}

func TestAChangeWaitsNoLongerThanItsContextAndNamesTheLock(t *testing.T) {
	b, _ := newBook(t)
	reserve(t, b, request("a", "10.0.0.0/24"))
	holder := foreign(t, b.lock.path)
	ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
	defer cancel()
	for range 2 { // the second waits for its turn, while the first one's wait stays in the kernel
		_, _, err := b.Reserve(ctx, request("b", "10.0.0.0/24"))
		busy := new(BusyError)
		if !errors.As(err, &busy) || busy.File != b.lock.path || !errors.Is(err, context.DeadlineExceeded) {
			t.Fatalf("Reserve = %v", err)
		}
	}
	holder.Close()
	wantAddresses(t, reserve(t, b, request("b", "10.0.0.0/24")), "10.0.0.3")
}

func TestAChangeGoesOnWhenTheLockIsFree(t *testing.T) {
	b, _ := newBook(t)
	reserve(t, b, request("a", "10.0.0.0/24"))
	holder := foreign(t, b.lock.path)
	done := make(chan error)
	go func() {
		_, _, err := b.Reserve(t.Context(), request("b", "10.0.0.0/24"))
		done <- err
	}()
	holder.Close()
	must(t, <-done)
}

func TestPatienceEndsAWaitWithoutDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLock(filepath.Join(t.TempDir(), "lock"))
		l.turn <- struct{}{} // somebody of this process waits in the kernel
		begin := time.Now()
		_, err := l.acquire(t.Context())
		if busy := new(BusyError); !errors.As(err, &busy) || !errors.Is(err, errPatience) || time.Since(begin) != Patience {
			t.Errorf("after %v: %v", time.Since(begin), err)
		}
	})
}

func TestALockThatWasReplacedLocksNobodyOut(t *testing.T) {
	path := filepath.Join(t.TempDir(), "lock")
	old := foreign(t, path)
	must(t, os.Remove(path))
	f := foreign(t, path)
	if !sameFile(f, path) || sameFile(old, path) {
		t.Error("the lock is not that of the path")
	}
	if _, err := flock(path, unix.LOCK_NB); !errors.Is(err, unix.EWOULDBLOCK) {
		t.Errorf("a second lock: %v", err)
	}
}

func TestALockThatCannotBeMadeIsAnErrorAndNoWait(t *testing.T) {
	l := newLock(filepath.Join(t.TempDir(), "gone", "lock"))
	for range 2 {
		if _, err := l.acquire(t.Context()); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("acquire = %v", err)
		}
	}
}
