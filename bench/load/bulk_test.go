package load

import (
	"context"
	"errors"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// copyAll is a path that changes nothing.
func copyAll(from, to net.Conn, _ bool) {
	_, _ = io.Copy(to, from)
	to.Close()
}

func TestBulkCountsWhatArrives(t *testing.T) {
	s := testServer(t)
	for _, d := range []Direction{"", Up, Down, Both} {
		r, err := Bulk(soon(t), Here{}, s, BulkOptions{Streams: 3, Duration: 30 * time.Millisecond, Direction: d})
		if err != nil {
			t.Fatal(err)
		}
		up, down := d != Down, d == Down || d == Both
		if (r.Up.Bytes > 0) != up || (r.Down.Bytes > 0) != down || r.Bytes != r.Up.Bytes+r.Down.Bytes || r.BitsPerSecond <= 0 {
			t.Errorf("%s: %+v", d, r)
		}
	}
}

func TestBulkRefusesWhatItCannotDo(t *testing.T) {
	for _, o := range []BulkOptions{
		{Streams: -1, Duration: time.Second},
		{Streams: 129, Duration: time.Second},
		{Streams: 1},
		{Duration: time.Second, Direction: "sideways"},
	} {
		if _, err := Bulk(soon(t), Here{}, testServer(t), o); err == nil {
			t.Errorf("%+v: no error", o)
		}
	}
}

func TestBulkThatIsCancelledEndsAndLeavesNothing(t *testing.T) {
	s := testServer(t)
	for _, d := range []Direction{Up, Down, Both} {
		ctx, cancel := context.WithCancel(context.Background())
		done := make(chan error)
		go func() {
			_, err := Bulk(ctx, Here{}, s, BulkOptions{Streams: 2, Duration: time.Minute, Direction: d})
			done <- err
		}()
		await(t, "a job runs", func() bool { return s.Jobs() > 0 })
		cancel()
		if err := <-done; !errors.Is(err, context.Canceled) {
			t.Errorf("%s: %v", d, err)
		}
	}
}

func TestBulkWhoseConnectionBreaksIsAnErrorThatNamesBothEnds(t *testing.T) {
	far := relayed{Far: testServer(t), pipe: func(from, to net.Conn, up bool) {
		_, _ = io.CopyN(to, from, 1<<20)
		from.Close()
		to.Close()
	}}
	_, err := Bulk(soon(t), Here{}, far, BulkOptions{Duration: 10 * time.Second})
	if err == nil || !strings.Contains(err.Error(), "load: bulk from this host to 127.0.0.1:") {
		t.Errorf("error = %v", err)
	}
}

func TestAClosedPortIsAnErrorThatNamesIt(t *testing.T) {
	s := testServer(t)
	_, n := start(t, s, SinkTCP)
	_, _ = n.remote.Finish(soon(t))
	if _, _, err := n.dial(soon(t)); err == nil || !strings.Contains(err.Error(), n.to.String()+": connection refused") {
		t.Errorf("error = %v", err)
	}
}

func TestRetransmitsThatTheKernelDoesNotTellAreNotKnown(t *testing.T) {
	r, err := Bulk(soon(t), Here{}, testServer(t), BulkOptions{Streams: 2, Duration: 10 * time.Millisecond})
	if err != nil || !r.RetransmitsKnown {
		t.Errorf("up: %+v, %v", r, err)
	}
	r, err = Bulk(soon(t), Here{}, testServer(t), BulkOptions{Duration: 100 * time.Millisecond, Direction: Down})
	if err != nil || r.RetransmitsKnown {
		t.Errorf("down: %+v, %v; what the other end sent again is not known", r, err)
	}
	udp, err := newSocket(Here{}, unix.SOCK_DGRAM, false)
	if err != nil {
		t.Fatal(err)
	}
	defer udp.close()
	if sum, known := retransmits([]*socket{udp}); sum != 0 || known {
		t.Errorf("of a socket that has none: %d, %v", sum, known)
	}
}
