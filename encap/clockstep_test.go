package encap

import (
	"bytes"
	"errors"
	"fmt"
	"testing"
	"time"
	"unsafe"
)

// hostClock is what time.Now gives on one host. Time passes on all hosts alike; the wall clock of each can be set.
type hostClock struct {
	passed *time.Duration
	set    time.Duration // how far the wall clock was set, in whole seconds
}

// bootedAt has a monotonic reading, as all times of a router have.
var bootedAt = time.Now()

// hostClocks are those of two hosts, and pass, which lets time pass on both.
func hostClocks() (a, b *hostClock, pass func(time.Duration)) {
	passed := new(time.Duration)
	return &hostClock{passed: passed}, &hostClock{passed: passed}, func(d time.Duration) { *passed += d }
}

// now is a time whose wall clock was set and whose monotonic reading was not. No function of package time makes one: only a kernel does.
// Its fields are those that package time documents in its source: the first one has the seconds from bit 30 on.
func (c *hostClock) now() time.Time {
	honest := bootedAt.Add(*c.passed)
	t := honest
	(*struct{ wall, ext uint64 })(unsafe.Pointer(&t)).wall += uint64(c.set/time.Second) << 30
	if t.Sub(honest) != 0 || t.Unix()-honest.Unix() != int64(c.set/time.Second) {
		panic("package time keeps its readings in another way by now")
	}
	return t
}

// steps runs a test for each side whose wall clock is set, and each way.
func steps(t *testing.T, test func(t *testing.T, a, b *hostClock, pass, step func(time.Duration), by time.Duration)) {
	for _, by := range []time.Duration{6 * time.Hour, -6 * time.Hour, 400 * 24 * time.Hour, -400 * 24 * time.Hour} {
		for _, side := range []string{"the initiator's", "the responder's", "both"} {
			t.Run(fmt.Sprintf("%s by %v", side, by), func(t *testing.T) {
				a, b, pass := hostClocks()
				test(t, a, b, pass, func(d time.Duration) {
					if side != "the responder's" {
						a.set += d
					}
					if side != "the initiator's" {
						b.set += d
					}
				}, by)
			})
		}
	}
}

// meet makes a session of two hosts with clocks of their own, and returns the initiation.
func meet(t *testing.T, a, b *node, ca, cb *hostClock) (initiation []byte) {
	t.Helper()
	initiation = a.initiation(t, ca.now())
	response, err := b.answer(t, bytes.Clone(initiation), cb.now())
	if err != nil {
		t.Fatal(err)
	}
	if err := a.Complete(response, ca.now()); err != nil {
		t.Fatal(err)
	}
	a.probe(t, b, cb.now())
	return initiation
}

func TestASessionGoesOnWhereAWallClockIsSet(t *testing.T) {
	steps(t, func(t *testing.T, ca, cb *hostClock, pass, step func(time.Duration), by time.Duration) {
		a, b := pair(t)
		initiation := meet(t, a, b, ca, cb)
		frame, err := a.Current().SealData(make([]byte, 0, 64), 0, 0, []byte("before"))
		if err != nil {
			t.Fatal(err)
		}
		captured := bytes.Clone(frame)
		if _, err := b.open(frame); err != nil {
			t.Fatal(err)
		}
		pass(time.Minute)
		step(by)
		for name, end := range map[string]struct {
			*node
			clock *hostClock
		}{"initiator": {a, ca}, "responder": {b, cb}} {
			if end.Expire(end.clock.now()); end.Current() == nil || end.NeedsRekey(end.clock.now()) {
				t.Errorf("the %s's keys of a minute are taken for old ones", name)
			}
		}
		carry(t, a, b, []byte("there"))
		carry(t, b, a, []byte("and back"))
		if _, err := b.open(captured); !errors.Is(err, ErrReplay) {
			t.Errorf("a frame of before, once more: %v", err)
		}
		if _, err := b.answer(t, initiation, cb.now()); !errors.Is(err, ErrReplayedStamp) {
			t.Errorf("the initiation of before, once more: %v", err)
		}
		pass(time.Minute)
		if !a.NeedsRekey(ca.now()) {
			t.Error("keys of two minutes are not replaced")
		}
		meet(t, a, b, ca, cb)
		carry(t, a, b, []byte("under new keys"))
		carry(t, b, a, []byte("likewise"))
	})
}

