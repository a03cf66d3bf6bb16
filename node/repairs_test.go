package node

import (
	"testing"
	"time"

	"github.com/weftnet/weft/kernel"
)

func TestAWarWithAnotherProgramIsSaidOnceAMinute(t *testing.T) {
	var r repair
	start := time.Now()
	r.add(kernel.State{Device: "weft0"}, start)
	for minute := range 3 {
		var told, contested int
		for i := range 400 { // one every 150 ms
			at := start.Add(time.Duration(minute)*(time.Minute+time.Second) + time.Duration(i)*150*time.Millisecond)
			tell, war := r.add(kernel.State{Device: "weft0"}, at)
			if tell {
				told++
			}
			if war {
				contested++
			}
		}
		if told != maxRepairs || contested != 1 {
			t.Errorf("minute %d: %d told and %d times contested", minute, told, contested)
		}
	}
}

func TestChangesForWhatIsNewlyWantedAreNoWar(t *testing.T) {
	var r repair
	now := time.Now()
	for i := range 20 * maxRepairs {
		if tell, contested := r.add(kernel.State{Device: "weft0", MTU: kernel.OverlayMTU(i)}, now); !tell || contested {
			t.Fatalf("change %d: told %v, contested %v", i, tell, contested)
		}
	}
}
