package router

import (
	"log/slog"
	"math"
	"net/netip"
	"testing"
	"time"

	"github.com/weftnet/weft/encap"
	"github.com/weftnet/weft/tun"
)

// BenchmarkFlood tells what an initiation of a flood costs in the lane, under load that has taken all cookies: from anywhere, from a
// member's address, with a cookie that is not right, and one that comes again and again.
func BenchmarkFlood(b *testing.B) {
	from := encap.Endpoint{Addr: netip.MustParseAddrPort("198.18.0.1:1")}
	for _, c := range []struct {
		name   string
		cookie bool
		change func(v *receiver, mark encap.Mark)
	}{
		{"anywhere", false, func(*receiver, encap.Mark) {}},
		{"member", false, func(v *receiver, _ encap.Mark) { v.table.called[from.Addr.Addr()] = true }},
		{"cookie", true, func(*receiver, encap.Mark) {}},
		{"repeated", true, func(v *receiver, mark encap.Mark) { v.l.r.limiter.known.add(mark) }},
	} {
		b.Run(c.name, func(b *testing.B) {
			v, frame := floodedLane(b, c.cookie)
			mark, ok := v.l.r.cfg.Local.Marked(frame)
			if !ok {
				b.Fatal("the frame carries no mark")
			}
			c.change(v, mark)
			b.ReportAllocs()
			for b.Loop() {
				v.frame(from, frame, 0)
			}
		})
	}
}

// floodedLane is a lane of a router whose loops do not run, and an initiation to it, with a cookie for another address if it is to have one.
func floodedLane(b *testing.B, cookie bool) (*receiver, []byte) {
	caller, called, now := newLocal(b, 1), newLocal(b, 2), time.Now()
	r := New(Config{
		Local: called, Device: &countingDevice{queues: []tun.Queue{&countingDevice{}}}, Port: &handPort{[]encap.Conn{new(sink)}}, Stamp: encap.Stamps(1),
		Log: slog.New(slog.DiscardHandler),
	})
	session := encap.NewSession(encap.SessionConfig{
		Local: caller, Peer: called.Identity.Public(), Indexes: noIndexes{}, Stamp: encap.Stamps(1),
	})
	frame, err := session.Initiate(now)
	if cookie && err == nil {
		mark, _ := called.Marked(frame)
		var reply []byte
		if reply, err = r.limiter.cookies.Reply(nil, mark, netip.MustParseAddrPort("198.18.0.1:2"), now); err == nil {
			_, err = session.TakeCookie(reply, now)
			frame, _ = session.Initiate(now)
		}
	}
	if err != nil {
		b.Fatal(err)
	}
	r.limiter.loaded.Store(math.MaxInt64)
	r.limiter.given.next.Store(math.MaxInt64 / 2)
	v := &r.lanes[0].receiver
	v.begin(newSnapshot(), r.dev.Load(), 1)
	return v, frame
}