func TestKeysEndInTimeWhereAWallClockIsSet(t *testing.T) {
	steps(t, func(t *testing.T, ca, cb *hostClock, pass, step func(time.Duration), by time.Duration) {
		a, b := pair(t)
		meet(t, a, b, ca, cb)
		step(by)
		pass(3*time.Minute - time.Second)
		a.Expire(ca.now())
		b.Expire(cb.now())
		if a.Current() == nil || b.Current() == nil {
			t.Fatal("keys end too early")
		}
		pass(time.Second)
		a.Expire(ca.now())
		b.Expire(cb.now())
		if a.Current() != nil || b.Current() != nil {
			t.Error("keys outlive their end")
		}
		meet(t, a, b, ca, cb)
		carry(t, b, a, []byte("anew"))
	})
}

func TestACookieCountsAsLongWhereAWallClockIsSet(t *testing.T) {
	steps(t, func(t *testing.T, ca, cb *hostClock, pass, step func(time.Duration), by time.Duration) {
		a, b := pair(t)
		c := NewCookies(b.local)
		reply, err := c.Reply(nil, marked(t, b.local, a.initiation(t, ca.now())), caller, cb.now())
		if err != nil {
			t.Fatal(err)
		}
		if _, err := a.TakeCookie(reply, ca.now()); err != nil {
			t.Fatal(err)
		}
		step(by)
		pass(cookieLife - cookieMargin - time.Second)
		proof := a.initiation(t, ca.now())
		if !c.Proves(proof, caller, cb.now()) {
			t.Error("a cookie that was given is asked for again")
		}
		pass(time.Second)
		if frame := a.initiation(t, ca.now()); frame[1]&FlagCookie != 0 {
			t.Error("it is used after its time")
		}
		pass(3 * cookieLife)
		if c.Proves(proof, caller, cb.now()) {
			t.Error("it proves an address after its time")
		}
	})
}

func TestGossipFramesAreTakenOnceWhereAWallClockIsSet(t *testing.T) {
	steps(t, func(t *testing.T, ca, cb *hostClock, pass, step func(time.Duration), by time.Duration) {
		a, b := testSealer(t, 1), testSealer(t, 2)
		var window HearsayWindow
		take := func(frame []byte) error {
			h, err := b.Open(bytes.Clone(frame), cb.now())
			if err == nil && !window.Take(h.Stamp) {
				err = ErrReplay
			}
			return err
		}
		before := a.Seal(nil, []byte("x"), ca.now())
		if err := take(before); err != nil {
			t.Fatal(err)
		}
		step(by)
		apart := ca.set - cb.set
		during := a.Seal(nil, []byte("x"), ca.now())
		err := take(during)
		var misdated *GossipClockError
		far := apart.Abs() > 48*time.Hour
		if far != errors.As(err, &misdated) || !far && err != nil {
			t.Errorf("clocks %v apart: %v", apart, err)
		}
		if err := take(before); err == nil {
			t.Error("a frame of before is taken a second time")
		}
		step(-by)
		if err := take(a.Seal(nil, []byte("x"), ca.now())); err != nil {
			t.Errorf("after the clock was set right: %v", err)
		}
		if err := take(during); err == nil && !far { // one that was refused, because our own clock was wrong, may be taken now
			t.Error("a frame of meanwhile is taken a second time")
		}
		for name, frame := range map[string][]byte{"before": before, "meanwhile": during} {
			if err := take(frame); err == nil {
				t.Errorf("a frame of %s is taken a second time", name)
			}
		}
	})
}
