package cnishim

import (
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"testing"
)

// No runtime is to add an attachment twice at once; one that does has a pod that is whole, and who came too late undoes nothing of it.
func TestOfADDsOfOneAttachmentAtOnceOneGivesAWholePod(t *testing.T) {
	s := newSite(t)
	for i := range 5 {
		c := s.pod(fmt.Sprint("pod-", i), newSpace(t))
		var mu sync.Mutex
		var added []call
		var all sync.WaitGroup
		for range 4 {
			all.Go(func() {
				cmd, out := c.command(t.Context())
				if s.vm.Do(cmd.Run) != nil {
					return
				}
				mu.Lock()
				defer mu.Unlock()
				added = append(added, c.with("prevResult", json.RawMessage(out.Bytes())))
			})
		}
		all.Wait()
		if len(added) != 1 {
			t.Fatalf("%d of 4 ADDs succeeded", len(added))
		}
		s.must(added[0].as("CHECK"))
		s.must(c.as("DEL"))
	}
	if left := s.left(); left != "" {
		t.Errorf("left:\n%s", left)
	}
}

func TestOperationsOfOneAttachmentAtOnceTakeTurns(t *testing.T) {
	s := newSite(t)
	for i := range 10 {
		n := newSpace(t)
		c := s.pod(fmt.Sprint("pod-", i), n)
		var all sync.WaitGroup
		for _, operation := range []string{"ADD", "DEL", "ADD", "DEL"} {
			all.Go(func() {
				cmd, _ := c.as(operation).command(t.Context())
				_ = s.vm.Do(cmd.Run) // a second ADD may come before a DEL, and fails
			})
		}
		all.Wait()
		left, lives := s.left(), strings.Contains(n.run(t, "ip -br link"), "eth0")
		for _, part := range []string{"record pod-", "host end wv", "guard of wv", "PERMANENT"} {
			if strings.Contains(left, part) != lives {
				t.Errorf("the pod has its interface: %t; left:\n%s", lives, left)
			}
		}
		s.must(c.as("DEL"))
	}
	if left := s.left(); left != "" {
		t.Errorf("left:\n%s", left)
	}
}
