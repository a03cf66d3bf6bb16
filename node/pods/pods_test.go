package pods

import (
	"context"
	"errors"
	"net/netip"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/weftnet/weft/cni-shim/ipam"
	"github.com/weftnet/weft/cni-shim/lease"
	"github.com/weftnet/weft/cni-shim/podnet"
)

// bench is a keeper with its host and directories.
type bench struct {
	t        *testing.T
	host     *fakeHost
	run, dir string
	*Keeper
}

func newBench(t *testing.T) *bench {
	b := &bench{t: t, host: newFakeHost(), run: t.TempDir(), dir: t.TempDir()}
	b.restart()
	return b
}

// restart makes the keeper anew, as a restart of the daemon does.
func (b *bench) restart() {
	b.t.Helper()
	var err error
	if b.Keeper, err = New(b.host, b.run, b.dir); err != nil {
		b.t.Fatal(err)
	}
}

func prefix(text string) netip.Prefix { return netip.MustParsePrefix(text) }

func own(subnets ...string) Own {
	o := Own{Node: "vm-1", Network: []netip.Prefix{prefix("10.244.0.0/16")}, Device: "weft0", MTU: 1440}
	for _, s := range subnets {
		o.Subnets = append(o.Subnets, prefix(s))
	}
	return o
}

// set sets the lease, and wants that to have this effect.
func (b *bench) set(o Own, want LeaseChange) {
	b.t.Helper()
	if got, err := b.SetLease(o); got != want || err != nil {
		b.t.Fatalf("SetLease = %v, %v, want %v", got, err, want)
	}
}

// keep runs Keep, which must not fail.
func (b *bench) keep() Kept {
	b.t.Helper()
	done := b.Keep(b.t.Context())
	if err := errors.Join(done.BookErr, done.BridgeErr, done.GuardErr); err != nil {
		b.t.Fatal(err)
	}
	return done
}

// add does what ADD does, and returns the pod's host end.
func (b *bench) add(name string) string {
	b.t.Helper()
	l, err := lease.Read(b.run)
	if err != nil {
		b.t.Fatal(err)
	}
	end := podnet.HostEnd(name, "eth0")
	_, _, err = b.book.Reserve(b.t.Context(), ipam.Request{
		Key: ipam.Key{Container: name, IfName: "eth0"}, Network: "weft", HostEnd: end, Subnets: l.Subnets,
	})
	if err != nil {
		b.t.Fatal(err)
	}
	if _, err := b.host.SetBridge(bridgeOf(l)); err != nil {
		b.t.Fatal(err)
	}
	b.host.ends[end] = podnet.HostEndState{Master: Bridge, Up: true}
	return end
}

// del does what DEL does.
func (b *bench) del(name string) {
	b.t.Helper()
	delete(b.host.ends, podnet.HostEnd(name, "eth0"))
	if _, _, err := b.book.Release(b.t.Context(), ipam.Key{Container: name, IfName: "eth0"}); err != nil {
		b.t.Fatal(err)
	}
}

