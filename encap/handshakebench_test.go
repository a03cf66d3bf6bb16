package encap

import "testing"

// BenchmarkMarked tells what a receiving loop pays for an initiation: under the first secret of its ring, under the second, and
// for one of a stranger.
func BenchmarkMarked(b *testing.B) {
	for name, secrets := range map[string][]byte{"first": {1, 2}, "second": {2, 1}, "stranger": {2, 3}} {
		b.Run(name, func(b *testing.B) {
			x, y := pair(b)
			frame := x.initiation(b, start)
			y.local.Ring = ringOf(secrets...)
			b.SetBytes(int64(len(frame)))
			b.ReportAllocs()
			for b.Loop() {
				if _, ok := y.local.Marked(frame); ok == (name == "stranger") {
					b.Fatal("the wrong answer")
				}
			}
		})
	}
}

// BenchmarkProves tells what an initiation with a cookie costs, under load: one whose cookie is right, and one whose is not.
func BenchmarkProves(b *testing.B) {
	x, y := pair(b)
	c := NewCookies(y.local)
	reply, err := c.Reply(nil, marked(b, y.local, x.initiation(b, start)), caller, start)
	if err != nil {
		b.Fatal(err)
	}
	if _, err := x.TakeCookie(reply, start); err != nil {
		b.Fatal(err)
	}
	frame := x.initiation(b, start)
	for name, from := range map[string]bool{"right": true, "wrong": false} {
		b.Run(name, func(b *testing.B) {
			at := caller
			if !from {
				at = elsewhere
			}
			b.ReportAllocs()
			for b.Loop() {
				if c.Proves(frame, at, start) != from {
					b.Fatal("the wrong answer")
				}
			}
		})
	}
}

// BenchmarkCookieReply tells what a cookie costs that is given.
func BenchmarkCookieReply(b *testing.B) {
	x, y := pair(b)
	c := NewCookies(y.local)
	mark := marked(b, y.local, x.initiation(b, start))
	var reply []byte
	b.ReportAllocs()
	for b.Loop() {
		var err error
		if reply, err = c.Reply(reply[:0], mark, caller, start); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkHandshake tells what each step of a handshake takes of a CPU.
func BenchmarkHandshake(b *testing.B) {
	x, y := pair(b)
	b.Run("initiate", func(b *testing.B) {
		for b.Loop() {
			x.initiation(b, start)
		}
	})
	frame := x.initiation(b, start)
	b.Run("read", func(b *testing.B) {
		for b.Loop() {
			if _, err := y.local.ReadInitiation(frame); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("whole", func(b *testing.B) {
		for b.Loop() {
			establish(b, x, y, start)
		}
	})
}
