package main

import (
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/weftnet/weft/encap"
	"github.com/weftnet/weft/router"
)

const (
	garbage     = 1_000_000 // frames
	garbagePool = 4096      // of these are different
)

// A million frames of garbage, as fast as the port takes them, cost a node nothing but the time to count them.
func TestAMillionFramesOfGarbageAreCountedAndNothingElse(t *testing.T) {
	t.Parallel()
	s := newSiege(t, 2)
	before := status(t, s.victim)
	frames := s.wire.Ethernet(s.to(endpoint(s.Nodes[1]), rubbish()...)...)
	log, inner, counted, memory := markLog(t, s.victim), s.delivered(t), s.dropped(t), residentOf(t, s.victim.Daemon().PID())
	sent := 0
	for ; sent < garbage; sent += len(frames) {
		s.flood(t, frames)
	}
	await(t, func() (bool, string) {
		n := s.dropped(t).since(counted).total()
		return n >= uint64(sent), fmt.Sprintf("%d of %d frames are counted", n, sent)
	})
	got := s.dropped(t).since(counted)
	if got.total() != uint64(sent) {
		t.Errorf("%d frames are counted, %d were sent: %v", got.total(), sent, got)
	}
	for reason := range maps.Keys(got) {
		if !slices.Contains(garbageReasons, reason) {
			t.Errorf("%d frames are dropped for %s", got[reason], reason)
		}
	}
	if n := s.delivered(t) - inner; n != 0 {
		t.Errorf("%d packets were delivered", n)
	}
	if now := residentOf(t, s.victim.Daemon().PID()); now > memory+garbageMemory {
		t.Errorf("the daemon had %d KiB of memory, and has %d", memory, now)
	}
	s.checkLog(t, log)
	s.stands(t, before)
}

// garbageMemory is how much a daemon may grow, in KiB: its queues are bounded.
const garbageMemory = 32 << 10

// garbageReasons are why garbage is dropped; where it looks like gossip or the answer to a handshake, also since that is more than
// waits for control at a time.
var garbageReasons = []string{
	router.BadFrame.String(), router.UnknownVersion.String(), router.UnknownType.String(), router.UnknownIndex.String(),
	router.HandshakeRefused.String(), router.GossipRefused.String(), router.ControlFull.String(),
}

// rubbish are frames of all lengths: half of them random from the first byte on, half with the head of a frame of ours.
func rubbish() [][]byte {
	frames := make([][]byte, garbagePool)
	for i := range frames {
		frames[i] = noise(byte(i), 2+i%1400) // one byte could be padding, which is thrown away and not counted
		frames[i][0] ^= byte(i >> 8)
		if i%2 == 0 {
			frames[i][0] = encap.Version<<4 | byte(i/2%16)
		}
	}
	return frames
}

// residentOf is how much memory a process has, in KiB.
func residentOf(t *testing.T, pid int) (kib int) {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(text), "VmRSS:")
	if _, err := fmt.Sscan(rest, &kib); err != nil {
		t.Fatal(err)
	}
	return kib
}
