package cnishim

import (
	"testing"
	"time"

	"github.com/weftnet/weft/cni-shim/ipam"
)

// A process that hangs, in the kernel or because somebody stopped it, is not to keep its pod from being removed.
func TestATurnThatDoesNotEndIsNotWaitedForWithoutEnd(t *testing.T) {
	defer func(was time.Duration) { turnPatience = was }(turnPatience)
	book, err := ipam.Open(t.TempDir(), ipam.Options{BootID: "boot"})
	if err != nil {
		t.Fatal(err)
	}
	a := &attachment{key: ipam.Key{Container: "one", IfName: "eth0"}}
	a.lease.Subnets = prefixes("10.244.1.0/24")
	end := a.turn(book)
	turnPatience = 20 * time.Millisecond
	start := time.Now()
	a.turn(book)()
	if waited := time.Since(start); waited < turnPatience {
		t.Errorf("the second went on after %v while the first was at work", waited)
	}
	end()

	turnPatience = time.Hour // from here on a turn that is not given is a test that hangs
	a.turn(book)()
	end = a.turn(book)
	time.AfterFunc(20*time.Millisecond, end)
	a.turn(book)()
}
