package router

import (
	"runtime"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// onThread runs f on a thread of its own, which ends with it.
func onThread(f func()) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		runtime.LockOSThread()
		f()
	}()
	<-done
}

func scheduling(t *testing.T) *unix.SchedAttr {
	attr, err := unix.SchedGetAttr(0, 0)
	if err != nil {
		t.Error(err)
		return new(unix.SchedAttr)
	}
	return attr
}

func TestALanesThreadAsksForAShortSliceAndKeepsItsNiceness(t *testing.T) {
	for _, nice := range []int{0, 7} {
		onThread(func() {
			if err := unix.Setpriority(unix.PRIO_PROCESS, 0, nice); err != nil { // of this thread alone
				t.Error(err)
			}
			before := scheduling(t)
			ownThread()
			after := scheduling(t)
			if after.Nice != int32(nice) || after.Policy != before.Policy {
				t.Errorf("nice %d, policy %d; were %d and %d", after.Nice, after.Policy, nice, before.Policy)
			}
			if slice := time.Duration(after.Runtime); slice != laneSlice && after.Runtime != before.Runtime { // to Linux 6.11
				t.Errorf("slice %v", slice)
			}
		})
	}
}

func TestALanesThreadKeepsAnotherSchedulingPolicy(t *testing.T) {
	onThread(func() {
		err := unix.SchedSetAttr(0, &unix.SchedAttr{Size: unix.SizeofSchedAttr, Policy: unix.SCHED_BATCH}, 0)
		if err != nil {
			t.Skipf("another policy cannot be set: %v", err)
		}
		ownThread()
		if policy := scheduling(t).Policy; policy != unix.SCHED_BATCH {
			t.Errorf("policy %d", policy)
		}
	})
}