func TestTheLeaseFollowsTheNodeAndComesBackWhenSomebodyRemovesIt(t *testing.T) {
	b := newBench(t)
	waiting := own()
	waiting.Waiting = "it has no subnet yet"
	b.set(waiting, LeaseAsItWas)
	if r := b.Report(); r.Leased || r.Reason != waiting.Waiting {
		t.Errorf("while it waits: %+v", r)
	}
	o := own("10.244.1.0/24")
	b.set(o, LeaseWritten)
	b.set(o, LeaseAsItWas)
	l, err := lease.Read(b.run)
	if err != nil || l.MTU != 1440 || l.GSOMaxSize != 65536 || l.StateDir != b.dir || l.Node != "vm-1" {
		t.Errorf("lease %+v, %v", l, err)
	}
	if err := os.Remove(lease.Path(b.run)); err != nil {
		t.Fatal(err)
	}
	b.set(o, LeaseRestored)
	if err := os.WriteFile(lease.Path(b.run), []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	b.set(o, LeaseRestored)
	o.MTU = 1400
	b.set(o, LeaseWritten)
	b.host.gso = 32768
	b.keep()
	b.set(o, LeaseWritten)
	if l, _ := lease.Read(b.run); l.MTU != 1400 || l.GSOMaxSize != 32768 {
		t.Errorf("lease %+v", l)
	}
}

func TestALeaseOutlivesTheDaemonAndAWaitButNotTheLossOfItsSubnets(t *testing.T) {
	b := newBench(t)
	b.set(own("10.244.1.0/24"), LeaseWritten)
	b.restart()
	waiting := own()
	waiting.Waiting = "nobody has answered"
	b.set(waiting, LeaseAsItWas)
	if r := b.Report(); !r.Leased || r.Reason != "" {
		t.Errorf("after a restart: %+v", r)
	}
	waiting.Lost, waiting.Waiting = true, "it is vm-2's"
	b.set(waiting, LeaseWithdrawn)
	b.set(waiting, LeaseAsItWas)
	if _, err := lease.Read(b.run); !errors.Is(err, lease.ErrNone) || b.Report().Reason != "it is vm-2's" {
		t.Errorf("lease: %v; %+v", err, b.Report())
	}
}

func TestASubnetWithoutRoomForPodsIsNamed(t *testing.T) {
	b := newBench(t)
	b.set(own("10.244.1.1/32"), LeaseAsItWas)
	if r := b.Report(); r.Leased || !strings.Contains(r.Reason, "10.244.1.1/32") {
		t.Errorf("%+v", r)
	}
	o := own("10.244.1.0/24", "fd10:244:0:1::/64")
	o.MTU = 1279
	b.set(o, LeaseWritten)
	if l, _ := lease.Read(b.run); len(l.Subnets) != 1 || !l.Subnets[0].Addr().Is4() {
		t.Errorf("with an MTU that has no room for IPv6: %+v", l)
	}
}

func TestALeaseThatCannotBeWrittenIsAnErrorAndNoLease(t *testing.T) {
	b := newBench(t)
	b.runDir = b.run + "/missing"
	if _, err := b.SetLease(own("10.244.1.0/24")); err == nil || b.Report().Leased || b.Report().Reason == "" {
		t.Errorf("err = %v, %+v", err, b.Report())
	}
}

func TestOnAHostWithoutPodsNothingIsMade(t *testing.T) {
	b := newBench(t)
	b.set(own("10.244.1.0/24"), LeaseWritten)
	b.keep()
	if b.host.sets != 0 || b.host.guarded {
		t.Errorf("bridge set %d times, guard %t", b.host.sets, b.host.guarded)
	}
	if entries, _ := os.ReadDir(b.dir); len(entries) != 0 {
		t.Errorf("the state directory has %v", entries)
	}
	if r := b.Report(); r.Bridge != "" || r.Guard != GuardOff || len(r.Usage) != 1 || r.Usage[0].Capacity != 253 {
		t.Errorf("%+v", r)
	}
}

func TestBridgePortsAndGuardComeBack(t *testing.T) {
	b := newBench(t)
	b.set(own("10.244.1.0/24"), LeaseWritten)
	end := b.add("a")
	b.keep()
	if !b.host.guarded || len(b.host.guard) != 1 || b.host.guard[0].HostEnd != end {
		t.Errorf("guard %+v", b.host.guard)
	}
	if done := b.keep(); done.Bridge.Any() || done.Guard.Any() {
		t.Errorf("again: %+v", done)
	}
	b.restart() // it knows the bridge from the lease
	if err := errors.Join(b.host.RemoveBridge(), b.host.ClearGuard()); err != nil {
		t.Fatal(err)
	}
	done := b.keep()
	if !b.host.exists || !b.host.guarded || !slices.Equal(done.Replugged, []string{end}) || b.host.ends[end].Master != Bridge {
		t.Errorf("%+v, host %+v", done, b.host)
	}
	if r := b.Report(); r.Held != 1 || r.Bridge != Bridge || r.Guard != GuardOn {
		t.Errorf("%+v", r)
	}
}

func TestAChangedMTUReachesTheBridge(t *testing.T) {
	b := newBench(t)
	o := own("10.244.1.0/24")
	b.set(o, LeaseWritten)
	b.add("a")
	o.MTU = 1300
	b.set(o, LeaseWritten)
	if b.keep(); b.host.bridge.MTU != 1300 {
		t.Errorf("bridge %+v", b.host.bridge)
	}
}

func TestABridgeOfSomebodyElseIsLeftAlone(t *testing.T) {
	b := newBench(t)
	b.host.foreign = true
	b.set(own("10.244.1.0/24"), LeaseWritten)
	b.keep()
	if r := b.Report(); b.host.sets != 0 || b.host.guarded || !strings.Contains(r.Taken, "weftbr0 is not weft's") || r.Bridge != "" {
		t.Errorf("%+v, host %+v", r, b.host)
	}
}

func TestPodsOfAnotherBridgeAreThatOnes(t *testing.T) {
	b := newBench(t)
	b.set(own("10.244.1.0/24"), LeaseWritten)
	end := b.add("a")
	b.host.exists, b.host.sets = false, 0
	b.host.ends[end] = podnet.HostEndState{Master: "mine0", Up: true}
	b.keep()
	if b.host.sets != 0 || b.host.guarded || len(b.host.plugged) != 0 {
		t.Errorf("host %+v", b.host)
	}
	if got := b.Report().Elsewhere; !slices.Equal(got, []Elsewhere{{"mine0", 1}}) {
		t.Errorf("elsewhere: %+v", got)
	}
	b.del("a")
	if b.keep(); len(b.Report().Elsewhere) != 0 {
		t.Errorf("elsewhere: %+v", b.Report().Elsewhere)
	}
}

func TestAHostEndThatADDIsJustMakingIsNotPluggedIn(t *testing.T) {
	b := newBench(t)
	b.set(own("10.244.1.0/24"), LeaseWritten)
	end := b.add("a")
	b.host.ends[end] = podnet.HostEndState{}
	if b.keep(); len(b.host.plugged) != 0 {
		t.Errorf("plugged in: %v", b.host.plugged)
	}
}

func TestAKernelWithoutAGuardIsSaidAndTheBridgeIsKeptAllTheSame(t *testing.T) {
	b := newBench(t)
	b.host.unguarded = podnet.ErrNoGuard
	b.set(own("10.244.1.0/24"), LeaseWritten)
	b.add("a")
	done := b.Keep(t.Context())
	if r := b.Report(); !errors.Is(done.GuardErr, podnet.ErrNoGuard) || done.BridgeErr != nil || r.Guard != GuardNone || r.Why == "" || r.Bridge != Bridge {
		t.Errorf("%+v, %+v", done, r)
	}
}

func TestADamagedBookIsNamedAndNothingOfPodsIsTouched(t *testing.T) {
	b := newBench(t)
	b.set(own("10.244.1.0/24"), LeaseWritten)
	b.add("a")
	b.keep()
	if err := os.WriteFile(b.book.Path(), []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	done := b.Keep(t.Context())
	if !errors.As(done.BookErr, new(*ipam.DamagedError)) || len(b.host.guard) != 1 {
		t.Errorf("%+v, guard %+v", done, b.host.guard)
	}
}

func TestWhatAnEarlierBootHeldIsFreedAtOnce(t *testing.T) {
	b := newBench(t)
	b.set(own("10.244.1.0/24"), LeaseWritten)
	earlier, err := ipam.Open(b.dir, ipam.Options{BootID: "another"})
	if err != nil {
		t.Fatal(err)
	}
	_, _, err = earlier.Reserve(context.Background(), ipam.Request{
		Key: ipam.Key{Container: "old", IfName: "eth0"}, Network: "weft", HostEnd: "wv0", Subnets: []netip.Prefix{prefix("10.244.1.0/24")},
	})
	if err != nil {
		t.Fatal(err)
	}
	done := b.keep()
	if r := b.Report(); len(done.Freed) != 1 || done.Freed[0].Container != "old" || r.Held != 0 || r.Freed != 1 || b.host.sets != 0 {
		t.Errorf("%+v, %+v", done, r)
	}
}

func TestAddressesThatCannotBeFreedKeepNoGuardFromComingBack(t *testing.T) {
	b := newBench(t)
	b.set(own("10.244.1.0/24"), LeaseWritten)
	b.add("a")
	b.host.unlistable = errors.New("not today")
	if done := b.Keep(t.Context()); done.BookErr == nil || len(b.host.guard) != 1 || b.Report().Guard != GuardOn {
		t.Errorf("%+v, guard %v", done, b.host.guard)
	}
	b.host.unlistable = nil
	b.keep()
}

func TestDownRemovesAllButWhatPodsThatLiveNeed(t *testing.T) {
	b := newBench(t)
	b.set(own("10.244.1.0/24"), LeaseWritten)
	b.add("a")
	b.keep()
	living, err := Remove(b.host, b.run, b.dir)
	if living != 1 || err != nil || !b.host.exists || !b.host.guarded {
		t.Errorf("with a pod: %d, %v, %+v", living, err, b.host)
	}
	b.del("a")
	for range 2 {
		living, err = Remove(b.host, b.run, b.dir)
		if living != 0 || err != nil || b.host.exists || b.host.guarded {
			t.Errorf("without: %d, %v, %+v", living, err, b.host)
		}
	}
	if _, err := os.Stat(lease.Path(b.run)); err == nil {
		t.Error("the lease is left")
	}
}

func TestThePodOfAnADDThatDiedIsFreedAfterAMinute(t *testing.T) {
	b := newBench(t)
	b.set(own("10.244.1.0/24"), LeaseWritten)
	b.add("lives")
	end := b.add("dies")
	delete(b.host.ends, end)
	var up time.Duration
	var err error
	if b.book, err = ipam.Open(b.dir, ipam.Options{BootID: b.boot, Uptime: func() time.Duration { return up }}); err != nil {
		t.Fatal(err)
	}
	b.watch = b.book.Watch()
	for up = 0; up < ipam.VanishedAfter; up += 4 * time.Second {
		if done := b.keep(); len(done.Freed) != 0 {
			t.Fatalf("after %v: %+v", up, done.Freed)
		}
	}
	done := b.keep()
	if r := b.Report(); len(done.Freed) != 1 || done.Freed[0].HostEnd != end || r.Held != 1 || r.Freed != 1 || len(b.host.guard) != 1 {
		t.Errorf("%+v, %+v, guard %v", done, r, b.host.guard)
	}
	if done := b.keep(); len(done.Freed) != 0 {
		t.Errorf("again: %+v", done.Freed)
	}
}

func TestKeepIsDueWhenTheBridgeHasComeOrGone(t *testing.T) {
	b := newBench(t)
	b.set(own("10.244.1.0/24"), LeaseWritten)
	b.keep()
	for i, change := range []func(){func() {}, func() { b.add("a") }, func() {}, func() { _ = b.host.RemoveBridge() }} {
		change()
		if want := i%2 == 1; b.Due() != want {
			t.Errorf("step %d: due %t", i, b.Due())
		}
		b.keep()
	}
}

func TestTheGuardIsDamagedWhenItsTableIsGoneAndPodsHadIt(t *testing.T) {
	b := newBench(t)
	b.set(own("10.244.1.0/24"), LeaseWritten)
	b.keep()
	if b.GuardDamaged() {
		t.Error("damaged, where no pod needs one")
	}
	b.add("a")
	b.keep()
	if b.GuardDamaged() {
		t.Error("damaged, though it is there")
	}
	if err := b.host.ClearGuard(); err != nil {
		t.Fatal(err)
	}
	if !b.GuardDamaged() {
		t.Error("not damaged, though it is gone")
	}
	b.keep()
	if b.GuardDamaged() {
		t.Error("damaged, though it is back")
	}
	b.host.unguarded = podnet.ErrNoGuard
	if b.GuardDamaged() {
		t.Error("damaged, where nobody can tell")
	}
}
