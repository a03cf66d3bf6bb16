package tun

import (
	"sync"
	"sync/atomic"
	"testing"
)

func TestLastUserClosesOnce(t *testing.T) {
	for range 100 {
		var closed, firsts atomic.Int32
		var inside atomic.Int32
		g := guard{last: func() {
			closed.Add(1)
			if inside.Load() != 0 {
				t.Error("closed while in use")
			}
		}}
		var users sync.WaitGroup
		for i := range 4 {
			users.Go(func() {
				for g.acquire() {
					inside.Add(1)
					if i < 2 && g.close() {
						firsts.Add(1)
					}
					inside.Add(-1)
					g.release()
				}
			})
		}
		users.Wait()
		if g.acquire() || closed.Load() != 1 || firsts.Load() != 1 {
			t.Fatalf("closed %d times, by %d users", closed.Load(), firsts.Load())
		}
	}
}
